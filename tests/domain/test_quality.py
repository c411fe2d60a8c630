from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.findings import Finding, Place
from cvai.domain.geometry import StackGeometry
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.ventricles.quality import quality_findings
from cvai.domain.volumes import volume_curves_ml

ED, ES = 0, 4
N_PHASES, N_SLICES = 8, 9


def beating_heart() -> np.ndarray:
    """(t, z, y, x) labels of a plausible heart: an ellipsoid with a wall and a ventricle beside it."""
    z, y, x = np.meshgrid(np.arange(N_SLICES), np.arange(96), np.arange(110), indexing="ij")
    labels = np.zeros((N_PHASES, *z.shape), dtype=np.uint8)
    for t in range(N_PHASES):
        squeeze = 1 - 0.25 * (1 - np.cos(2 * np.pi * t / N_PHASES)) / 2
        height = (z - 4) / 4.4
        inner, mass = 17 * squeeze, 26**2 - 17**2
        outer = np.sqrt(inner**2 + mass)
        left = ((y - 50) ** 2 + (x - 45) ** 2) / 1.0
        right = ((y - 50) / (24 * squeeze)) ** 2 + ((x - 72) / (18 * squeeze)) ** 2
        shape = 1 - height**2
        labels[t][right + height**2 < 1] = SAX_LABELS[Structure.RV_CAVITY]
        labels[t][left < outer**2 * shape] = SAX_LABELS[Structure.LV_MYOCARDIUM]
        labels[t][left < inner**2 * shape] = SAX_LABELS[Structure.LV_CAVITY]
    return labels


def findings_of(labels: np.ndarray, phases: KeyPhases | None = None) -> tuple[Finding, ...]:
    positions = np.array([[0.0, 0, 9.0 * z] for z in range(labels.shape[1])])
    geometry = StackGeometry(positions, np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), 1.4, 1.4)
    segmentation = CineSegmentation(labels, geometry)
    return quality_findings(segmentation, phases or KeyPhases(ED, ES), volume_curves_ml(segmentation))


def found(labels: np.ndarray) -> dict[str, tuple[Place, ...]]:
    """Places of every finding by its code."""
    return {f.code: f.where for f in findings_of(labels)}


def messages(labels: np.ndarray, phases: KeyPhases | None = None) -> dict[str, str]:
    """Message of every finding by its code."""
    return {f.code: f.message for f in findings_of(labels, phases)}


def test_a_plausible_heart_has_no_findings() -> None:
    assert found(beating_heart()) == {}


def test_a_stack_that_ends_in_mid_ventricle_is_told() -> None:
    assert found(beating_heart()[:, 4:])["base_not_covered"] == (Place(ED, 0),)
    assert found(beating_heart()[:, :5])["base_not_covered"] == (Place(ED, 4),), "from apex to base"


def test_a_stack_whose_last_slice_no_valve_reaches_in_systole_is_told() -> None:
    labels = beating_heart()[:, 3:]
    assert found(labels)["base_not_covered"] == (Place(ED, 0), Place(ES, 0))
    assert found(labels[:, ::-1])["base_not_covered"] == (Place(ED, 5), Place(ES, 5)), "from apex to base"
    emptied = labels.copy()
    emptied[ES, 0][emptied[ES, 0] == SAX_LABELS[Structure.RV_CAVITY]] = 0
    assert "base_not_covered" not in found(emptied), "the right atrium has come into the slice"


def test_a_stack_that_ends_before_the_apex_is_told() -> None:
    labels = beating_heart()[:, 3:7]
    assert found(labels)["apex_not_covered"] == (Place(ED, 3),)
    assert found(labels[:, ::-1])["apex_not_covered"] == (Place(ED, 0),), "from apex to base"


def test_a_wide_last_slice_of_a_ventricle_that_closes_there_is_no_missing_apex() -> None:
    """It has 36 % of the largest area, and less than that is left for a next slice."""
    labels = beating_heart()[:, :7]
    y, x = np.mgrid[:96, :110]
    cavity, wall = SAX_LABELS[Structure.LV_CAVITY], SAX_LABELS[Structure.LV_MYOCARDIUM]
    labels[:, 6][(labels[:, 6] == cavity) & (np.hypot(y - 50, x - 45) > 10)] = wall
    assert "apex_not_covered" not in found(labels)


