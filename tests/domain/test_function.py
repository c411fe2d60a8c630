from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.function import ejection_fraction_percent, measure_sax
from cvai.domain.geometry import StackGeometry
from cvai.domain.measurement import Measurement
from cvai.domain.phases import KeyPhases, key_phases, possible_key_phases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.volumes import MYOCARDIAL_DENSITY_G_PER_ML, volume_curve_ml, volume_curves_ml

VOXEL_ML = 1.5 * 2.5 * 8.0 / 1000


def segmentation(voxels: list[dict[Structure, int]], n_slices: int = 2) -> CineSegmentation:
    """So many voxels of each structure in every phase, laid one after the other."""
    labels = np.zeros((len(voxels), n_slices, 40, 50), dtype=np.uint8)
    for t, counts in enumerate(voxels):
        flat, start = labels[t].reshape(-1), 0
        for structure, count in counts.items():
            flat[start : start + count] = SAX_LABELS[structure]
            start += count
    positions = np.array([[0.0, 0, 8.0 * z] for z in range(n_slices)])
    geometry = StackGeometry(positions, np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), 1.5, 2.5)
    return CineSegmentation(labels, geometry)


def test_volumes_are_voxels_times_voxel_volume() -> None:
    seg = segmentation([{Structure.LV_CAVITY: 1000, Structure.RV_CAVITY: 700}, {Structure.LV_CAVITY: 400}])
    np.testing.assert_allclose(volume_curve_ml(seg, Structure.LV_CAVITY), [1000 * VOXEL_ML, 400 * VOXEL_ML])
    np.testing.assert_allclose(volume_curve_ml(seg, Structure.RV_CAVITY), [700 * VOXEL_ML, 0])


def test_function_of_both_ventricles_follows_from_the_counts() -> None:
    ed = {Structure.LV_CAVITY: 1000, Structure.LV_MYOCARDIUM: 900, Structure.RV_CAVITY: 800}
    es = {Structure.LV_CAVITY: 400, Structure.LV_MYOCARDIUM: 950, Structure.RV_CAVITY: 360}
    values = {
        m.name: m
        for m in measure_sax(volume_curves_ml(segmentation([ed, es])), KeyPhases(0, 1), heart_rate_bpm=50.0)
    }
    assert values["lv_ef"].value == pytest.approx(60.0)
    assert values["rv_ef"].value == pytest.approx(55.0)
    assert values["lv_sv"].value == pytest.approx(600 * VOXEL_ML)
    assert values["lv_mass"].value == pytest.approx(900 * VOXEL_ML * MYOCARDIAL_DENSITY_G_PER_ML)
    assert values["lv_co"].value == pytest.approx(600 * VOXEL_ML * 50 / 1000)
    assert (values["lv_edv"].unit, values["lv_ef"].unit, values["lv_co"].unit) == ("mL", "%", "L/min")


def test_without_a_heart_rate_there_is_no_cardiac_output() -> None:
    counts = {Structure.LV_CAVITY: 1000, Structure.RV_CAVITY: 800}
    names = {
        m.name
        for m in measure_sax(volume_curves_ml(segmentation([counts])), KeyPhases(0, 0), heart_rate_bpm=None)
    }
    assert not {"lv_co", "rv_co", "heart_rate"} & names


def test_an_empty_right_ventricle_has_no_ejection_fraction() -> None:
    names = {
        m.name
        for m in measure_sax(
            volume_curves_ml(segmentation([{Structure.LV_CAVITY: 9}])), KeyPhases(0, 0), None
        )
    }
    assert "lv_ef" in names
    assert "rv_ef" not in names


def test_an_ejection_fraction_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="positive"):
        ejection_fraction_percent(edv_ml=0.0, esv_ml=0.0)


def test_end_diastole_may_be_the_last_phase_of_the_cycle() -> None:
    curve = np.array([95.0, 80, 60, 45, 40, 48, 70, 85, 92, 97])
    assert key_phases(curve) == KeyPhases(end_diastole=9, end_systole=4)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12))
def test_key_phases_are_never_dropped_while_later_phases_are_unknown(voxels: list[int]) -> None:
    volumes = np.array(voxels, dtype=np.float64)
    kept: set[int] = set()
    for n in range(1, volumes.size + 1):
        kept = (kept | {n - 1}) & possible_key_phases(volumes[:n])
    phases = key_phases(volumes)
    assert {phases.end_diastole, phases.end_systole} <= kept
    assert len(kept) <= 4


def test_one_bad_phase_is_not_taken_for_an_extreme() -> None:
    smooth = 100 + 40 * np.cos(np.linspace(0, 2 * np.pi, 25, endpoint=False))
    spoiled = smooth.copy()
    spoiled[7] = 20.0
    assert abs(key_phases(spoiled).end_systole - key_phases(smooth).end_systole) <= 6
    assert key_phases(smooth).end_diastole == key_phases(spoiled).end_diastole == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_measurement_is_a_finite_number(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Measurement("lv_ef", value, "%")


def test_a_measurement_lies_within_its_interval() -> None:
    with pytest.raises(ValueError, match="interval"):
        Measurement("lv_ef", 60.0, "%", interval=(61.0, 65.0))
