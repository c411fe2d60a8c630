"""Overlap of two masks, and how far apart their surfaces lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]

PERCENTILE = 95.0


def dice(a: Mask, b: Mask) -> float | None:
    """Dice coefficient; None where both masks are empty, since there is nothing to agree on.

    >>> dice(np.array([True, True, False]), np.array([True, False, False]))
    0.6666666666666666
    """
    total = int(a.sum() + b.sum())
    return None if total == 0 else 2 * int((a & b).sum()) / total


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceDistances:
    """How far the surfaces of two masks lie apart, seen from either.

    Args:
        forth_mm: (z, y, x) from each surface voxel of the first mask to the nearest one of the second; NaN
            off the surface. The grid is cropped in y and x.
        back_mm: the same from the second mask to the first.
    """

    forth_mm: NDArray[np.float64]
    back_mm: NDArray[np.float64]

    @classmethod
    def between(cls, a: Mask, b: Mask, spacing_mm: Spacing) -> SurfaceDistances:
        """Measure in three dimensions with the (z, y, x) spacing."""
        a, b = _cropped(a, b)
        return cls(_from_to(a, b, spacing_mm), _from_to(b, a, spacing_mm))

    def hd95_mm(self, slices: NDArray[np.intp] | slice = slice(None)) -> float | None:
        """The larger of the two directed 95th percentiles, over surface voxels that lie in ``slices``.

        It is the definition of MONAI's ``compute_hausdorff_distance``. None where either surface has no voxel
        there: a structure that is missing has no distance.
        """
        sides = [side[slices][np.isfinite(side[slices])] for side in (self.forth_mm, self.back_mm)]
        if any(side.size == 0 for side in sides):
            return None
        return max(float(np.percentile(side, PERCENTILE)) for side in sides)


def _cropped(a: Mask, b: Mask) -> tuple[Mask, Mask]:
    """Both masks cut to the rows and columns that either needs: the same distances, several times faster."""
    either = (a | b).any(axis=0)
    if not either.any():
        return a[:, :0, :0], b[:, :0, :0]
    rows, columns = ndimage.find_objects(either.astype(np.uint8))[0]
    return a[:, rows, columns], b[:, rows, columns]


def _from_to(a: Mask, b: Mask, spacing_mm: Spacing) -> NDArray[np.float64]:
    if not b.any():
        return np.full(a.shape, np.nan)
    distance_mm = ndimage.distance_transform_edt(~_surface(b), sampling=spacing_mm)
    return np.where(_surface(a), distance_mm, np.nan)


def _surface(mask: Mask) -> Mask:
    """Voxels of ``mask`` with a face that touches no other; outside the image there is none."""
    return np.asarray(mask & ~ndimage.binary_erosion(mask))
