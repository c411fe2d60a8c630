"""Infarct by level and by segment of the left ventricle's wall, see ``cvai.domain.ventricles.segments``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.domain.geometry import StackGeometry
from cvai.domain.measurement import Measurement
from cvai.domain.segmentation import apex_comes_first
from cvai.domain.tissue.shares import CAVITY, WALL, WHOLE_INFARCT, infarct_share_percent
from cvai.domain.tissue.transmurality import N_RAYS, is_ring, transmurality
from cvai.domain.ventricles.segments import WALL_SEGMENTS, Level, WallSegment, level_of
from cvai.domain.ventricles.septum import is_upright, sense_of_rotation

RAYS_DEG = np.arange(N_RAYS) * (360.0 / N_RAYS)
"""(ray,) directions of ``transmurality``."""

DEEPEST = 75.0
"""Percentile of a segment's circumference whose depth is its transmurality: the infarct reaches further along
a quarter of it. A maximum would be one ray's noise, and a mean is the share once more."""

CAP_SHARE = "infarct_share_apical_cap"
"""Name of the share of segment 17 in result.json."""

LEAST_COVERED = 0.6
"""Share of the cavity's length that slices have to cover for thirds of them to be basal, mid and apical.
Three slices, one of each level, cover all of it with their gaps; a slab of the middle third covers 0.33."""


@dataclass(frozen=True, slots=True)
class CineGuide:
    """What the cine tells of the ventricle that late enhancement shows too faintly.

    Args:
        septum_deg: direction of the middle of the septum on the images of late enhancement, counted from
            their right, counter-clockwise, above 0 and up to 360; None where no slice shows it.
        length_mm: of the cavity, by the slices that show it.
    """

    septum_deg: float | None
    length_mm: float


@dataclass(frozen=True, slots=True)
class SegmentMeasurements:
    """What was measured by level and segment.

    Args:
        measurements: of levels, then of segments.
        missing: why segments are missing, or levels too; empty where none is.
    """

    measurements: tuple[Measurement, ...]
    missing: str = ""


def share_name(part: Level | WallSegment) -> str:
    """Name of the infarct's share of a level or segment in result.json.

    >>> share_name(Level.BASAL), share_name(WALL_SEGMENTS[0])
    ('infarct_share_basal', 'infarct_share_basal_anterior')
    """
    return f"infarct_share_{part if isinstance(part, Level) else part.key}"


def transmurality_name(segment: WallSegment) -> str:
    """Name of a segment's transmurality in result.json.

    >>> transmurality_name(WALL_SEGMENTS[0])
    'infarct_transmurality_basal_anterior'
    """
    return f"infarct_transmurality_{segment.key}"


def part_kind(part: Measurement) -> str:
    """Which measurements of levels and segments are off by as much as this one.

    Where no infarct was found, hardly ever is one; where some was, its edge may lie in the next segment.

    >>> part_kind(Measurement("infarct_share_mid_inferior", 0.0, "%"))
    'infarct_share_segment_without'
    """
    name = part.name
    if name in map(share_name, Level):
        return "infarct_share_level"
    kind = "infarct_share_segment" if name.startswith("infarct_share_") else "infarct_transmurality"
    return kind if part.value > 0.0 else f"{kind}_without"


def measure_segments(
    labels: NDArray[np.uint8], geometry: StackGeometry, guide: CineGuide | str
) -> SegmentMeasurements:
    """Share and transmurality of the infarct by segment, and its share by level.

    Levels are thirds of the slices that show the cavity; of these, slices in which the wall closes to a ring
    are measured. Segments are named where the septum is known and the anterior wall comes to lie on the side
    of the head. The apical cap is the wall beyond the slices with a cavity.

    Args:
        labels: (z, y, x) values of LGE_LABELS.
        geometry: where the slices lie.
        guide: from the cine, or why there is none.
    """
    apex_first = apex_comes_first(labels)
    slices = np.flatnonzero((labels == CAVITY).any(axis=(1, 2)))[:: -1 if apex_first else 1]
    if reason := _why_no_level(len(slices), geometry, guide):
        return SegmentMeasurements((), reason)
    rings = _rings(labels[slices], (geometry.spacing_y_mm, geometry.spacing_x_mm))
    by_level = tuple(
        Measurement(share_name(level), infarct_share_percent(np.stack([ring.plane for ring in found])), "%")
        for level in Level
        if (found := [ring for ring in rings if ring.level is level])
    )
    sense = sense_of_rotation(geometry, apex_first=apex_first)
    septum_deg = _septum_deg(geometry, guide, sense)
    if isinstance(septum_deg, str):
        return SegmentMeasurements(by_level, septum_deg)
    by_segment = (
        measurement
        for segment in WALL_SEGMENTS
        for measurement in _measurements(segment, rings, _Turn(septum_deg, sense))
    )
    cap = _cap(labels, int(slices[-1]), apex_first=apex_first)
    return SegmentMeasurements((*by_level, *by_segment, *cap), _why_not_all({ring.level for ring in rings}))


