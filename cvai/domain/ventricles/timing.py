"""How fast the left ventricle empties and fills, and when, from its volume in every phase."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import Structure
from cvai.domain.beat_curve import BeatCurve
from cvai.domain.findings import Finding, Severity
from cvai.domain.measurement import Measurement
from cvai.domain.message import Message, say
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.ventricles.beat_times import BeatTimes

FEWEST_SLICES = 3
LEAST_SHARE = 0.3
"""Slices that hold the cavity in every phase tell the course of the volume: how many there have to be, and
which share of the stroke volume they have to eject."""

RECOVERED = 0.8
"""Share of the stroke volume after which diastolic volume recovery is taken: Mendoza et al., J Cardiovasc
Magn Reson 2010;12:46 (doi:10.1186/1532-429X-12-46)."""

DOUBTFUL_CURVE: Mapping[str, Message] = MappingProxyType(
    {
        "phases_not_drawn": say("the left ventricle is not drawn in every phase"),
        "slices_out_of_step": say("slices contract at different times"),
        "volume_jumps_between_phases": say("the volume jumps between phases"),
        "no_stroke_volume": say("the ventricle does not empty towards end-systole"),
    }
)
"""Findings under which a slope of the volume curve says nothing, in words."""


@dataclass(frozen=True, slots=True)
class TimingMeasurements:
    """What was measured of the timing, or why nothing was."""

    measurements: tuple[Measurement, ...]
    findings: tuple[Finding, ...]


def measure_timing(
    segmentation: CineSegmentation,
    phases: KeyPhases,
    times: BeatTimes | str,
) -> TimingMeasurements:
    """Peak rates of ejection and early filling, their times, and how soon the volume recovers.

    Args:
        segmentation: labels of every phase.
        phases: end-diastole and end-systole.
        times: of the phases, or why rates cannot be taken.
    """
    if isinstance(times, str):
        return _not_measured(times)
    volumes_ml = steady_curve_ml(segmentation, phases)
    if volumes_ml is None:
        return _not_measured(say("too few slices show the cavity in every phase"))
    return TimingMeasurements(_timing(volumes_ml, phases, times), ())


def trusted_times(times: BeatTimes | str, findings: Iterable[Finding]) -> BeatTimes | str:
    """The times, or why a slope of the volume curve says nothing: findings on the same labels forbid it."""
    doubts = [DOUBTFUL_CURVE[finding.code] for finding in findings if finding.code in DOUBTFUL_CURVE]
    return times if isinstance(times, str) or not doubts else doubts[0]


def steady_curve_ml(segmentation: CineSegmentation, phases: KeyPhases) -> NDArray[np.float64] | None:
    """(t,) volume of the cavity, whose course is that of the slices which hold it in every phase.

    The base descends through slices that stand still: the counted volume falls by a whole slice from one
    phase to the next, where the ventricle empties evenly. So the curve of the other slices is stretched to
    the counted volumes of end-diastole and end-systole.

    Returns:
        None where too few slices hold the cavity throughout, or where they eject too little to tell.
    """
    slices_ml = segmentation.voxel_counts(Structure.LV_CAVITY) * segmentation.geometry.voxel_volume_ml
    ed, es = phases.end_diastole, phases.end_systole
    throughout = (slices_ml > 0).all(axis=0)
    course_ml, counted_ml = slices_ml[:, throughout].sum(axis=1), slices_ml.sum(axis=1)
    stroke_ml, stroke_counted_ml = course_ml[ed] - course_ml[es], counted_ml[ed] - counted_ml[es]
    if np.count_nonzero(throughout) < FEWEST_SLICES or stroke_counted_ml <= 0:
        return None
    if stroke_ml < LEAST_SHARE * stroke_counted_ml:
        return None
    ejected = (course_ml[ed] - course_ml) / stroke_ml
    return np.asarray(counted_ml[ed] - stroke_counted_ml * ejected, dtype=np.float64)


def _timing(volumes_ml: NDArray[np.float64], phases: KeyPhases, times: BeatTimes) -> tuple[Measurement, ...]:
    curve = BeatCurve.smoothed(times.times_ms, volumes_ml, times.period_ms)
    edv_ml, esv_ml = (float(volumes_ml[t]) for t in (phases.end_diastole, phases.end_systole))
    systole_ms, diastole_ms = times.systole_ms(phases), times.diastole_ms(phases)
    early_ms = times.early_diastole_ms(phases)
    ejection_ml_s, filling_ml_s = -curve.rates(systole_ms), curve.rates(early_ms)
    per_ml_s, pfr_ml_s = float(ejection_ml_s.max()), float(filling_ml_s.max())
    recovered = curve.values(diastole_ms) >= esv_ml + RECOVERED * (edv_ml - esv_ml)
    return (
        Measurement("lv_per", per_ml_s, "mL/s"),
        Measurement("lv_per_by_edv", per_ml_s / edv_ml, "/s"),
        Measurement("lv_time_to_per", float(systole_ms[ejection_ml_s.argmax()] - systole_ms[0]), "ms"),
        Measurement("lv_time_to_es", times.after_ms(phases.end_diastole, phases.end_systole), "ms"),
        Measurement("lv_pfr", pfr_ml_s, "mL/s"),
        Measurement("lv_pfr_by_edv", pfr_ml_s / edv_ml, "/s"),
        Measurement("lv_time_to_pfr", float(early_ms[filling_ml_s.argmax()] - early_ms[0]), "ms"),
        *(
            (Measurement("lv_dvr80", 100.0 * float(recovered.argmax()) / recovered.size, "%"),)
            if recovered.any()
            else ()
        ),
    )


def _not_measured(reason: str) -> TimingMeasurements:
    message = say("Ejection and filling rates are not given: {reason}.", reason=reason)
    return TimingMeasurements((), (Finding("timing_not_measured", Severity.INFO, message),))
