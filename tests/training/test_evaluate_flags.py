from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

from cvai.training.datasets.data import LabelledVolume
from cvai.training.tasks.sax.evaluation.cells import flags_grid
from cvai.training.tasks.sax.evaluation.flags import FlaggedPatient, Flags, findings_of, flags, score_patients
from cvai.training.tasks.sax.evaluation.record import record
from cvai.training.tasks.sax.evaluation.scores import segmented
from cvai.training.tasks.sax.evaluation.summary import summed_up
from tests.training.known import IDENTITY, Known, drawn_heart, without_rows


def patient(name: str) -> list[LabelledVolume]:
    """A drawn heart in both phases, one pixel further down in the second."""
    return [
        drawn_heart(patient=name, phase=phase, shape=(8, 90, 100), centre=(row, 55.0))
        for phase, row in (("ED", 40.0), ("ES", 41.0))
    ]


def test_errors_and_findings_are_counted_by_what_they_mean() -> None:
    told = Flags(
        (
            FlaggedPatient("a", 13.0, ("ragged_contour",)),
            FlaggedPatient("b", -12.5, ()),
            FlaggedPatient("c", 12.0, ("second_heart",)),
            FlaggedPatient("d", 0.0, ()),
            FlaggedPatient("e", None, ("heart_not_found",)),
        )
    )
    assert [p.patient for p in told.gross] == ["a", "b"]
    assert [p.patient for p in told.missed] == ["b"]
    assert [p.patient for p in told.false_alarms] == ["c"]
    assert told.n_sound == 2
    grid = flags_grid(told)
    assert [row[:3] for row in grid.rows] == [
        ("a", "+13.0", "yes"),
        ("b", "-12.5", "NO"),
        ("c", "+12.0", "yes"),
        ("e", "–", "yes"),
    ]
    assert "2 patients, 1 of them flagged. Of the other 2, 1 carry" in grid.note


def test_a_refused_phase_is_told_by_its_code() -> None:
    volumes = patient("a")
    known = Known(volumes, refuses=frozenset({("a", "ES")}))
    assert findings_of([segmented(v, known) for v in volumes]) == ("heart_not_found",)


def test_findings_are_those_of_the_models_labels_not_of_the_reference() -> None:
    volumes = [*patient("a"), *patient("b")]
    scores, whole, _ = score_patients(volumes, Known(volumes))
    assert [(s.patient, s.phase) for s in scores] == [("a", "ED"), ("a", "ES"), ("b", "ED"), ("b", "ES")]
    _, frayed, _ = score_patients(volumes, Known(volumes, change=without_rows(7)))
    assert set(whole) == set(frayed) == {"a", "b"}
    assert whole["a"] == whole["b"]
    assert set(frayed["a"]) - set(whole["a"]), "half a cavity is neither round nor in a ring"


def test_of_phases_on_different_grids_nothing_is_said() -> None:
    volumes = [patient("a")[0], drawn_heart(patient="a", phase="ES", shape=(8, 90, 101))]
    _, findings, _ = score_patients(volumes, Known(volumes))
    assert findings == {"a": ()}


def test_the_record_says_who_was_flagged_and_nothing_where_nobody_looked() -> None:
    volumes = patient("a")
    scores, findings, _ = score_patients(volumes, Known(volumes))
    told = record(summed_up(scores, IDENTITY, "split.toml", findings=findings))["flags"]
    assert told["patients"] == [
        {"patient": "a", "lv_ef_error": 0.0, "findings": findings["a"], "flagged": bool(findings["a"])}
    ]
    assert (told["gross"], told["sound"]) == (0, 1)
    assert record(summed_up(scores, IDENTITY, "split.toml"))["flags"] is None
    assert flags(scores, findings).missed == ()
