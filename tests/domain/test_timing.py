from __future__ import annotations

import numpy as np
import pytest

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.beat_curve import BeatCurve
from cvai.domain.findings import Finding, Severity
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.ventricles.beat_times import BeatTimes, beat_times
from cvai.domain.ventricles.timing import measure_timing, steady_curve_ml, trusted_times
from tests.domain.known_beats import HEART_RATE_BPM, N_PHASES, PERIOD_MS, TIMES_MS, whole_beat

PHASES = KeyPhases(0, 12)


def wave(times_ms: np.ndarray) -> np.ndarray:
    return 100.0 + 30.0 * np.cos(2 * np.pi * times_ms / PERIOD_MS)


def times() -> BeatTimes:
    found = beat_times(TIMES_MS, HEART_RATE_BPM)
    assert isinstance(found, BeatTimes)
    return found


def test_a_smooth_curve_has_the_slope_of_its_closed_form() -> None:
    curve = BeatCurve.smoothed(TIMES_MS, wave(TIMES_MS), PERIOD_MS)
    at_ms = np.linspace(0.0, 2 * PERIOD_MS, 50)
    kept = 1 / (1 + (1000.0 / PERIOD_MS / 5.0) ** 4)
    slope = -30.0 * kept * 2 * np.pi / (PERIOD_MS / 1000) * np.sin(2 * np.pi * at_ms / PERIOD_MS)
    assert curve.rates(at_ms) == pytest.approx(slope, abs=1e-6)
    assert curve.values(at_ms) == pytest.approx(100.0 + kept * (wave(at_ms) - 100.0))


def test_a_gap_at_the_end_of_the_beat_hardly_changes_the_slopes() -> None:
    seen = TIMES_MS < 0.85 * PERIOD_MS
    curve = BeatCurve.smoothed(TIMES_MS[seen], wave(TIMES_MS[seen]), PERIOD_MS)
    whole = BeatCurve.smoothed(TIMES_MS, wave(TIMES_MS), PERIOD_MS)
    at_ms = np.arange(0.0, 0.8 * PERIOD_MS)
    assert curve.rates(at_ms) == pytest.approx(
        whole.rates(at_ms), abs=0.05 * np.abs(whole.rates(at_ms)).max()
    )


def test_samples_that_do_not_fit_into_the_period_are_an_error() -> None:
    with pytest.raises(ValueError, match="for a period of 500 ms"):
        BeatCurve.smoothed(TIMES_MS, wave(TIMES_MS), 500.0)


def test_rates_and_times_are_those_of_the_known_curve() -> None:
    segmentation = whole_beat()
    found = measure_timing(segmentation, PHASES, times())
    values = {m.name: m.value for m in found.measurements}
    volumes_ml = steady_curve_ml(segmentation, PHASES)
    assert volumes_ml is not None
    edv_ml, stroke_ml = volumes_ml[0], volumes_ml[0] - volumes_ml[12]
    steepest_ml_s = np.pi * stroke_ml / (PERIOD_MS / 1000)  # of a cosine, about which the volume runs
    assert values["lv_per"] == pytest.approx(steepest_ml_s, rel=0.06)
    assert values["lv_pfr"] == pytest.approx(steepest_ml_s, rel=0.06)
    assert values["lv_per_by_edv"] == pytest.approx(values["lv_per"] / edv_ml)
    assert values["lv_pfr_by_edv"] == pytest.approx(values["lv_pfr"] / edv_ml)
    assert values["lv_time_to_es"] == pytest.approx(TIMES_MS[12])
    assert values["lv_time_to_per"] == pytest.approx(0.23 * PERIOD_MS, abs=25)
    assert 0 < values["lv_time_to_pfr"] <= (PERIOD_MS - TIMES_MS[12]) / 2
    assert values["lv_dvr80"] == pytest.approx(100 * np.arccos(-0.6) / np.pi, abs=4)


def test_times_are_counted_into_the_next_beat_where_end_diastole_comes_last() -> None:
    late = np.roll(np.arange(N_PHASES), 3)
    segmentation = whole_beat()
    turned = CineSegmentation(segmentation.labels[late].copy(), segmentation.geometry)
    first, then = (
        {m.name: m.value for m in measure_timing(labelled, phases, times()).measurements}
        for labelled, phases in ((segmentation, PHASES), (turned, KeyPhases(3, 15)))
    )
    assert then == pytest.approx(first, abs=1.0)


def test_the_base_leaving_slices_makes_no_peak() -> None:
    segmentation = whole_beat()
    labels = segmentation.labels.copy()
    labels[5:20, 0][labels[5:20, 0] != 0] = SAX_LABELS[Structure.RV_CAVITY]
    descending = CineSegmentation(labels, segmentation.geometry)
    whole, without = (steady_curve_ml(labelled, PHASES) for labelled in (segmentation, descending))
    assert whole is not None
    assert without is not None
    ejected, shape = ((ml[0] - ml) / (ml[0] - ml[12]) for ml in (without, whole))
    assert ejected == pytest.approx(shape, abs=0.02)


@pytest.mark.parametrize(
    ("times_ms", "heart_rate_bpm", "reason"),
    [
        (None, 60.0, "do not state their times"),
        (TIMES_MS, None, "do not state their times"),
        (TIMES_MS * 1.2, HEART_RATE_BPM / 1.2, "43 ms apart"),
        (TIMES_MS[:4], 390.0, "only 4 phases"),
        (TIMES_MS[:15], HEART_RATE_BPM, "span 540 ms of a heartbeat of 900 ms"),
        (TIMES_MS, 90.0, "span 900 ms of a heartbeat of 667 ms"),
    ],
)
def test_rates_are_not_given_where_times_do_not_allow_them(
    times_ms: np.ndarray | None, heart_rate_bpm: float | None, reason: str
) -> None:
    found = measure_timing(whole_beat(), PHASES, beat_times(times_ms, heart_rate_bpm))
    assert found.measurements == ()
    (finding,) = found.findings
    assert finding.code == "timing_not_measured"
    assert reason in finding.message


def test_a_doubtful_curve_is_not_timed() -> None:
    jump = Finding("volume_jumps_between_phases", Severity.WARNING, "It jumps.")
    assert trusted_times(times(), [jump]) == "the volume jumps between phases"
    assert isinstance(trusted_times(times(), []), BeatTimes)


def test_two_slices_tell_no_course() -> None:
    segmentation = whole_beat()
    labels = segmentation.labels.copy()
    labels[6, :7] = 0
    found = measure_timing(CineSegmentation(labels, segmentation.geometry), PHASES, times())
    assert "too few slices" in found.findings[0].message
