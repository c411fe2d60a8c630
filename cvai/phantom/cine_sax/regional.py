"""Segments of the left ventricular wall that move less than the others, not at all, or outwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.domain.ventricles.segments import Level, WallSegment
from cvai.phantom.cine_sax.individual import Individual, angle_from

Array = NDArray[np.float64]

EDGE_RAD = 0.1
"""Along the wall, over which a segment's motion passes into that of its neighbour."""

EDGE_LENGTH_SHARE = 0.02
"""The same along the ventricle, as a share of its length."""


@dataclass(frozen=True, slots=True)
class RegionalMotion:
    """Motion of some segments as a share of what it would be: 1 usual, 0 none, below 0 outwards.

    Levels are thirds of the way from the mitral ring to the apex, which goes with the tissue: the ring
    descends. A wall that moves by a share of its usual motion thickens by that share of its usual thickening.
    """

    shares: Mapping[WallSegment, float]

    def moved(self, usual_mm: Array, ed_mm: Array, length_share: Array, individual: Individual) -> Array:
        """(t, plane, angle) distance of a boundary from the long axis.

        Args:
            usual_mm: (t, plane, angle) where it would be.
            ed_mm: (t, plane, angle) where the same piece of wall is at end-diastole.
            length_share: (t, plane) from the mitral ring, 0, to the apex, 1.
            individual: tells where the septum is.
        """
        motion = usual_mm - ed_mm
        held = np.zeros_like(motion)
        for segment, share in self.shares.items():
            held += (1.0 - share) * self._weight(segment, length_share, individual)
        return np.asarray(usual_mm - held * motion)

    def _weight(self, segment: WallSegment, length_share: Array, individual: Individual) -> Array:
        """(t, plane, angle) 1 within the segment, 0 beyond its edges."""
        # Segments are counted from the septum towards the inferior wall; angles grow the other way.
        from_centre_rad = angle_from(individual.septum_rad - np.deg2rad(segment.centre_deg))
        around = _rise(np.deg2rad(segment.width_deg) / 2 - np.abs(from_centre_rad), EDGE_RAD)
        level = tuple(Level).index(segment.level)
        along = np.ones_like(length_share)
        if segment.level is not Level.BASAL:
            along *= _rise(length_share - level / len(Level), EDGE_LENGTH_SHARE)
        if segment.level is not Level.APICAL:
            along *= _rise((level + 1) / len(Level) - length_share, EDGE_LENGTH_SHARE)
        return np.asarray(along[..., np.newaxis] * around)


def _rise(inside: Array, edge: float) -> Array:
    """From 0 to 1 over ``edge``, 0.5 where ``inside`` is 0."""
    return np.asarray(np.clip(inside / edge + 0.5, 0.0, 1.0))