def test_a_right_ventricle_that_ends_before_it_narrows_is_told() -> None:
    """As where the next slice is turned, and what lies beyond it hangs together with nothing."""
    labels = beating_heart()[:, 2:]
    for t in range(N_PHASES):
        labels[t, 4:][labels[t, 4:] == SAX_LABELS[Structure.RV_CAVITY]] = 0
    code = "right_ventricle_ends_abruptly"
    assert found(labels)[code] == (Place(ED, 3), Place(ED, 4))
    assert found(labels[:, ::-1])[code] == (Place(ED, 3), Place(ED, 2)), "from apex to base"
    assert code not in found(labels[:, :5]), "one slice of the left ventricle beyond"


def test_a_ventricle_that_is_lost_in_slices_of_end_systole_is_told() -> None:
    labels = beating_heart()
    labels[ES, :4][labels[ES, :4] == SAX_LABELS[Structure.LV_CAVITY]] = 0
    assert found(labels)["ventricle_shortens_much"] == (Place(ED), Place(ES))


@pytest.mark.parametrize("apex_first", [False, True])
@pytest.mark.parametrize("phase", [ED, ES])
def test_a_basal_slice_that_opens_into_the_atrium_is_told_with_both_ejection_fractions(
    phase: int, apex_first: bool
) -> None:
    labels = beating_heart()[:, 3:]
    wall = labels[phase, 0] == SAX_LABELS[Structure.LV_MYOCARDIUM]
    labels[phase, 0][wall & (np.arange(labels.shape[3]) < 40)] = 0
    cavity = (labels == SAX_LABELS[Structure.LV_CAVITY]).sum(axis=(2, 3))
    findings = findings_of(labels[:, ::-1] if apex_first else labels)
    (told,) = (f for f in findings if f.code == "base_decides_ejection_fraction")
    assert told.where == (Place(phase, 5 if apex_first else 0),)
    assert f"{100 * (1 - cavity[ES].sum() / cavity[ED].sum()):.0f} % as measured" in told.message
    cavity[phase, 0] = 0
    assert f"{100 * (1 - cavity[ES].sum() / cavity[ED].sum()):.0f} % without it" in told.message


def test_a_base_that_leaves_a_slice_and_a_small_open_slice_decide_nothing() -> None:
    left = beating_heart()[:, 3:]
    left[ES, 0] = 0
    assert "base_decides_ejection_fraction" not in found(left)
    small = beating_heart()
    wall = small[ES, 0] == SAX_LABELS[Structure.LV_MYOCARDIUM]
    small[ES, 0][wall] = 0
    assert "base_decides_ejection_fraction" not in found(small)


def test_a_ventricle_that_grows_in_systole_is_told() -> None:
    labels = beating_heart()
    assert found(labels[[4, 1, 2, 3, 0, 5, 6, 7]])["no_stroke_volume"] == (Place(ES), Place(ED))


def test_a_ventricle_that_empties_is_told() -> None:
    labels = beating_heart()
    cavity = labels[ES] == SAX_LABELS[Structure.LV_CAVITY]
    labels[ES][cavity & (np.arange(labels.shape[3]) % 9 > 0)] = SAX_LABELS[Structure.LV_MYOCARDIUM]
    assert found(labels)["ejection_fraction_very_high"] == (Place(ES),)


def test_a_lost_right_ventricle_is_told() -> None:
    labels = beating_heart()
    labels[ES][labels[ES] == SAX_LABELS[Structure.RV_CAVITY]] = 0
    assert found(labels)["structure_not_drawn"] == (Place(phase=ES),)


def test_phases_that_nobody_drew_are_told_and_nothing_is_said_of_their_volume() -> None:
    labels = beating_heart()
    labels[[t for t in range(N_PHASES) if t not in (ED, ES)]] = 0
    assert found(labels.copy()) == {"phases_not_drawn": ()}
    labels[ES] = 0
    assert found(labels.copy()) == {"structure_not_drawn": (Place(phase=ES),), "phases_not_drawn": ()}
    labels[ED] = 0
    assert found(labels) == {
        "structure_not_drawn": (Place(phase=ED), Place(phase=ES)),
        "phases_not_drawn": (),
    }


def test_a_wall_that_loses_mass_is_told() -> None:
    labels = beating_heart()
    wall = labels[ES] == SAX_LABELS[Structure.LV_MYOCARDIUM]
    labels[ES][wall & (np.arange(labels.shape[3]) < 35)] = 0
    assert found(labels)["myocardial_mass_differs"] == (Place(ED), Place(ES))


def test_a_phase_that_jumps_is_told() -> None:
    labels = beating_heart()
    cavity = labels[2] == SAX_LABELS[Structure.LV_CAVITY]
    labels[2][cavity & (np.arange(labels.shape[3]) % 3 > 0)] = 0
    assert found(labels)["volume_jumps_between_phases"] == (Place(phase=2),)


