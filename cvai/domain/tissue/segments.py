"""Infarct by level and by segment of the left ventricle's wall, see ``cvai.domain.ventricles.segments``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cvai.domain.geometry import StackGeometry
from cvai.domain.measurement import Measurement
from cvai.domain.segmentation import apex_comes_first
from cvai.domain.tissue.shares import CAVITY, WALL, WHOLE_INFARCT, infarct_share_percent
from cvai.domain.tissue.transmurality import N_RAYS, transmurality
from cvai.domain.ventricles.segments import WALL_SEGMENTS, Level, WallSegment, level_of
from cvai.domain.ventricles.septum import is_upright, sense_of_rotation

RAYS_DEG = np.arange(N_RAYS) * (360.0 / N_RAYS)
"""(ray,) directions of ``transmurality``."""

DEEPEST = 75.0
"""Percentile of a segment's circumference whose depth is its transmurality: the infarct reaches further along
a quarter of it. A maximum would be one ray's noise, and a mean is the share once more."""

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
        missing: why no segment is named, or no level either; empty where segments are.
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


def measure_segments(
    labels: NDArray[np.uint8], geometry: StackGeometry, guide: CineGuide | str
) -> SegmentMeasurements:
    """Share and transmurality of the infarct by segment, and its share by level.

    Levels are thirds of the slices that show the cavity. Segments are named where the septum is known and the
    anterior wall comes to lie on the side of the head.

    Args:
        labels: (z, y, x) values of LGE_LABELS.
        geometry: where the slices lie.
        guide: from the cine, or why there is none.
    """
    apex_first = apex_comes_first(labels)
    slices = np.flatnonzero((labels == CAVITY).any(axis=(1, 2)))[:: -1 if apex_first else 1]
    if len(slices) < len(Level):
        return SegmentMeasurements((), f"{len(slices)} slices show the cavity, too few for three levels")
    covered_mm = len(slices) * geometry.slice_spacing_mm
    if isinstance(guide, CineGuide) and covered_mm < LEAST_COVERED * guide.length_mm:
        missing = f"the slices cover {covered_mm:.0f} mm of a cavity of {guide.length_mm:.0f} mm in the cine"
        return SegmentMeasurements((), missing)
    levels = [level_of(place, len(slices)) for place in range(len(slices))]
    by_level = tuple(
        Measurement(share_name(level), infarct_share_percent(labels[slices[np.equal(levels, level)]]), "%")
        for level in Level
    )
    sense = sense_of_rotation(geometry, apex_first=apex_first)
    missing = _why_none(geometry, guide, sense)
    if missing or isinstance(guide, str) or guide.septum_deg is None:
        return SegmentMeasurements(by_level, missing)
    counts: dict[WallSegment, _Counts] = {}
    for z, level in zip(slices, levels, strict=True):
        _count(counts, labels[z], level, _Turn(guide.septum_deg, sense), geometry)
    return SegmentMeasurements((*by_level, *_measurements(counts)))


def _why_none(geometry: StackGeometry, guide: CineGuide | str, sense: int) -> str:
    """Why no segment can be named, empty where they can."""
    if isinstance(guide, str):
        return guide
    if guide.septum_deg is None:
        return "no slice of the cine shows both insertions of the right ventricle"
    if not is_upright([guide.septum_deg], sense, geometry):
        return "the anterior wall would come to lie below the septum"
    return ""


@dataclass(frozen=True, slots=True)
class _Turn:
    """Where segments begin on the image, and the sense in which they are counted."""

    septum_deg: float
    sense: int

    def from_septum_deg(self, angles_deg: NDArray[np.floating]) -> NDArray[np.floating]:
        return self.sense * (angles_deg - self.septum_deg)


@dataclass(slots=True)
class _Counts:
    """Pixels of wall and of infarct in a segment, and the infarcted share of the wall along its rays."""

    wall: int = 0
    infarct: int = 0
    depths: list[float] = field(default_factory=list)


def _count(
    counts: dict[WallSegment, _Counts],
    plane: NDArray[np.uint8],
    level: Level,
    turn: _Turn,
    geometry: StackGeometry,
) -> None:
    """Add a slice (y, x) that shows the cavity to the counts of its level's segments."""
    spacing_mm = (geometry.spacing_y_mm, geometry.spacing_x_mm)
    row, column = (float(indices.mean()) for indices in np.nonzero(plane == CAVITY))
    y, x = np.nonzero(np.isin(plane, WALL))
    angles_deg = np.rad2deg(np.arctan2((row - y) * spacing_mm[0], (x - column) * spacing_mm[1]))
    is_infarct = np.isin(plane[y, x], WHOLE_INFARCT)
    depths = transmurality(plane, spacing_mm)
    for segment in (s for s in WALL_SEGMENTS if s.level is level):
        inside = segment.holds(turn.from_septum_deg(angles_deg))
        found = counts.setdefault(segment, _Counts())
        found.wall += int(np.count_nonzero(inside))
        found.infarct += int(np.count_nonzero(inside & is_infarct))
        if depths is not None:
            along = depths[segment.holds(turn.from_septum_deg(RAYS_DEG))]
            found.depths.extend(along[~np.isnan(along)].tolist())


def _measurements(counts: Mapping[WallSegment, _Counts]) -> list[Measurement]:
    """Of the segments that show wall, in the order of their numbers."""
    found: list[Measurement] = []
    for segment in (s for s in WALL_SEGMENTS if s in counts and counts[s].wall):
        count = counts[segment]
        found.append(Measurement(share_name(segment), 100.0 * count.infarct / count.wall, "%"))
        if count.depths:
            depth = float(np.percentile(count.depths, DEEPEST))
            found.append(Measurement(transmurality_name(segment), 100.0 * depth, "%"))
    return found
