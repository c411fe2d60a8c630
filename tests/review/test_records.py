"""Readings, decisions, drafts and the numbers made of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cvai.domain.cine import CineStack
from cvai.domain.geometry import StackGeometry
from cvai.domain.phases import KeyPhases
from cvai.domain.runs import decoded_runs, encoded_runs
from cvai.domain.segmentation import ModelIdentity
from cvai.domain.series_choice import SeriesChoice
from cvai.errors import Outdated
from cvai.jobs.job import StudyJob
from cvai.jobs.reading import FrameEdit, Reading, Signer, Verdict
from cvai.jobs.shadow import ShadowRecord, Value
from cvai.review.agreement import against_readers, agreement
from cvai.review.database import Database
from cvai.review.decisions import Decision, Decisions, Drafts
from cvai.review.viewers.packed import StoredScale

READING = Reading(
    job=StudyJob("1.2.3", "ab" * 32, "cd" * 32),
    model=ModelIdentity("sax", "0.1.0", "cd" * 32, "CPUExecutionProvider"),
    segmentation_uid="1.2.3.4",
    replaces=("1.2.3.4", "1.2.3.5"),
    verdict=Verdict.CHANGED,
    signer=Signer("Hart^Ada", "St Elsewhere"),
    signed_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    phases=KeyPhases(0, 9),
    edits=(FrameEdit(0, 3, (10, 0, 5, 1)),),
)
COMPARISON = {"model": "sax 0.1.0", "scanner": "", "findings": [], "measured": {"lv_ef": [50.0, 54.0]}}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "review.sqlite")
    with made.transaction() as rows:
        for name in ("hart", "lung"):
            rows.execute("INSERT INTO readers VALUES (?, 'reviewer', 'A^B', ?)", (name, name))
    yield made
    made.close()


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=3), elements=st.integers(0, 3)))
def test_labels_come_back_from_their_run_lengths(labels: np.ndarray) -> None:
    assert np.array_equal(decoded_runs(encoded_runs(labels), labels.shape), labels)


@pytest.mark.parametrize("runs", [[5, 0], [7, 0], [6], [6, 256], [0, 1, 6, 0], [-1, 0, 7, 0]])
def test_runs_that_do_not_fill_the_frame_are_refused(runs: list[int]) -> None:
    with pytest.raises(ValueError, match=r"runs|labels"):
        decoded_runs(runs, (2, 3))


def test_a_reading_comes_back_from_its_json_and_names_itself_by_all_it_says() -> None:
    assert Reading.from_json(READING.to_json()) == READING
    beats = {"a4c": (KeyPhases(0, 9), KeyPhases(20, 28)), "a2c": (KeyPhases(1, 8),)}
    of_loops = replace(
        READING,
        edits=(FrameEdit(0, 0, (10, 0, 5, 1), "a2c"),),
        beats=beats,
        segmentations={"seg_a4c": "1.2.3.4", "seg_a2c": "1.2.3.6"},
        factors={"lv_esv": 0.98},
    )
    assert Reading.from_json(json.loads(json.dumps(of_loops.to_json()))) == of_loops
    assert READING.to_json().keys().isdisjoint({"beats", "segmentations", "factors", "images", "chosen"})
    carried = replace(READING, edits=(FrameEdit(1, 3, (10, 0, 5, 1), carried_from=(0, 3)),))
    assert Reading.from_json(json.loads(json.dumps(carried.to_json()))) == carried
    graded = replace(READING, edits=(), chosen={"lv_wall_motion_mid_anterior": 3.0})
    assert Reading.from_json(json.loads(json.dumps(graded.to_json()))) == graded
    with pytest.raises(ValueError, match="has no edits"):
        replace(graded, verdict=Verdict.ACCEPTED)
    with pytest.raises(ValueError, match="has no edits"):
        replace(READING, verdict=Verdict.REJECTED, reason="motion")
    choice = SeriesChoice("", "Hart^Ada", READING.signed_at, by_hand="heart_lost")
    job = StudyJob("1.2.3", "ab" * 32, "cd" * 32, "cine_sax", choice.to_text())
    by_hand = replace(READING, job=job, verdict=Verdict.REJECTED, reason="motion")
    assert Reading.from_json(json.loads(json.dumps(by_hand.to_json()))) == by_hand
    assert READING.to_json()["edits"] == [{"t": 0, "z": 3, "runs": (10, 0, 5, 1)}]
    other = replace(READING, phases=KeyPhases(0, 10))
    assert other.reading_id != READING.reading_id


def test_a_reading_of_a_model_without_a_convention_keeps_the_digest_of_older_versions() -> None:
    assert "convention" not in READING.to_json()["model"]
    stated = replace(READING, model=replace(READING.model, convention="as here"))
    assert Reading.from_json(stated.to_json()) == stated


@pytest.mark.parametrize(
    "wrong",
    [
        {"verdict": Verdict.REJECTED, "edits": ()},
        {"verdict": Verdict.ACCEPTED},
        {"signed_at": datetime(2026, 3, 1)},
    ],
    ids=["rejected without a reason", "accepted with edits", "no time zone"],
)
def test_a_reading_that_contradicts_itself_is_none(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"reason|edits|zone"):
        replace(READING, **wrong)


def test_the_first_to_decide_decides_and_the_other_is_told(database: Database) -> None:
    decisions = Decisions(database)
    first = decisions.add("hart", READING, COMPARISON, after=0)
    with pytest.raises(Outdated, match="Ada Hart has decided"):
        decisions.add("lung", READING, COMPARISON, after=0)
    second = decisions.add("lung", READING, COMPARISON, after=first.number)
    assert [d.number for d in decisions.of_job(READING.job.job_id)] == [first.number, second.number]


def test_a_decision_waits_in_line_until_a_worker_knows_of_it(database: Database) -> None:
    decisions = Decisions(database)
    made = decisions.add("hart", READING, COMPARISON, after=0)
    assert [d.reading for d in decisions.not_queued()] == [READING]
    decisions.mark_queued(made)
    assert decisions.not_queued() == ()


def test_drafts_of_two_readers_stand_side_by_side_and_signing_clears_ones_own(database: Database) -> None:
    drafts, job_id = Drafts(database), READING.job.job_id
    drafts.save(job_id, "hart", {"ed": 0})
    drafts.save(job_id, "lung", {"ed": 1})
    drafts.save(job_id, "hart", {"ed": 2})
    assert [(d.reader, d.body) for d in drafts.of_job(job_id)] == [("hart", {"ed": 2}), ("lung", {"ed": 1})]
    Decisions(database).add("hart", READING, COMPARISON, after=0)
    assert [d.reader for d in drafts.of_job(job_id)] == ["lung"]


def decision(number: int, model: float, signed: float, name: str = "sax 0.1.0") -> Decision:
    job = replace(READING.job, study_uid=f"1.2.{number}")
    verdict, edits = (Verdict.ACCEPTED, ()) if model == signed else (Verdict.CHANGED, READING.edits)
    reading = replace(READING, job=job, verdict=verdict, edits=edits)
    measured = {"lv_ef": [model, signed]}
    return Decision(number, "hart", reading, {**COMPARISON, "model": name, "measured": measured})


def test_agreement_gives_bias_and_limits_by_model() -> None:
    made = [decision(1, 50, 50), decision(2, 54, 50), decision(3, 48, 50), decision(4, 60, 50, "sax 0.2.0")]
    found = agreement(made, "lv_ef")
    assert found.everything.bias == pytest.approx(3.0)
    assert found.everything.verdicts == Counter({Verdict.CHANGED: 3, Verdict.ACCEPTED: 1})
    old, new = found.by_model
    assert (old.name, old.total, new.name, new.total) == ("sax 0.1.0", 3, "sax 0.2.0", 1)
    spread = 1.96 * np.std([0, 4, -2], ddof=1)
    assert old.limits == pytest.approx((2 / 3 - spread, 2 / 3 + spread))
    assert new.limits is None
    assert [group.name for group in found.by_finding] == ["no finding"]


def test_of_several_decisions_on_one_analysis_the_last_counts() -> None:
    revised = replace(decision(1, 50, 58), number=9)
    assert agreement([decision(1, 50, 50), revised], "lv_ef").everything.bias == pytest.approx(-8.0)


def test_a_model_in_shadow_stands_beside_the_one_readers_saw_on_the_same_studies() -> None:
    made = [decision(1, 50, 52), decision(2, 54, 52), decision(3, 60, 61)]
    records = [shadow_record(made[0], 53), shadow_record(made[1], 52), shadow_record(made[2], None)]
    seen, shadow = against_readers([*records, replace(records[0], job_id="unsigned")], made, "lv_ef")
    assert (seen.name, shadow.name) == ("sax 0.1.0, as seen", "sax 0.2.0, in shadow")
    assert (seen.total, shadow.total) == (2, 2), "studies that one has not measured count for neither"
    assert [pair.difference for pair in seen.pairs] == [-2, 2]
    assert [pair.difference for pair in shadow.pairs] == [1, 0]


def shadow_record(of: Decision, lv_ef: float | None) -> ShadowRecord:
    job = of.reading.job
    values = (Value("lv_ef", "%", 50.0, lv_ef),)
    return ShadowRecord(job.job_id, job.study_uid, "sax 0.2.0", "sax 0.1.0", values)


def test_scanners_and_findings_are_told_apart() -> None:
    made = [
        replace(d, comparison={**d.comparison, "scanner": scanner, "findings": findings})
        for d, scanner, findings in (
            (decision(1, 50, 52), "Aera", ["base_not_covered", "rough_contour"]),
            (decision(2, 50, 50), "", []),
            (decision(3, 50, 58), "Aera", ["base_not_covered"]),
        )
    ]
    found = agreement(made, "lv_ef")
    assert {g.name: (g.total, g.bias) for g in found.by_scanner} == {
        "Aera": (2, -5.0),
        "not stated": (1, 0.0),
    }
    assert {g.name: (g.total, g.bias) for g in found.by_finding} == {
        "base_not_covered": (2, -5.0),
        "no finding": (1, 0.0),
        "rough_contour": (1, -2.0),
    }


def test_a_rejection_is_counted_and_has_no_pair() -> None:
    made = decision(1, 50, 50)
    rejected = replace(
        made,
        reading=replace(made.reading, verdict=Verdict.REJECTED, reason="motion"),
        comparison={**made.comparison, "measured": {}},
    )
    found = agreement([rejected], "lv_ef").everything
    assert (found.verdicts, found.pairs, found.bias) == (Counter({Verdict.REJECTED: 1}), (), None)


@pytest.mark.parametrize("low", [0.0, -300.0, 0.25])
def test_pixels_come_back_from_what_is_stored(low: float) -> None:
    rng = np.random.default_rng(1)
    pixels = (low + rng.integers(0, 4000, (2, 2, 3, 4))).astype(np.float32)
    stack = CineStack(pixels, StackGeometry.unplaced(2, (8.0, 1.5, 1.5)), None, None)
    scale = StoredScale.of(stack.pixels)
    stored = scale.stored(pixels)
    back = stored * scale.slope + scale.intercept
    assert stored.dtype == np.uint16
    assert np.abs(back - pixels).max() <= (0 if low == 0 else 0.04)
