"""NIfTI as a short-axis stack for ``cvai segment``: the size of its voxels, and the order of its axes."""

from __future__ import annotations

import numpy as np

from cvai.cli.grey import require_grey_levels
from cvai.cli.nifti import NiftiImage
from cvai.dicom.read.cine.placement import PIXEL_SPACING_LIMITS_MM
from cvai.domain.cine import CineStack
from cvai.domain.geometry import StackGeometry
from cvai.errors import GeometryRefused

_MM_IN_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""By the spatial bits of xyzt_units: none, metres, millimetres, micrometres. Where no unit is stated, lengths
are read as millimetres, and refused where no heart has such a size."""

_SLICE_SPACING_LIMITS_MM = (0.1, 30.0)

_FIELD_LIMITS_MM = (50.0, 1000.0)
"""A left ventricle is wider than the least; no scanner sees more than the most."""

_LONGEST_STACK_MM = 400.0
"""From the first slice to the last; a heart is half as long at most."""

_SLICES_CLOSER = 1.5
"""Slices are further apart than pixels, or about as far: a spacing along x or y that is this many times both
others is that of the slices."""


def stack_of(image: NiftiImage) -> CineStack:
    """The image as a cine; its place in the patient is not needed here.

    Raises:
        FileRefused: ``not_grey_levels``.
        GeometryRefused: ``not_a_volume``, ``not_a_stack``, ``slices_not_last`` or ``invalid_pixel_spacing``.
    """
    shape = image.shape
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (3, 4):
        raise GeometryRefused(
            "not_a_volume",
            f"The image has {len(shape)} dimensions: {' x '.join(map(str, shape))}.",
            "Give (x, y, z) or (x, y, z, t).",
        )
    if shape[2] < 2:
        raise GeometryRefused(
            "not_a_stack",
            f"The image is {' x '.join(map(str, shape))}: it has one slice.",
            "Give a stack of at least two slices, as (x, y, z) or (x, y, z, t).",
        )
    spacing_mm = _checked_spacing_mm(image, (shape[0], shape[1], shape[2]))
    require_grey_levels(image.values)
    pixels = image.values.reshape(*shape[:3], -1).transpose(3, 2, 1, 0)
    geometry = StackGeometry.unplaced(shape[2], (spacing_mm[2], spacing_mm[1], spacing_mm[0]))
    return CineStack(np.ascontiguousarray(pixels), geometry, None, None)


def _checked_spacing_mm(image: NiftiImage, matrix: tuple[int, int, int]) -> tuple[float, float, float]:
    """Size of a voxel along x, y and z."""
    code = int(image.header["xyzt_units"]) & 0b111
    if code not in _MM_IN_UNIT:
        raise _not_of_a_heart(f"its unit of length has code {code}, which is none")
    x, y, z = (float(length) * _MM_IN_UNIT[code] for length in image.header["pixdim"][1:4])
    stated = f"voxels of {x:g} x {y:g} x {z:g} mm" + (" if its lengths are millimetres" if code == 0 else "")
    if not (np.isfinite((x, y, z)).all() and min(x, y, z) > 0):
        raise _not_of_a_heart(f"its header states {stated}")
    _require_slices_last((x, y, z), matrix, stated)
    lowest, highest = PIXEL_SPACING_LIMITS_MM
    if not all(lowest <= side <= highest for side in (x, y)) or not (
        _SLICE_SPACING_LIMITS_MM[0] <= z <= _SLICE_SPACING_LIMITS_MM[1]
    ):
        raise _not_of_a_heart(f"its header states {stated}")
    fields_mm = (x * matrix[0], y * matrix[1])
    lowest, highest = _FIELD_LIMITS_MM
    if not all(lowest <= field <= highest for field in fields_mm) or z * matrix[2] > _LONGEST_STACK_MM:
        raise _not_of_a_heart(
            f"its header states {stated}, so it covers {fields_mm[0]:.0f} x {fields_mm[1]:.0f} mm "
            f"in {matrix[2]} slices over {z * matrix[2]:.0f} mm"
        )
    return x, y, z


def _require_slices_last(
    spacing_mm: tuple[float, float, float], matrix: tuple[int, int, int], stated: str
) -> None:
    """Refuse arrays saved as (z, y, x), whose labels would be drawn in planes across the slices.

    The slice axis shows by its spacing, which is the largest, or by a matrix so thin that no heart fits in.
    """
    fields_mm = [side * n for side, n in zip(spacing_mm, matrix, strict=True)]
    for axis, other in ((0, 1), (1, 0)):
        is_coarse = spacing_mm[axis] > _SLICES_CLOSER * max(spacing_mm[other], spacing_mm[2])
        is_thin = fields_mm[axis] < _FIELD_LIMITS_MM[0] and matrix[axis] < matrix[2]
        if is_coarse or is_thin:
            raise GeometryRefused(
                "slices_not_last",
                f"The image is {' x '.join(map(str, matrix))} with {stated}: its slices lie along axis "
                f"{axis + 1}, not along axis 3.",
                "Write it as (x, y, z) with the slices along the third axis; of an array (z, y, x) the "
                "transpose, with pixdim in the same order.",
            )


def _not_of_a_heart(what: str) -> GeometryRefused:
    return GeometryRefused(
        "invalid_pixel_spacing",
        f"The size of its voxels cannot be that of a short-axis stack: {what}.",
        "Correct pixdim, and xyzt_units, which names metres, millimetres or micrometres.",
    )
