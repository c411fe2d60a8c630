"""The images of late enhancement become one stack, or are refused with what was measured."""

from __future__ import annotations

import numpy as np

from cvai.dicom.read.cine.assemble import check_one_grid, check_placed, geometry_of
from cvai.dicom.read.enhancement.finder import EnhancementSelection, images_of
from cvai.dicom.read.pixels.decode import stored_pixels
from cvai.dicom.read.values import AssembledCine
from cvai.domain.cine import CineStack


def assemble_enhancement(selection: EnhancementSelection) -> AssembledCine:
    """Read the pixels of a stack of late enhancement, as a cine of one phase without times.

    Slices are in order of increasing distance along row x column.

    Raises:
        GeometryRefused: ``mixed_grid``, ``mixed_orientation``, ``missing_slice``, ``irregular_slice_gap`` or
            ``shifted_slice``.
        FileRefused: ``truncated_file``, ``unsupported_transfer_syntax``, ``conflicting_copies`` or
            ``pixel_data_unreadable``.
    """
    images = images_of(selection)
    check_placed(images)
    check_one_grid(images)
    pixels, grid = stored_pixels(images), (1, len(images))
    stack = CineStack(
        pixels.values[np.newaxis],
        geometry_of([(image,) for image in images]),
        None,
        None,
        pixels.slopes.reshape(grid) if np.any(pixels.slopes != 1) else None,
        pixels.intercepts.reshape(grid) if np.any(pixels.intercepts != 0) else None,
    )
    return AssembledCine(images[0].series_uid, stack, (images,), selection.excluded, selection.findings)
