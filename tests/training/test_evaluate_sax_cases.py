from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

from cvai.domain.uncertainty import Uncertainty
from cvai.training.datasets.data import LabelledVolume
from cvai.training.tasks.sax.evaluation.cases import findings_of, score_patients
from cvai.training.tasks.sax.evaluation.scores import segmented
from tests.training.known import Known, drawn_heart, without_rows


def patient(name: str) -> list[LabelledVolume]:
    """A drawn heart in both phases, one pixel further down in the second."""
    return [
        drawn_heart(patient=name, phase=phase, shape=(8, 90, 100), centre=(row, 55.0))
        for phase, row in (("ED", 40.0), ("ES", 41.0))
    ]


def test_a_refused_phase_is_told_by_its_code() -> None:
    volumes = patient("a")
    known = Known(volumes, refuses=frozenset({("a", "ES")}))
    assert findings_of([segmented(v, known) for v in volumes]) == ("heart_not_found",)


def test_findings_are_those_of_the_models_labels_not_of_the_reference() -> None:
    volumes = [*patient("a"), *patient("b")]
    scores, whole = score_patients(volumes, Known(volumes))
    assert [(s.patient, s.phase) for s in scores] == [("a", "ED"), ("a", "ES"), ("b", "ED"), ("b", "ES")]
    _, frayed = score_patients(volumes, Known(volumes, change=without_rows(7)))
    assert [case.patient for case in whole] == [case.patient for case in frayed] == ["a", "b"]
    assert whole[0].findings == whole[1].findings
    assert set(frayed[0].findings) - set(whole[0].findings), "half a cavity is neither round nor in a ring"


def test_of_phases_on_different_grids_nothing_is_said() -> None:
    volumes = [patient("a")[0], drawn_heart(patient="a", phase="ES", shape=(8, 90, 101))]
    _, (case,) = score_patients(volumes, Known(volumes))
    assert case.findings == ()


def test_a_patient_has_numbers_intervals_and_what_the_data_state() -> None:
    volumes = [replace(volume, stated={"sex": "F"}) for volume in patient("a")]
    known = Uncertainty(0.9, {"lv_ef": 6.0}, {"lv_edv": 0.1})
    _, (case,) = score_patients(volumes, Known(volumes, uncertainty=known))
    assert case.stated == {"pathology": "NOR", "sex": "F"}
    assert case.error("lv_ef") == case.error("lv_mass") == 0.0
    assert case.half_widths == {"lv_ef": 6.0, "lv_edv": pytest.approx(0.1 * case.measured["lv_edv"])}
    assert case.dice["lv_cavity ED"] == 1.0


def test_of_a_refused_heart_nothing_is_measured_and_the_reference_stays() -> None:
    volumes = patient("a")
    _, (case,) = score_patients(volumes, Known(volumes, refuses=frozenset({("a", "ES")})))
    assert case.measured == case.half_widths == {}
    assert "lv_ef" in case.reference
    assert case.dice["lv_cavity ES"] == 0.0
