"""Where single images lie, whether their headers say so honestly, and which of them are parallel."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from cvai.dicom.read.values import ImagePlane

PARALLEL_DEG = 6.0
"""Largest turn between two images of one stack. Slices that were planned again differ by a few degrees.
Around the middle of the image, where the heart is, one side of a turned slice comes nearer to its neighbour
by as much as the other goes away: the volume changes by the cosine, half a percent at 6 degrees."""

NEARLY_PARALLEL_DEG = 2.0
"""Beyond this a voxel at the edge of the heart, 50 mm from the middle, is more than 2 mm from where it is
counted."""

EXACTLY_PARALLEL_DEG = 0.3
"""A turn that is no more than the rounding of direction cosines."""

SAME_PLANE_MM = 0.5
"""Images closer than this along their normal show the same slice."""

PIXEL_SPACING_LIMITS_MM = (0.1, 10.0)
"""Outside of these no cardiac MR image is read as stated."""


def has_valid_orientation(plane: ImagePlane) -> bool:
    """Whether ImageOrientationPatient holds two orthogonal unit vectors (PS3.3 C.7.6.2.1.1)."""
    if plane.orientation is None:
        return False
    row, column = plane.orientation[:3], plane.orientation[3:]
    lengths_are_one = all(abs(math.hypot(*cosines) - 1.0) <= 1e-3 for cosines in (row, column))
    return lengths_are_one and abs(sum(r * c for r, c in zip(row, column, strict=True))) <= 1e-3


def has_valid_spacing(plane: ImagePlane) -> bool:
    """Whether PixelSpacing is stated and can be true."""
    low_mm, high_mm = PIXEL_SPACING_LIMITS_MM
    return plane.spacing_mm is not None and all(low_mm <= s <= high_mm for s in plane.spacing_mm)


def is_placed(plane: ImagePlane) -> bool:
    """Whether the header tells where every pixel lies in the patient."""
    return plane.position_mm is not None and has_valid_orientation(plane) and has_valid_spacing(plane)


def is_parallel(first: ImagePlane, second: ImagePlane) -> bool:
    """Whether two placed images can be slices of one stack, turned by ``PARALLEL_DEG`` at most, in plane as
    well."""
    return turn_deg(first, second) <= PARALLEL_DEG


def turn_deg(first: ImagePlane, second: ImagePlane) -> float:
    """Angle by which one placed image has to be turned to have the other's orientation, from the trace of the
    rotation between them."""
    if first.orientation == second.orientation:
        return 0.0
    trace = float(np.sum(_axes(first) * _axes(second)) + normal_of(first) @ normal_of(second))
    return float(np.rad2deg(np.arccos(np.clip((trace - 1.0) / 2.0, -1.0, 1.0))))


def tilt_deg(first: ImagePlane, second: ImagePlane) -> float:
    """Angle between the planes of two placed images, between 0 and 90 degrees."""
    cosine = abs(float(normal_of(first) @ normal_of(second)))
    return float(np.rad2deg(np.arccos(min(cosine, 1.0))))


def _axes(plane: ImagePlane) -> NDArray[np.float64]:
    """(2, 3) direction of the rows and of the columns."""
    return np.asarray(plane.orientation, dtype=np.float64).reshape(2, 3)


def middle_mm(plane: ImagePlane) -> NDArray[np.float64]:
    """(3,) middle of a placed image. The heart lies near it, so planes are compared here and not at the
    corner, which a turn of one degree moves by several millimetres."""
    row, column = _axes(plane)
    spacing_y_mm, spacing_x_mm = plane.spacing_mm or (0.0, 0.0)
    to_middle_mm = row * (spacing_x_mm * (plane.columns - 1) / 2) + column * (
        spacing_y_mm * (plane.rows - 1) / 2
    )
    return np.asarray(np.array(plane.position_mm) + to_middle_mm, dtype=np.float64)


def normal_of(plane: ImagePlane) -> NDArray[np.float64]:
    """(3,) unit normal of an image with valid orientation, row x column."""
    cosines = np.asarray(plane.orientation, dtype=np.float64)
    normal = np.cross(cosines[:3], cosines[3:])
    return np.asarray(normal / np.linalg.norm(normal), dtype=np.float64)


def along_normal_mm(planes: Sequence[ImagePlane], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) distance of the middle of every image from the origin along ``normal``."""
    return np.asarray([middle_mm(plane) for plane in planes], dtype=np.float64) @ normal


def grouped(
    planes: Iterable[ImagePlane], belong_together: Callable[[ImagePlane, ImagePlane], bool]
) -> list[list[ImagePlane]]:
    """Images sorted into groups by comparison with the first of each, in order of first appearance."""
    groups: list[list[ImagePlane]] = []
    for plane in planes:
        group = next((g for g in groups if belong_together(g[0], plane)), None)
        if group is None:
            groups.append([plane])
        else:
            group.append(plane)
    return groups


def slices_along_normal(planes: Sequence[ImagePlane]) -> list[list[ImagePlane]]:
    """Parallel images sorted into slices, in order of increasing distance along row x column."""
    along_mm = along_normal_mm(planes, normal_of(planes[0]))
    order = np.argsort(along_mm, kind="stable")
    starts = np.flatnonzero(np.diff(along_mm[order]) > SAME_PLANE_MM) + 1
    return [[planes[i] for i in members] for members in np.split(order, starts)]
