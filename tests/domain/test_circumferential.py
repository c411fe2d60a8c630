from __future__ import annotations

import numpy as np
import pytest

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.ventricles.beat_times import BeatTimes, beat_times
from cvai.domain.ventricles.circumferential import (
    Layer,
    StrainMeasurements,
    circumferential_strain,
    measure_strain,
)
from cvai.domain.ventricles.rings import beat_rings
from cvai.domain.ventricles.segments import WALL_SEGMENTS
from cvai.domain.ventricles.thickening import measure_thickening, thickening_name, time_name
from tests.domain.known_beats import (
    CAVITY_MM,
    HEART_RATE_BPM,
    PERIOD_MS,
    SHORTENING,
    TIMES_MS,
    beating_round,
    cosine_share,
    wall_mm,
    whole_beat,
    whole_beat_rings,
)
from tests.domain.known_walls import Grid

PHASES = KeyPhases(0, 12)
WALL = SAX_LABELS[Structure.LV_MYOCARDIUM]


def measured(
    segmentation: CineSegmentation, times: BeatTimes | str | None = None, phases: KeyPhases = PHASES
) -> StrainMeasurements:
    times = beat_times(TIMES_MS, HEART_RATE_BPM) if times is None else times
    return measure_strain(segmentation, beat_rings(segmentation), phases, times)


def mid_wall_percent() -> np.ndarray:
    """Of six round slices, and of three whose cavity is 0.7 times as wide, with the same wall."""
    inner_mm = CAVITY_MM * (1 - SHORTENING * cosine_share())
    half_mm = np.array([wall_mm(mm) for mm in inner_mm]) / 2
    sum_mm = 6 * (inner_mm + half_mm) + 3 * (0.7 * inner_mm + half_mm)
    return np.asarray(100 * (sum_mm / sum_mm[0] - 1))


def test_strain_is_that_of_the_known_radii_in_every_phase() -> None:
    found = measured(whole_beat())
    assert found.strain is not None
    assert found.strain.slices == tuple(range(9))
    endo = found.strain.percent[Layer.ENDOCARDIUM]
    assert endo == pytest.approx(-100 * SHORTENING * cosine_share(), abs=0.4)
    assert found.strain.percent[Layer.MID_WALL] == pytest.approx(mid_wall_percent(), abs=0.4)
    assert found.strain.by_slice[Layer.ENDOCARDIUM][12] == pytest.approx(np.full(9, -24.0), abs=1.0)


def test_peak_time_and_rate_are_those_of_the_known_curve() -> None:
    values = {m.name: (m.value, m.unit) for m in measured(whole_beat()).measurements}
    assert values["lv_gcs_endo"] == (pytest.approx(-24.0, abs=0.4), "%")
    assert values["lv_gcs_mid"] == (pytest.approx(mid_wall_percent().min(), abs=0.4), "%")
    assert values["lv_time_to_gcs_endo"] == (pytest.approx(PERIOD_MS / 2, abs=PERIOD_MS / 25), "ms")
    steepest = np.pi * 24.0 / (PERIOD_MS / 1000)
    assert values["lv_gcs_rate_early_endo"] == (pytest.approx(steepest, rel=0.05), "%/s")


def test_without_times_only_the_peak_is_given() -> None:
    found = measured(whole_beat(), times="the images do not state their times and the heart rate")
    assert [m.name for m in found.measurements] == ["lv_gcs_endo", "lv_gcs_mid"]


@pytest.mark.parametrize("pixel_mm", [0.9, 1.8])
@pytest.mark.parametrize("turned_deg", [17.0, 63.0])
def test_pixels_and_turns_hardly_change_the_peak(pixel_mm: float, turned_deg: float) -> None:
    grid = Grid(turned_deg=turned_deg, spacing_mm=(pixel_mm, 0.8 * pixel_mm))
    segmentation = beating_round(np.array([0.0, 1.0]), grid)
    strain = circumferential_strain(beat_rings(segmentation), 0, np.ones(9, dtype=np.bool_))
    assert strain is not None
    assert strain.percent[Layer.ENDOCARDIUM][1] == pytest.approx(-24.0, abs=0.5)


def test_slices_that_lose_their_ring_in_a_phase_are_left_out() -> None:
    segmentation = whole_beat()
    labels = segmentation.labels.copy()
    labels[10:14, 0] = 0
    labels[12, 1, :, :70][labels[12, 1, :, :70] == WALL] = 0
    found = measured(CineSegmentation(labels, segmentation.geometry))
    assert found.strain is not None
    assert found.strain.slices == tuple(range(2, 9))
    assert found.strain.percent[Layer.ENDOCARDIUM].min() == pytest.approx(-24.0, abs=0.4)


def test_a_slice_whose_contour_leaps_is_left_out() -> None:
    segmentation = whole_beat()
    labels = segmentation.labels.copy()
    labels[6, 4] = labels[0, 4]
    found = measured(CineSegmentation(labels, segmentation.geometry))
    assert found.strain is not None
    assert 4 not in found.strain.slices


def test_a_slice_out_of_step_is_left_out() -> None:
    segmentation = whole_beat()
    labels = segmentation.labels.copy()
    labels[:, 5] = np.roll(labels[:, 5], 6, axis=0)
    found = measured(CineSegmentation(labels, segmentation.geometry))
    assert found.strain is not None
    assert found.strain.slices == (0, 1, 2, 3, 4, 6, 7, 8)


def test_two_slices_are_no_global_strain() -> None:
    segmentation = whole_beat()
    labels = segmentation.labels.copy()
    labels[12, :7] = 0
    found = measured(CineSegmentation(labels, segmentation.geometry))
    assert found.strain is None
    assert found.measurements == ()
    assert [f.code for f in found.findings] == ["strain_not_measured"]


def test_segments_thicken_as_the_known_wall_and_at_the_same_time() -> None:
    segmentation = whole_beat()
    rings, times = whole_beat_rings(), beat_times(TIMES_MS, HEART_RATE_BPM)
    values = {m.name: m.value for m in measure_thickening(segmentation, rings, PHASES, times)}
    thickest_mm = wall_mm(CAVITY_MM * (1 - SHORTENING))
    for segment in WALL_SEGMENTS:
        assert values[thickening_name(segment)] == pytest.approx(100 * (thickest_mm / 8 - 1), abs=4.0)
    times_ms = [values[time_name(segment)] for segment in WALL_SEGMENTS]
    assert np.mean(times_ms) == pytest.approx(PERIOD_MS / 2, abs=PERIOD_MS / 25)
    assert values["lv_dyssynchrony"] == pytest.approx(np.std(times_ms, ddof=1))
    assert values["lv_dyssynchrony"] < 30, "the wall is thickest everywhere at once, and hardly changes then"


def test_a_segment_that_does_not_thicken_has_no_time_and_there_is_no_index() -> None:
    still = whole_beat(0.0)
    rings, times = whole_beat_rings(0.0), beat_times(TIMES_MS, HEART_RATE_BPM)
    values = {m.name: m.value for m in measure_thickening(still, rings, PHASES, times)}
    assert set(values) == {thickening_name(segment) for segment in WALL_SEGMENTS}
    assert measure_thickening(still, rings, PHASES, "no times") == ()
