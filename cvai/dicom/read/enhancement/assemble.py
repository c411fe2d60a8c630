"""The images of late enhancement become one stack, or are refused with what was measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cvai.dicom.read.cine.assemble import (
    check_one_grid,
    check_placed,
    geometry_of,
    pause_findings,
    tilt_findings,
)
from cvai.dicom.read.cine.compression import compression_findings
from cvai.dicom.read.cine.contradictions import contradiction_findings
from cvai.dicom.read.cine.image_groups import ImageGroup
from cvai.dicom.read.enhancement.finder import EnhancementSelection, images_of
from cvai.dicom.read.pixels.decode import stored_pixels
from cvai.dicom.read.values import AssembledCine, ImagePlane, Images
from cvai.domain.cine import CineStack
from cvai.domain.turned import turned_findings


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
    stack = _one_phase(images)
    slices = [(image,) for image in images]
    findings = (
        *selection.findings,
        *tilt_findings(slices),
        *pause_findings(slices),
        *contradiction_findings(slices, stack.geometry, selection.cine.planes if selection.cine else ()),
        *turned_findings((stack.frame(0, z) for z in range(len(slices))), stack.geometry),
        *compression_findings(images),
    )
    return AssembledCine(images[0].series_uid, stack, (images,), selection.excluded, findings)


def cine_at_enhancement(cine: ImageGroup, selection: EnhancementSelection) -> CineStack:
    """The phase of a cine that is nearest in time to the late enhancement; its other pixels are not
    read.

    Late enhancement is acquired in mid-diastole mostly. Where it states no time after the R wave, or the cine
    does not, the first phase is taken, end-diastole.

    Raises:
        GeometryRefused, FileRefused: as ``assemble_enhancement``.
    """
    stated_ms = [p.trigger_time_ms for p in images_of(selection) if p.trigger_time_ms is not None]
    time_ms = float(np.median(stated_ms)) if stated_ms else 0.0
    return _one_phase(tuple(_nearest(images, time_ms) for images in cine.slices))


def _nearest(images: Sequence[ImagePlane], time_ms: float) -> ImagePlane:
    """The image of a slice nearest to a time after the R wave, the first where one states none."""
    times_ms = [plane.trigger_time_ms for plane in images]
    stated = [ms for ms in times_ms if ms is not None]
    if len(stated) < len(images):
        return min(images, key=lambda plane: plane.instance_number or 0)
    return images[int(np.argmin(np.abs(np.array(stated) - time_ms)))]


def _one_phase(images: Images) -> CineStack:
    """One image a slice, in order along the normal, as a cine of one phase without times."""
    check_placed(images)
    check_one_grid(images)
    pixels, grid = stored_pixels(images), (1, len(images))
    return CineStack(
        pixels.values[np.newaxis],
        geometry_of([(image,) for image in images]),
        None,
        None,
        pixels.slopes.reshape(grid) if np.any(pixels.slopes != 1) else None,
        pixels.intercepts.reshape(grid) if np.any(pixels.intercepts != 0) else None,
    )
