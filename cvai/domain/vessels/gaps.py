"""Gaps that a severe narrowing leaves in a mask: closed where two ends of vessels face each other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.draw import line

from cvai.domain.vessels.centreline import Points, VesselPath, vessel_paths

LONGEST_PX = 30.0
"""6 mm at 0.2 mm a pixel; a longer gap is no narrowing that could be measured."""

_DIRECTION_PX = 12
"""Length of the piece at its end that a vessel's direction is taken from."""
_LEAST_COSINE = 0.8
"""Of the angle between each vessel's direction and the way across the gap: 37 degrees."""


@dataclass(frozen=True, slots=True, eq=False)
class _End:
    """Where a vessel ends, (y, x), and the unit vector in which it would go on."""

    vessel: int
    point: Points
    direction: Points


def bridged(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(y, x) the mask with a thin bridge over every gap between two ends that face each other.

    What lies under a bridge is measured in the grey picture like any other stretch.
    """
    ends = [end for number, path in enumerate(vessel_paths(mask)) for end in _ends(number, path)]
    closed, used = mask.copy(), set()
    pairs = sorted(
        (float(np.linalg.norm(b.point - a.point)), i, j)
        for (i, a), (j, b) in combinations(enumerate(ends), 2)
        if a.vessel != b.vessel and _face_each_other(a, b)
    )
    for _, i, j in pairs:
        if i in used or j in used:
            continue
        used |= {i, j}
        (y0, x0), (y1, x1) = (ends[k].point.round().astype(int) for k in (i, j))
        bridge = np.zeros_like(mask)
        bridge[line(y0, x0, y1, x1)] = True
        closed |= ndimage.binary_dilation(bridge, iterations=2)
    return closed


def _ends(number: int, path: VesselPath) -> tuple[_End, _End]:
    points = path.points
    reach = min(_DIRECTION_PX, len(points) - 1)

    def end(at: int, inside: int) -> _End:
        way = points[at] - points[inside]
        return _End(number, points[at], way / max(float(np.linalg.norm(way)), 1e-9))

    return end(0, reach), end(-1, -1 - reach)


def _face_each_other(a: _End, b: _End) -> bool:
    way = b.point - a.point
    length = float(np.linalg.norm(way))
    if not 1.0 < length <= LONGEST_PX:
        return False
    return bool(min(a.direction @ way, -(b.direction @ way)) >= _LEAST_COSINE * length)
