"""The segments of the left ventricular wall that the American Heart Association has named.

Cerqueira et al., Circulation 2002;105:539 (doi:10.1161/hc0402.102975): three rings, basal, mid and apical,
each a third of the ventricle's length; six segments of 60 degrees in the first two, four of 90 degrees in the
third, and the apical cap, segment 17, which lies beyond the cavity.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Level(StrEnum):
    """A ring of the wall; the value is its name in reports."""

    BASAL = "basal"
    MID = "mid"
    APICAL = "apical"


@dataclass(frozen=True, slots=True)
class WallSegment:
    """One segment of a ring.

    Args:
        number: from 1 to 16, as published.
        level: ring it belongs to.
        wall: where it lies in the ring, such as ``anteroseptal``.
        centre_deg: its middle, counted from the middle of the septum towards the inferior wall; that is
            counter-clockwise when the heart is seen from its apex.
        width_deg: angle it spans.
    """

    number: int
    level: Level
    wall: str
    centre_deg: float
    width_deg: float

    @property
    def display_name(self) -> str:
        """Readable name, such as ``mid inferoseptal``."""
        return f"{self.level} {self.wall}"

    @property
    def key(self) -> str:
        """Name within measurements, such as ``mid_inferoseptal``."""
        return f"{self.level}_{self.wall}"

    def holds(self, from_septum_deg: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether directions, counted as ``centre_deg`` is, lie in the segment; of the same shape."""
        from_centre_deg = (from_septum_deg - self.centre_deg + 180.0) % 360.0 - 180.0
        half_deg = self.width_deg / 2
        return (-half_deg <= from_centre_deg) & (from_centre_deg < half_deg)


def level_of(place: int, n_slices: int) -> Level:
    """Ring that a slice shows, the ``place``-th from the base of ``n_slices`` that show the cavity.

    >>> [str(level_of(place, 4)) for place in range(4)]
    ['basal', 'mid', 'mid', 'apical']
    """
    return tuple(Level)[int(len(Level) * (place + 0.5) / n_slices)]


_SIXTHS = {
    "anterior": -90.0,
    "anteroseptal": -30.0,
    "inferoseptal": 30.0,
    "inferior": 90.0,
    "inferolateral": 150.0,
    "anterolateral": -150.0,
}
_QUARTERS = {"anterior": -90.0, "septal": 0.0, "inferior": 90.0, "lateral": 180.0}


def _ring(level: Level, first: int, centres_deg: dict[str, float]) -> tuple[WallSegment, ...]:
    return tuple(
        WallSegment(first + place, level, wall, centre_deg, 360.0 / len(centres_deg))
        for place, (wall, centre_deg) in enumerate(centres_deg.items())
    )


WALL_SEGMENTS = (
    *_ring(Level.BASAL, 1, _SIXTHS),
    *_ring(Level.MID, 7, _SIXTHS),
    *_ring(Level.APICAL, 13, _QUARTERS),
)
"""Segments 1 to 16, in that order."""
