"""A series that a person chose is measured in a job of its own, which replaces the other one if it can."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cvai.domain.series_choice import SeriesChoice
from cvai.errors import StudyRefused
from cvai.jobs.job import JobState, StudyJob
from cvai.jobs.ledger import open_ledger
from cvai.pipeline import StudyOutcome
from tests.jobs.conftest import Bench
from tests.standin import analyse, derived_uid, write_study

GOOD, BAD = "1.2.3.7", "1.2.3.8"
ASKED: list[SeriesChoice] = []


def analyse_chosen(source: Path, out: Path, choice: SeriesChoice) -> tuple[StudyOutcome, ...]:
    """Refuses one of the two series."""
    ASKED.append(choice)
    if choice.series_uid == BAD:
        raise StudyRefused("chosen_series_no_stack", "The series is no stack.", "Choose another.")
    return analyse(source, out)


def choice_of(series_uid: str) -> SeriesChoice:
    return SeriesChoice(series_uid, "Hart^Ada", datetime(2026, 3, 1, 9, 30, tzinfo=UTC))


@pytest.fixture
def measured(bench: Bench, tmp_path: Path, request: pytest.FixtureRequest) -> StudyJob:
    """A study that was analysed without a choice."""
    study_uid = derived_uid(request.node.nodeid)
    bench.analyse_chosen = analyse_chosen
    bench.receive(write_study(tmp_path / "src", study_uid, 3))
    job = bench.job(study_uid)
    bench.start().submit(job)
    bench.ended(job)
    return job


def test_a_chosen_series_that_was_measured_supersedes_the_result_before(
    bench: Bench, measured: StudyJob
) -> None:
    with open_ledger(bench.url) as ledger:
        job = ledger.choose(measured, choice_of(GOOD))
        assert job.choice == choice_of(GOOD)
        assert bench.ended(job).outcome.state is JobState.ANALYSED
        assert ASKED[-1] == choice_of(GOOD)
        assert ledger.job(measured.job_id).outcome.state is JobState.SUPERSEDED
        assert [record.job for record in ledger.of_study(measured.study_uid)] == [job]


def test_a_chosen_series_that_was_refused_leaves_the_result_before(bench: Bench, measured: StudyJob) -> None:
    with open_ledger(bench.url) as ledger:
        job = ledger.choose(measured, choice_of(BAD))
        assert bench.ended(job).outcome.code == "chosen_series_no_stack"
        assert ledger.job(measured.job_id).outcome.state is JobState.ANALYSED
        assert [record.job for record in ledger.of_study(measured.study_uid)] == [measured]
        assert [record.job for record in ledger.choices(measured)] == [job]


def test_a_choice_comes_back_from_its_text_and_names_its_job() -> None:
    without = StudyJob("1.2", "ab" * 32, "cd" * 32, "cine_sax")
    first, second = (replace(without, chosen=choice_of(uid).to_text()) for uid in (GOOD, BAD))
    assert first.choice == choice_of(GOOD)
    assert StudyJob(*first.arguments) == first == StudyJob(**first.to_json())
    assert first.job_id != second.job_id


@pytest.mark.parametrize("wrong", [("", "Hart^Ada", UTC), ("1.2", " ", UTC), ("1.2", "Hart^Ada", None)])
def test_a_choice_names_a_series_a_person_and_a_moment(wrong: tuple[str, str, None]) -> None:
    series_uid, by, zone = wrong
    with pytest.raises(ValueError, match=r"person|zone"):
        SeriesChoice(series_uid, by, datetime(2026, 3, 1, tzinfo=zone))
