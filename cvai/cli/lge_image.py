"""Late enhancement as PNG or NIfTI for ``cvai segment``, and its labels on the same grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvai.cli.echo_image import png_levels
from cvai.cli.grey import not_grey, require_grey_levels
from cvai.cli.nifti import NiftiImage
from cvai.errors import GeometryRefused


def read_slice(path: Path) -> NDArray[np.float32]:
    """(1, y, x) grey levels of one slice as displayed.

    Raises:
        FileRefused: ``not_png``, ``image_too_large`` or ``not_grey_levels``.
        GeometryRefused: ``not_a_frame``, the file holds several.
    """
    levels, coloured = png_levels(path)
    if coloured.any():
        raise not_grey("The PNG is coloured.")
    require_grey_levels(levels)
    return levels[None]


def slices_of_nifti(image: NiftiImage) -> NDArray[np.float32]:
    """(z, y, x) slices of an image (x, y) or (x, y, z).

    Raises:
        FileRefused: ``not_grey_levels``.
        GeometryRefused: ``not_a_stack``, the image has other dimensions.
    """
    shape = image.shape
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (2, 3):
        raise GeometryRefused(
            "not_a_stack",
            f"The image is {' x '.join(map(str, image.shape))}.",
            "Give slices of late enhancement as (x, y) or (x, y, z).",
        )
    require_grey_levels(image.values)
    return np.ascontiguousarray(image.values.reshape(*shape[:2], -1).transpose(2, 1, 0))