def _cap(labels: NDArray[np.uint8], last: int, *, apex_first: bool) -> tuple[Measurement, ...]:
    """Share of the apical cap: of the wall beyond the last slice with a cavity, where slices show it."""
    beyond = labels[:last] if apex_first else labels[last + 1 :]
    if not np.isin(beyond, WALL).any():
        return ()
    return (Measurement(CAP_SHARE, infarct_share_percent(beyond), "%"),)


def _why_no_level(n_slices: int, geometry: StackGeometry, guide: CineGuide | str) -> str:
    """Why slices with a cavity are no three levels; empty where they are."""
    if n_slices < len(Level):
        return f"{n_slices} slices show the cavity, too few for three levels"
    covered_mm = n_slices * geometry.slice_spacing_mm
    if isinstance(guide, CineGuide) and covered_mm < LEAST_COVERED * guide.length_mm:
        return f"the slices cover {covered_mm:.0f} mm of a cavity of {guide.length_mm:.0f} mm in the cine"
    return ""


def _why_not_all(shown: Collection[Level]) -> str:
    """Which levels no ring shows, empty where all are shown."""
    lost = [level for level in Level if level not in shown]
    return f"no {' and no '.join(lost)} slice shows a closed ring of wall" if lost else ""


def _septum_deg(geometry: StackGeometry, guide: CineGuide | str, sense: int) -> float | str:
    """Where the septum lies on the image, or why segments cannot be counted from it."""
    if isinstance(guide, str):
        return guide
    if guide.septum_deg is None:
        return "no slice of the cine shows both insertions of the right ventricle"
    if not is_upright([guide.septum_deg], sense, geometry):
        return "the anterior wall would come to lie below the septum"
    return guide.septum_deg


@dataclass(frozen=True, slots=True, eq=False)
class _Ring:
    """A slice with a closed wall.

    Args:
        level: that it shows.
        plane: (y, x) labels.
        angles_deg: (n,) direction of every pixel of the wall from the middle of the cavity, as of rays.
        is_infarct: (n,) whether it is infarcted.
        depths: (ray,) see ``transmurality``.
    """

    level: Level
    plane: NDArray[np.uint8]
    angles_deg: NDArray[np.floating]
    is_infarct: NDArray[np.bool_]
    depths: NDArray[np.float64]


def _rings(planes: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> tuple[_Ring, ...]:
    """The closed ones of the slices with a cavity, from base to apex."""
    found = []
    for place, plane in enumerate(planes):
        depths = transmurality(plane, spacing_mm)
        if depths is None or not is_ring(depths):
            continue
        row, column = (float(indices.mean()) for indices in np.nonzero(plane == CAVITY))
        y, x = np.nonzero(np.isin(plane, WALL))
        angles_deg = np.rad2deg(np.arctan2((row - y) * spacing_mm[0], (x - column) * spacing_mm[1]))
        is_infarct = np.isin(plane[y, x], WHOLE_INFARCT)
        found.append(_Ring(level_of(place, len(planes)), plane, angles_deg, is_infarct, depths))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Turn:
    """Where segments begin on the image, and the sense in which they are counted."""

    septum_deg: float
    sense: int

    def is_in(self, segment: WallSegment, angles_deg: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether directions on the image lie in a segment."""
        return segment.holds(self.sense * (angles_deg - self.septum_deg))


def _measurements(segment: WallSegment, rings: Sequence[_Ring], turn: _Turn) -> tuple[Measurement, ...]:
    """Of one segment; none where no ring shows it."""
    of_level = [ring for ring in rings if ring.level is segment.level]
    if not of_level:
        return ()
    is_infarct = np.concatenate([r.is_infarct[turn.is_in(segment, r.angles_deg)] for r in of_level])
    depths = np.concatenate([r.depths[turn.is_in(segment, RAYS_DEG)] for r in of_level])
    return (
        Measurement(share_name(segment), 100.0 * float(is_infarct.mean()), "%"),
        Measurement(transmurality_name(segment), 100.0 * float(np.nanpercentile(depths, DEEPEST)), "%"),
    )
