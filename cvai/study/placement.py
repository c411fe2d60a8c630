"""Where single images lie, whether their headers say so honestly, and which of them are parallel."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from cvai.study.values import ImagePlane

COSINE_TOLERANCE = 5e-3
"""Largest difference of a direction cosine within one stack, about 0.3 degrees: no more than rounding."""

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
    """Whether two placed images have the same orientation, in plane as well."""
    cosines = zip(first.orientation or (), second.orientation or (), strict=True)
    return all(abs(a - b) <= COSINE_TOLERANCE for a, b in cosines)


def normal_of(plane: ImagePlane) -> NDArray[np.float64]:
    """(3,) unit normal of an image with valid orientation, row x column."""
    cosines = np.asarray(plane.orientation, dtype=np.float64)
    normal = np.cross(cosines[:3], cosines[3:])
    return np.asarray(normal / np.linalg.norm(normal), dtype=np.float64)


def along_normal_mm(planes: Sequence[ImagePlane], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) distance of every image from the origin along ``normal``."""
    return np.asarray([plane.position_mm for plane in planes], dtype=np.float64) @ normal


def parallel_groups(planes: Iterable[ImagePlane]) -> list[list[ImagePlane]]:
    """Placed images sorted into groups of equal orientation, in order of first appearance."""
    groups: list[list[ImagePlane]] = []
    for plane in planes:
        group = next((g for g in groups if is_parallel(g[0], plane)), None)
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