@pytest.mark.parametrize("structure", [Structure.RV_CAVITY, Structure.LV_MYOCARDIUM])
def test_a_right_ventricle_or_a_wall_that_jumps_is_told(structure: Structure) -> None:
    labels = beating_heart()
    labels[2][labels[2] == SAX_LABELS[structure]] = 0
    assert Place(phase=2) in found(labels)["volume_jumps_between_phases"]


def test_an_end_systole_set_far_from_the_smallest_ventricle_is_told() -> None:
    labels = beating_heart()
    assert messages(labels, KeyPhases(ED, 1))["key_phase_not_extreme"].startswith(
        "End-systole is phase 2 with"
    )
    assert "key_phase_not_extreme" not in messages(labels, KeyPhases(ED, ES - 1)), "a neighbour is as good"


def test_a_torn_right_ventricle_is_told() -> None:
    labels = beating_heart()
    torn = labels[ES, 4, ::3]
    torn[torn == SAX_LABELS[Structure.RV_CAVITY]] = 0
    assert found(labels)["ragged_contour"] == (Place(ES, 4),)


def test_only_a_slice_at_the_base_may_be_atrium() -> None:
    for z, is_basal in ((1, True), (5, False)):
        labels = beating_heart()[:, 2:]
        labels[ED, z, ::3][labels[ED, z, ::3] == SAX_LABELS[Structure.LV_CAVITY]] = 0
        for turned in (labels, labels[:, ::-1]):
            assert ("atrium" in messages(turned)["ragged_contour"]) is is_basal


def test_a_slice_that_a_contour_skips_is_told() -> None:
    for structure in (Structure.RV_CAVITY, Structure.LV_MYOCARDIUM):
        labels = beating_heart()
        gone = [SAX_LABELS[s] for s in (structure, Structure.LV_CAVITY)]
        labels[ES, 5][np.isin(labels[ES, 5], gone)] = 0
        assert Place(ES, 5) in found(labels)["slice_skipped"]


def test_an_area_that_jumps_between_slices_is_told() -> None:
    labels = beating_heart()
    labels[ED, 4][labels[ED, 4] == SAX_LABELS[Structure.LV_CAVITY]] = SAX_LABELS[Structure.LV_MYOCARDIUM]
    labels[ED, 4, 49:52, 44:47] = SAX_LABELS[Structure.LV_CAVITY]
    assert Place(ED, 4) in found(labels)["area_jumps_between_slices"]


def test_a_cavity_without_a_wall_and_a_wall_without_a_cavity_are_told_but_at_the_apex() -> None:
    labels = beating_heart()
    labels[ED, 1][labels[ED, 1] == SAX_LABELS[Structure.LV_MYOCARDIUM]] = 0
    assert found(labels)["cavity_without_wall"] == (Place(ED, 1),)
    labels = beating_heart()[:, 2:]
    for z in (1, 6):
        labels[ES, z][labels[ES, z] == SAX_LABELS[Structure.LV_CAVITY]] = SAX_LABELS[Structure.LV_MYOCARDIUM]
    for turned, place in ((labels, Place(ES, 1)), (labels[:, ::-1], Place(ES, 5))):
        assert found(turned)["wall_without_cavity"] == (place,)


def test_a_frayed_outline_is_told_with_its_slice_and_phase() -> None:
    labels = beating_heart()
    labels[ES, 3, ::3][labels[ES, 3, ::3] == SAX_LABELS[Structure.LV_CAVITY]] = 0
    assert found(labels)["ragged_contour"] == (Place(ES, 3),)


def test_a_cavity_in_two_parts_is_told_with_its_slice_and_phase() -> None:
    labels = beating_heart()
    labels[ED, 4, :, 44:47][labels[ED, 4, :, 44:47] == SAX_LABELS[Structure.LV_CAVITY]] = 0
    labels[ES, 5, 48:53][labels[ES, 5, 48:53] == SAX_LABELS[Structure.RV_CAVITY]] = 0
    assert found(labels)["structure_in_parts"] == (Place(ED, 4), Place(ES, 5))


def test_a_heart_at_the_border_is_told() -> None:
    where = found(beating_heart()[..., 30:])["heart_at_image_border"]
    assert [place.slice for place in where] == list(range(1, 8))
    assert {place.phase for place in where} == {ED}, "where most of it is cut off"


@pytest.mark.parametrize("shrink", [3])
def test_a_left_ventricle_of_a_few_millilitres_is_told(shrink: int) -> None:
    small = ndimage.zoom(beating_heart(), (1, 1, 1 / shrink, 1 / shrink), order=0)
    assert found(small)["lv_implausibly_small"] == (Place(ED),)
