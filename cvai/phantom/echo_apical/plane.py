"""What an apical view of the phantom shows: which structure lies where, and how brightly it echoes."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.views import EchoView
from cvai.phantom.echo_apical.atrium import EchoAtrium, ellipse_mm
from cvai.phantom.echo_apical.ventricle import EchoVentricle
from cvai.phantom.seeds import Stream, generator

Points = NDArray[np.floating[Any]]

BLOOD_DB, WALL_DB, LINING_DB, VALVE_DB, AROUND_DB = -46.0, -23.0, -13.0, -17.0, -32.0
"""Echo relative to the brightest: blood all but black, the lining of the heart and its valves bright."""

_VALVE_MM = 1.6
_LINING_MM = 2.5
_TILTS_DEGREES = MappingProxyType(
    {EchoView.APICAL_4_CHAMBER: (1.0, 8.0), EchoView.APICAL_2_CHAMBER: (6.0, 14.0)}
)
_PLANES = (EchoView.APICAL_4_CHAMBER, EchoView.APICAL_2_CHAMBER)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a heart lies in the sector.

    Args:
        apex_depth_mm: of the apex of the cavity below the transducer.
        apex_right_mm: of the apex from the middle beam.
        tilt_rad: of the long axis, its base to the right.
    """

    apex_depth_mm: float
    apex_right_mm: float
    tilt_rad: float

    @classmethod
    def drawn(cls, seed: int, view: EchoView) -> Placement:
        """The place that belongs to ``seed``: apex near the transducer, as an apical view has it."""
        rng = generator(seed, Stream.PLACEMENT, 100 + _PLANES.index(view))
        right_mm = rng.uniform(-4.0, 2.0) if view is EchoView.APICAL_4_CHAMBER else rng.uniform(-12.0, -6.0)
        tilt_rad = np.deg2rad(rng.uniform(*_TILTS_DEGREES[view]))
        return cls(rng.uniform(26.0, 32.0), right_mm, float(tilt_rad))

    def along_and_across_mm(self, depth_mm: Points, right_mm: Points) -> tuple[Points, Points]:
        """Coordinates along the long axis, from the apex, and across it, to the right."""
        dy, dx = depth_mm - self.apex_depth_mm, right_mm - self.apex_right_mm
        cos, sin = np.cos(self.tilt_rad), np.sin(self.tilt_rad)
        return dy * cos + dx * sin, dx * cos - dy * sin


@dataclass(frozen=True, slots=True)
class ApicalPlane:
    """One view of the phantom.

    Args:
        view: which.
        placement: where the heart lies in it.
    """

    view: EchoView
    placement: Placement

    @property
    def index(self) -> int:
        """Plane of the ventricle: 0 four-chamber, 1 two-chamber."""
        return _PLANES.index(self.view)

    def labels(self, ventricle: EchoVentricle, depth_mm: Points, right_mm: Points) -> NDArray[np.uint8]:
        """True label of every point, as ECHO_LABELS."""
        along, across = self.placement.along_and_across_mm(depth_mm, right_mm)
        labels = np.zeros(np.broadcast(depth_mm, right_mm).shape, dtype=np.uint8)
        labels[EchoAtrium.below(ventricle).inside_mm(along, across, self.index) > 0] = ECHO_LABELS[
            Structure.LEFT_ATRIUM
        ]
        wall = ventricle.inside_cavity(along, across, self.index, ventricle.wall_mm) >= 0
        labels[wall] = ECHO_LABELS[Structure.LV_MYOCARDIUM]
        labels[ventricle.inside_cavity(along, across, self.index) >= 0] = ECHO_LABELS[Structure.LV_CAVITY]
        return labels

    def echo_db(
        self, ventricle: EchoVentricle, is_open: bool, depth_mm: Points, right_mm: Points
    ) -> NDArray[np.float32]:
        """How brightly every point echoes, in decibels.

        Args:
            ventricle: in this phase.
            is_open: whether the mitral valve is.
            depth_mm: of the points below the transducer.
            right_mm: of the points from the middle beam.
        """
        along, across = self.placement.along_and_across_mm(depth_mm, right_mm)
        echo = np.full(np.broadcast(depth_mm, right_mm).shape, AROUND_DB, dtype=np.float32)
        chambers = [EchoAtrium.below(ventricle).inside_mm(along, across, self.index)]
        if self.view is EchoView.APICAL_4_CHAMBER:
            chambers += _right_heart(ventricle, along, across)
        for inside_mm in chambers:
            echo[inside_mm > -_LINING_MM] = WALL_DB
            echo[inside_mm > 0] = BLOOD_DB
        outer = ventricle.inside_cavity(along, across, self.index, ventricle.wall_mm + _LINING_MM)
        if self.view is EchoView.APICAL_4_CHAMBER:
            outer = np.where(across > 0, outer, -1.0)
        echo[outer >= 0] = LINING_DB
        echo[ventricle.inside_cavity(along, across, self.index, ventricle.wall_mm) >= 0] = WALL_DB
        echo[ventricle.inside_cavity(along, across, self.index) >= 0] = BLOOD_DB
        echo[_on_leaflets(ventricle, along, across, self.index, is_open)] = VALVE_DB
        return echo - self._lost_db(across)

    def _lost_db(self, across: Points) -> NDArray[np.float32]:
        """In a two-chamber view the lung lies before the anterior wall, on the right."""
        if self.view is EchoView.APICAL_4_CHAMBER:
            return np.zeros(across.shape, dtype=np.float32)
        return np.asarray(np.clip(across / 8.0, 0.0, 7.0), dtype=np.float32)


def _right_heart(ventricle: EchoVentricle, along: Points, across: Points) -> list[Points]:
    """Right ventricle and right atrium, to the left of the septum."""
    length_mm, septum_mm = ventricle.length_mm, ventricle.half_widths_mm[0] + ventricle.wall_mm
    narrowing = 0.5 * septum_mm
    rv = ellipse_mm(along, across, (0.66 * length_mm, -septum_mm - 10.0), (0.36 * length_mm, narrowing))
    ra = ellipse_mm(along, across, (length_mm + 19.0, -septum_mm - 6.0), (18.0, 19.0))
    return [np.where(along < length_mm - 2.0, rv, -99.0), ra]


def _on_leaflets(
    ventricle: EchoVentricle, along: Points, across: Points, plane: int, is_open: bool
) -> NDArray[np.bool_]:
    """Two leaflets: across the ring when closed, hanging into the ventricle when open."""
    mouth_mm = ventricle.mouth_mm(plane)
    from_ring_mm = ventricle.length_mm - along
    if not is_open:
        return np.asarray((np.abs(from_ring_mm) < _VALVE_MM / 2) & (np.abs(across) < mouth_mm))
    hanging = (from_ring_mm > 0) & (from_ring_mm < 0.7 * mouth_mm)
    return np.asarray(hanging & (np.abs(np.abs(across) - mouth_mm * 0.72) < _VALVE_MM / 2))
