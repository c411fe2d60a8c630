"""How the segments of the wall thicken over the heartbeat, when each is thickest, and how far they are
apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cvai.domain.beat_curve import BeatCurve
from cvai.domain.measurement import Measurement
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation, apex_comes_first
from cvai.domain.ventricles.beat_times import BeatTimes
from cvai.domain.ventricles.rings import BeatRings
from cvai.domain.ventricles.segments import WALL_SEGMENTS, WallSegment
from cvai.domain.ventricles.wall_thickness import thickness_of_rings

LEAST_PEAK_PERCENT = 5.0
"""A segment that thickens less has no peak to be timed: noise of the contours moves a segment's thickness by
2 %."""


def thickening_name(segment: WallSegment) -> str:
    """Name of a segment's peak thickening in result.json.

    >>> thickening_name(WALL_SEGMENTS[0])
    'lv_thickening_basal_anterior'
    """
    return f"lv_thickening_{segment.key}"


def time_name(segment: WallSegment) -> str:
    """Name of the time at which a segment is thickest in result.json.

    >>> time_name(WALL_SEGMENTS[0])
    'lv_time_to_thickening_basal_anterior'
    """
    return f"lv_time_to_thickening_{segment.key}"


def measure_thickening(
    segmentation: CineSegmentation, rings: BeatRings, phases: KeyPhases, times: BeatTimes | str
) -> tuple[Measurement, ...]:
    """Peak thickening of every segment, its time after end-diastole, and the dyssynchrony index.

    The peak is looked for on the smooth curve from end-diastole to the middle of diastole. The index is the
    standard deviation of the times of all 16 segments; it is left out where one has no time.

    Args:
        segmentation: labels of every phase.
        rings: of the segmentation.
        phases: end-diastole and end-systole.
        times: of the phases; nothing is measured where they are not known.
    """
    if isinstance(times, str) or phases.end_diastole == phases.end_systole:
        return ()
    at_ms = np.concatenate([times.systole_ms(phases), times.early_diastole_ms(phases)])
    peaks: list[Measurement] = []
    to_peak: list[Measurement] = []
    for segment, curve_percent in segment_thickening_percent(segmentation, rings, phases).items():
        curve = BeatCurve.smoothed(times.times_ms, curve_percent, times.period_ms).values(at_ms)
        peak_percent = float(curve.max())
        peaks.append(Measurement(thickening_name(segment), peak_percent, "%"))
        if peak_percent >= LEAST_PEAK_PERCENT:
            after_ms = float(at_ms[curve.argmax()] - at_ms[0])
            to_peak.append(Measurement(time_name(segment), after_ms, "ms"))
    return (*peaks, *to_peak, *_dyssynchrony(to_peak))


def segment_thickening_percent(
    segmentation: CineSegmentation, rings: BeatRings, phases: KeyPhases
) -> Mapping[WallSegment, NDArray[np.float64]]:
    """(t,) thickening against end-diastole of the segments that could be measured in every phase."""
    labels, geometry = segmentation.labels, segmentation.geometry
    apex_first = apex_comes_first(labels[phases.end_diastole])
    by_phase = [
        thickness_of_rings(labels[t], rings[t], geometry, apex_first=apex_first) for t in range(len(labels))
    ]
    courses_mm = {
        segment: np.array([thickness_mm[segment] for thickness_mm in by_phase])
        for segment in WALL_SEGMENTS
        if all(segment in thickness_mm for thickness_mm in by_phase)
    }
    return {segment: 100.0 * (mm / mm[phases.end_diastole] - 1.0) for segment, mm in courses_mm.items()}


def _dyssynchrony(to_peak: list[Measurement]) -> tuple[Measurement, ...]:
    if len(to_peak) < len(WALL_SEGMENTS):
        return ()
    return (Measurement("lv_dyssynchrony", float(np.std([m.value for m in to_peak], ddof=1)), "ms"),)
