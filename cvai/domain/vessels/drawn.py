"""A vessel along which a reader has drawn a line: its centreline and diameters, without labels of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import PchipInterpolator
from skimage.draw import polygon

from cvai.domain.vessels.centreline import Points, VesselPath
from cvai.domain.vessels.diameters import DiameterProfile, diameter_profile
from cvai.domain.vessels.narrowings import DrawnLesion, narrowings_of

SHORTEST_LINE_PX = 30.0
"""Shorter ones have no healthy stretch beside a narrowing."""
_RADII_PX = (4.0, 7.0, 11.0, 16.0)
"""Among which that of the vessel is looked for first."""
_SMOOTHING_PX = 4.0
"""Standard deviation along the line of the correction that centres it between the edges."""


def drawn_path(points: Points, radius_px: float) -> VesselPath:
    """A smooth path through points (n, 2) as (y, x), one pixel apart.

    Raises:
        ValueError: it is shorter than ``SHORTEST_LINE_PX``.
    """
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    points = points[np.concatenate([[True], steps > 0])]
    along = np.concatenate([[0.0], np.cumsum(steps[steps > 0])])
    if along[-1] < SHORTEST_LINE_PX:
        raise ValueError(f"a line of {along[-1]:.0f} pixels")
    line = PchipInterpolator(along, points)(np.arange(0.0, along[-1]))
    return _path(ndimage.gaussian_filter1d(line, _SMOOTHING_PX, axis=0, mode="nearest"), radius_px)


def drawn_profile(absorption: NDArray[np.floating[Any]], points: Points) -> DiameterProfile:
    """Diameters of the vessel that a reader's line follows.

    The line is centred once between the edges that are seen from it; its points need not be in the middle.

    Args:
        absorption: see ``diameter_profile``.
        points: (n, 2) as (y, x) in pixels, in the order of the vessel.

    Raises:
        ValueError: as of ``drawn_path``.
    """
    nothing = np.zeros(absorption.shape, dtype=np.bool_)
    first = max(
        (diameter_profile(absorption, nothing, drawn_path(points, radius)) for radius in _RADII_PX),
        key=lambda profile: np.count_nonzero(profile.measured),
    )
    if not first.measured.any():
        return first
    at, known = np.arange(len(first.diameter_px)), first.measured
    middle = np.interp(at, at[known], first.offsets_px[known].mean(axis=1))
    middle = ndimage.gaussian_filter1d(middle, _SMOOTHING_PX, mode="nearest")
    centred = first.path.points + middle[:, None] * first.path.normals
    return diameter_profile(
        absorption, nothing, _path(centred, float(np.median(first.diameter_px[known])) / 2)
    )


def likely_lesion(profile: DiameterProfile) -> DrawnLesion:
    """Where a lesion stands on a drawn line until its ends are dragged: the severest narrowing, or the middle
    third where none is seen."""
    found = max(narrowings_of(profile, least_percent=0.0), key=lambda n: n.percent, default=None)
    n = len(profile.diameter_px)
    return DrawnLesion(n // 3, 2 * n // 3) if found is None else DrawnLesion(found.first, found.last)


def lumen_of(profile: DiameterProfile, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(y, x) pixels between the edges; none beyond the first and last point at which both are seen."""
    mask = np.zeros(shape, dtype=np.bool_)
    edges = profile.edges[profile.measured]
    if len(edges) > 1:
        outline = np.concatenate([edges[:, 0], edges[::-1, 1]])
        mask[polygon(outline[:, 0], outline[:, 1], shape)] = True
    return mask


def _path(points: Points, radius_px: float) -> VesselPath:
    n = len(points)
    return VesselPath(points, np.full(n, radius_px), np.zeros(n, dtype=np.bool_))
