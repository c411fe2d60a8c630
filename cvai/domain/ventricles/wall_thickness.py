"""Thickness of the left ventricular wall by segment, at end-diastole and at end-systole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.geometry import StackGeometry
from cvai.domain.measurement import Measurement
from cvai.domain.message import Message, joined, listed, say, term
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation, apex_comes_first
from cvai.domain.ventricles.rings import ANGLES_DEG, BeatRings, SliceRings, WallRing, slice_rings
from cvai.domain.ventricles.segments import WALL_SEGMENTS, Level, WallSegment, level_of
from cvai.domain.ventricles.septum import is_upright, sense_of_rotation

SegmentThickness = Mapping[WallSegment, float]
"""Thickness in mm of every segment that could be measured."""


@dataclass(frozen=True, slots=True)
class WallMeasurements:
    """What was measured of the wall, and what could not be."""

    measurements: tuple[Measurement, ...]
    findings: tuple[Finding, ...]


def measurement_name(segment: WallSegment, phase: str) -> str:
    """Name of a segment's thickness at phase ``ed`` or ``es`` in result.json.

    >>> measurement_name(WALL_SEGMENTS[0], "ed")
    'lv_wall_ed_basal_anterior'
    """
    return f"lv_wall_{phase}_{segment.key}"


def thickening_percent(ed_mm: float, es_mm: float) -> float:
    """By how much a segment grows thicker in systole, as a share of its diastolic thickness.

    >>> thickening_percent(ed_mm=8.0, es_mm=12.0)
    50.0
    """
    return 100.0 * (es_mm - ed_mm) / ed_mm


def measure_wall(
    segmentation: CineSegmentation, phases: KeyPhases, rings: BeatRings | None = None
) -> WallMeasurements:
    """Thickness of every segment that slices cover, at end-diastole and at end-systole.

    Levels are thirds of the slices that show the cavity at that phase, since the base descends in systole
    through slices that stand still. A segment whose level has no slice with a closed ring is left out, and so
    are all where the septum cannot be located, or where the anterior wall would come to lie below the septum:
    then apex and base, or left and right, are not what they are taken for.

    Args:
        segmentation: labels of every phase.
        phases: end-diastole and end-systole.
        rings: of the segmentation, where they are known already.
    """
    labels, geometry = segmentation.labels, segmentation.geometry
    apex_first = apex_comes_first(labels[phases.end_diastole])
    measurements: list[Measurement] = []
    missing: dict[str, list[WallSegment]] = {}
    for key, name, t in (
        ("ed", "end-diastole", phases.end_diastole),
        ("es", "end-systole", phases.end_systole),
    ):
        rings_there = slice_rings(labels[t], geometry) if rings is None else rings[t]
        thickness_mm = thickness_of_rings(labels[t], rings_there, geometry, apex_first=apex_first)
        missing[name] = [s for s in WALL_SEGMENTS if s not in thickness_mm]
        measurements += [Measurement(measurement_name(s, key), mm, "mm") for s, mm in thickness_mm.items()]
    return WallMeasurements(tuple(measurements), _left_out(missing, phases))


def segment_thickness_mm(
    labels: NDArray[np.uint8], geometry: StackGeometry, *, apex_first: bool
) -> SegmentThickness:
    """Mean thickness of the segments of one phase; those that are not covered are absent.

    Args:
        labels: (z, y, x) values of ``SAX_LABELS``.
        geometry: where the slices lie.
        apex_first: whether the slices run from apex to base.
    """
    return thickness_of_rings(labels, slice_rings(labels, geometry), geometry, apex_first=apex_first)


def thickness_of_rings(
    labels: NDArray[np.uint8], rings_by_slice: SliceRings, geometry: StackGeometry, *, apex_first: bool
) -> SegmentThickness:
    """The same from the rings of these labels."""
    return segment_means(
        labels, rings_by_slice, geometry, lambda ring: ring.thickness_mm, apex_first=apex_first
    )


def segment_means(
    labels: NDArray[np.uint8],
    rings_by_slice: SliceRings,
    geometry: StackGeometry,
    value: Callable[[WallRing], NDArray[np.float64]],
    *,
    apex_first: bool,
) -> Mapping[WallSegment, float]:
    """Mean over every segment of one phase of what a ring has along its rays, see ``segment_thickness_mm``.

    Args:
        labels: (z, y, x) values of ``SAX_LABELS``.
        rings_by_slice: of these labels.
        geometry: where the slices lie.
        value: (ray,) of a ring.
        apex_first: whether the slices run from apex to base.
    """
    base_to_apex = _slices_with_cavity(labels)[:: -1 if apex_first else 1]
    rings = [rings_by_slice[z] for z in base_to_apex]
    septa_deg = _septum_of_every_ring(rings)
    sense = sense_of_rotation(geometry, apex_first=apex_first)
    if septa_deg is None or not is_upright(septa_deg, sense, geometry):
        return {}
    values: dict[WallSegment, list[float]] = {}
    for place, (ring, septum_deg) in enumerate(zip(rings, septa_deg, strict=True)):
        if ring is not None:
            level = level_of(place, len(rings))
            from_septum_deg = sense * (ANGLES_DEG - septum_deg)
            along = value(ring)
            for segment in (s for s in WALL_SEGMENTS if s.level is level):
                values.setdefault(segment, []).extend(along[segment.holds(from_septum_deg)])
    return {segment: float(np.mean(of_segment)) for segment, of_segment in values.items()}


def _slices_with_cavity(labels: NDArray[np.uint8]) -> list[int]:
    cavity = labels == SAX_LABELS[Structure.LV_CAVITY]
    return [int(z) for z in np.flatnonzero(cavity.any(axis=(1, 2)))]


def _septum_of_every_ring(rings: Sequence[WallRing | None]) -> list[float] | None:
    """Direction of the septum in every slice, that of the nearest slice where it does not show one."""
    found = {place: ring.septum_deg for place, ring in enumerate(rings) if ring is not None}
    known = {place: degrees for place, degrees in found.items() if degrees is not None}
    if not known:
        return None
    return [known[min(known, key=lambda other: abs(other - place))] for place in range(len(rings))]


def _left_out(missing: Mapping[str, Sequence[WallSegment]], phases: KeyPhases) -> tuple[Finding, ...]:
    """What a reader must know of segments without a number, level by level.

    Args:
        missing: segments by ``end-diastole`` and ``end-systole``.
        phases: which phases these are.
    """
    where = [
        say("{segments} at {phase}", segments=_named(segments), phase=term(phase))
        for phase, segments in missing.items()
        if segments
    ]
    if not where:
        return ()
    message = say(
        "The thickness of the wall could not be measured for {phases}: no slice there shows a closed "
        "ring of wall around the cavity, or the septum is not where it belongs.",
        phases=joined("; ", where),
    )
    indices = {"end-diastole": phases.end_diastole, "end-systole": phases.end_systole}
    places = tuple(Place(phase=indices[phase]) for phase, segments in missing.items() if segments)
    return (Finding("wall_not_measured", Severity.INFO, message, places),)


def _named(segments: Sequence[WallSegment]) -> Message:
    """Segments in words; a level is missing as a whole, since a closed ring shows all of it."""
    levels = list(dict.fromkeys(segment.level for segment in segments))
    return (
        say("any segment")
        if len(levels) == len(Level)
        else say("the {levels} segments", levels=listed(map(term, levels)))
    )
