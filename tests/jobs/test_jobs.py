"""Jobs in one process: every end a job can come to, and what does not make another job."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from dbos import DBOS

from cvai.archive.folder.archive import FolderArchive
from cvai.errors import ArchiveRejected, ConfigurationInvalid, CvaiError, TemporarilyUnavailable
from cvai.jobs.job import UNLISTED, JobState
from cvai.jobs.jobs import LISTENER_POLL_S, QUEUE, JsonSerializer, RetryPolicy, retry_wait
from cvai.jobs.ledger import open_ledger
from cvai.jobs.steps import StudySteps
from cvai.pipeline import StudyOutcome
from tests.jobs.conftest import Bench
from tests.standin import (
    analyse,
    analyse_noting,
    derived_uid,
    installed,
    slots_below,
    write_image,
    write_segmentation,
    write_study,
)


@dataclass
class Unwell:
    """The embedded archive, failing to fetch as long as it has errors left."""

    real: FolderArchive
    errors: list[CvaiError] = field(default_factory=list)

    def fetch(self, study_uid: str, folder: Path) -> int:
        if self.errors:
            raise self.errors.pop()
        return self.real.fetch(study_uid, folder)

    def __getattr__(self, name: str) -> Callable[..., object]:
        return getattr(self.real, name)


def unavailable(retry_after_s: float = 0.0) -> TemporarilyUnavailable:
    return TemporarilyUnavailable(
        "archive_busy", "the archive answered 503.", "It is asked again.", retry_after_s
    )


@pytest.fixture
def study_uid(request: pytest.FixtureRequest) -> str:
    return derived_uid(request.node.nodeid)


def test_an_analysed_study_has_its_result_in_the_archive(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    bench.receive(write_study(tmp_path / "src", study_uid))
    job = bench.job(study_uid)
    assert bench.start().submit(job)
    record = bench.ended(job)
    assert record.outcome.state is JobState.ANALYSED
    (stored,) = record.outcome.objects
    assert stored.sop_instance_uid in bench.folder_archive.content(study_uid).sop_instance_uids
    assert (tmp_path / "results" / record.outcome.result).is_file()


def test_the_fetched_study_is_gone_when_the_job_has_ended(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    bench.receive(write_study(tmp_path / "src", study_uid))
    job = bench.job(study_uid)
    bench.start().submit(job)
    bench.ended(job)
    assert [p for p in (tmp_path / "work").rglob("*") if p.is_file()] == []


@pytest.mark.slow
def test_a_study_announced_twice_is_analysed_once(bench: Bench, study_uid: str, tmp_path: Path) -> None:
    bench.analyse = analyse_noting(tmp_path / "log")
    bench.receive(write_study(tmp_path / "src", study_uid))
    job = bench.job(study_uid)
    engine = bench.start()
    assert engine.submit(job)
    assert not engine.submit(job)
    bench.ended(job)
    assert not engine.submit(bench.job(study_uid)), "its own results made another job of it"
    assert (tmp_path / "log").read_text().splitlines() == [job.job_id]


def test_a_late_slice_makes_a_new_job_which_supersedes_the_old_one(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    bench.receive(write_study(tmp_path / "src", study_uid, 3))
    engine = bench.start()
    early = bench.job(study_uid)
    engine.submit(early)
    bench.ended(early)
    bench.receive([write_image(tmp_path / "late", study_uid, 4)])
    late = bench.job(study_uid)
    assert engine.submit(late)
    assert bench.ended(late).outcome.state is JobState.ANALYSED
    assert bench.ended(early).outcome.state is JobState.SUPERSEDED
    documents = [i for i in bench.folder_archive.content(study_uid).instances if not i.is_source]
    assert len(documents) == 2, "older results stay"


def test_a_study_that_changed_while_its_job_waited_is_left_to_the_newer_job(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    bench.receive(write_study(tmp_path / "src", study_uid, 3))
    early = bench.job(study_uid)
    bench.receive([write_image(tmp_path / "late", study_uid, 4)])
    bench.start().submit(early)
    outcome = bench.ended(early).outcome
    assert (outcome.state, outcome.code) == (JobState.SUPERSEDED, "study_changed")


def test_a_study_queued_unlisted_is_analysed_as_it_is_found(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    bench.receive(write_study(tmp_path / "src", study_uid))
    job = bench.analyses[0].job_for(study_uid, UNLISTED)
    bench.start().submit(job)
    assert bench.ended(job).outcome.state is JobState.ANALYSED


def test_a_job_queued_for_another_model_is_left_to_one_for_this_model(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    """A new release must not lose what was queued before it."""
    bench.receive(write_study(tmp_path / "src", study_uid))
    job = bench.job(study_uid)
    bench.model_sha256 = "f" * 64
    bench.start().submit(job)
    outcome = bench.ended(job).outcome
    assert (outcome.state, outcome.code) == (JobState.SUPERSEDED, "model_changed")
    assert bench.ended(bench.job(study_uid)).outcome.state is JobState.ANALYSED


def test_what_another_worker_fetched_or_made_is_fetched_and_made_again(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    bench.receive(write_study(tmp_path / "src", study_uid))
    job = bench.job(study_uid)
    here, there = (
        StudySteps(bench.folder_archive, (installed(),), at / "w", at / "r", slots_below(at))
        for at in (tmp_path / "here", tmp_path / "there")
    )
    here.fetch(job)
    analysed = there.run_analysis(job)
    assert analysed.state is JobState.ANALYSED
    assert here.store(job, analysed) == analysed
    (stored,) = analysed.objects
    assert stored.sop_instance_uid in bench.folder_archive.content(study_uid).sop_instance_uids


def test_a_study_that_changed_before_it_is_fetched_again_is_left_to_the_newer_job(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    bench.receive(write_study(tmp_path / "src", study_uid))
    job = bench.job(study_uid)
    bench.receive([write_image(tmp_path / "late", study_uid, 9)])
    slots = slots_below(tmp_path)
    steps = StudySteps(bench.folder_archive, (installed(),), tmp_path / "w", tmp_path / "r", slots)
    assert steps.run_analysis(job).code == "study_changed"


def test_a_refused_study_ends_its_job_with_code_and_hint_and_the_next_goes_on(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    bench.analyse = analyse_noting(tmp_path / "log")
    other_uid = derived_uid(study_uid, "other")
    bench.receive(write_study(tmp_path / "bad", study_uid, 1))
    bench.receive(write_study(tmp_path / "good", other_uid, 3))
    engine = bench.start()
    bad, good = bench.job(study_uid), bench.job(other_uid)
    engine.submit(bad)
    engine.submit(good)
    outcome = bench.ended(bad).outcome
    assert (outcome.state, outcome.code) == (JobState.REFUSED, "too_few_slices")
    assert outcome.hint
    assert bench.ended(good).outcome.state is JobState.ANALYSED
    assert (tmp_path / "log").read_text().count(bad.job_id) == 1, "a refusal is not retried"


def test_files_that_are_of_another_study_than_the_archive_says_are_refused(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    other_uid = derived_uid(study_uid, "other")
    bench.receive(write_study(tmp_path / "src", other_uid, 3))
    (bench.root / "archive" / other_uid).rename(bench.root / "archive" / study_uid)
    job = bench.job(study_uid)
    bench.start().submit(job)
    outcome = bench.ended(job).outcome
    assert (outcome.state, outcome.code) == (JobState.REFUSED, "study_differs")


def test_a_study_without_images_of_its_kind_ends_its_job_without_being_fetched(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    bench.receive([write_segmentation(tmp_path / "src", study_uid)])
    bench.archive = Unwell(bench.folder_archive, [ArchiveRejected("fetched", "it was fetched.")])
    job = bench.job(study_uid)
    bench.start().submit(job)
    outcome = bench.ended(job).outcome
    assert (outcome.state, outcome.code) == (JobState.NOTHING_TO_DO, "nothing_to_measure")


def test_an_archive_that_comes_back_in_time_costs_nothing_but_time(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    bench.receive(write_study(tmp_path / "src", study_uid))
    bench.archive = Unwell(bench.folder_archive, [unavailable(), unavailable()])
    job = bench.job(study_uid)
    bench.start().submit(job)
    assert bench.ended(job).outcome.state is JobState.ANALYSED


@pytest.mark.slow
def test_an_archive_that_stays_away_makes_a_dead_letter_which_retry_takes_up(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    bench.receive(write_study(tmp_path / "src", study_uid))
    bench.archive = Unwell(bench.folder_archive, [unavailable() for _ in range(bench.attempts)])
    job = bench.job(study_uid)
    bench.start().submit(job)
    outcome = bench.ended(job).outcome
    assert (outcome.state, outcome.code) == (JobState.DEAD_LETTER, "archive_busy")
    with open_ledger(bench.url) as ledger:
        ledger.retry(job.job_id)
    again = bench.ended(job, lambda record: record.outcome.state is not JobState.DEAD_LETTER)
    assert again.outcome.state is JobState.ANALYSED


def test_waits_double_and_are_as_long_as_the_archive_asks_within_the_longest() -> None:
    waits = retry_wait(RetryPolicy(attempts=9, first_wait_s=1, longest_wait_s=60))
    told = [waits(unavailable(asked_s)) for asked_s in (0, 1, 30, 30, 30, 30, 3600)]
    assert told == [True, True, 30, 30, 30, True, True], "True for its own: 1, 2, 4, 8, 16, 32, 60"
    assert waits(ArchiveRejected("archive_denied", "no.")) is False


def test_an_archive_that_asks_for_time_gets_it(bench: Bench, study_uid: str, tmp_path: Path) -> None:
    """The waits of the bench's policy end at 0.02 s, and so does what is asked for."""
    bench.receive(write_study(tmp_path / "src", study_uid))
    bench.archive = Unwell(bench.folder_archive, [unavailable(3600), unavailable(3600)])
    job = bench.job(study_uid)
    bench.start().submit(job)
    assert bench.ended(job).outcome.state is JobState.ANALYSED


def test_a_final_no_of_the_archive_fails_the_job_at_once(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    bench.receive(write_study(tmp_path / "src", study_uid))
    rejected = ArchiveRejected("archive_denied", "the archive answered 403.", "Check the user.")
    bench.archive = Unwell(bench.folder_archive, [rejected])
    job = bench.job(study_uid)
    bench.start().submit(job)
    outcome = bench.ended(job).outcome
    assert (outcome.state, outcome.code) == (JobState.FAILED, "archive_denied")


def test_a_defect_of_the_program_fails_its_job_alone_and_quotes_nothing(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    other_uid = derived_uid(study_uid, "other")

    def breaking(source: Path, out: Path) -> tuple[object, ...]:
        if study_uid in out.name:
            raise LookupError("PatientName is Stand^In")
        return analyse(source, out)

    bench.analyse = breaking
    bench.receive(write_study(tmp_path / "a", study_uid))
    bench.receive(write_study(tmp_path / "b", other_uid))
    engine = bench.start()
    broken, good = bench.job(study_uid), bench.job(other_uid)
    engine.submit(broken)
    engine.submit(good)
    outcome = bench.ended(broken).outcome
    assert (outcome.state, outcome.code) == (JobState.FAILED, "internal_error")
    assert bench.ended(good).outcome.state is JobState.ANALYSED
    bench.stop()
    assert b"Stand^In" not in (tmp_path / "jobs.sqlite").read_bytes()


@pytest.mark.parametrize("grace_s", [0, 30])
def test_nothing_sleeps_long_when_an_engine_without_running_jobs_is_stopped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, grace_s: float
) -> None:
    slept_s: list[float] = []
    sleep = time.sleep

    def noted(seconds: float) -> None:
        slept_s.append(seconds)
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", noted)
    bench.start()
    bench.stop(grace_s)
    assert max(slept_s) <= LISTENER_POLL_S


def test_a_running_job_ends_within_the_grace_of_a_stop(bench: Bench, study_uid: str, tmp_path: Path) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def waiting(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
        begun.set()
        assert may_end.wait(timeout=30)
        return analyse(source, out)

    bench.analyse = waiting
    bench.receive(write_study(tmp_path / "src", study_uid))
    job = bench.job(study_uid)
    bench.start().submit(job)
    assert begun.wait(timeout=30)
    threading.Timer(0.2, may_end.set).start()
    bench.stop(grace_s=30)
    assert bench.ended(job).outcome.state is JobState.ANALYSED, "no engine runs any more"


def test_what_was_queued_when_the_service_stopped_is_done_at_the_next_start(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    jobs = []
    for number in range(3):
        uid = derived_uid(study_uid, str(number))
        bench.receive(write_study(tmp_path / str(number), uid))
        jobs.append(bench.job(uid))
    engine = bench.start()
    for job in jobs:
        engine.submit(job)
    bench.stop(grace_s=5)
    bench.start()
    assert {bench.ended(job).outcome.state for job in jobs} == {JobState.ANALYSED}


def test_the_ledger_finds_a_job_by_its_study_and_filters_by_state(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    bench.receive(write_study(tmp_path / "src", study_uid))
    job = bench.job(study_uid)
    bench.start().submit(job)
    bench.ended(job)
    with open_ledger(bench.url) as ledger:
        assert [record.job for record in ledger.named(study_uid)] == [job]
        assert [record.job for record in ledger.named(job.job_id)] == [job]
        assert len(ledger.jobs(JobState.ANALYSED)) == 1
        assert ledger.jobs(JobState.REFUSED) == ()
        with pytest.raises(ConfigurationInvalid, match="there is no job"):
            ledger.named("1.2.3")


@pytest.mark.slow
def test_a_ledger_of_several_pages_is_read_to_its_end(
    bench: Bench, study_uid: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cvai.jobs.ledger.PAGE", 2)
    uids = [derived_uid(study_uid, str(number)) for number in range(5)]
    engine = bench.start()
    for uid in uids:
        bench.receive(write_study(tmp_path / uid, uid))
        engine.submit(bench.job(uid))
        bench.ended(bench.job(uid))
    with open_ledger(bench.url) as ledger:
        assert sorted(record.job.study_uid for record in ledger.jobs()) == sorted(uids)
        assert len(ledger.jobs(limit=3)) == 3


def test_a_ledger_is_not_made_by_looking_for_it(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationInvalid, match="no database of jobs yet"),
        open_ledger(f"sqlite:///{tmp_path / 'jobs.sqlite'}"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_exception_is_kept_by_its_class_alone() -> None:
    kept = JsonSerializer().serialize(ValueError("PatientName is Stand^In"))
    assert json.loads(kept) == {"raised": "ValueError"}
    assert isinstance(JsonSerializer().deserialize(kept), RuntimeError)


@pytest.mark.parametrize(("alone", "in_force"), [(True, 3), (False, 1)])
def test_the_queues_number_is_set_by_who_is_alone_and_kept_beside_others(
    bench: Bench, tmp_path: Path, alone: bool, in_force: int
) -> None:
    bench.start()
    bench.stop()
    bench.jobs_at_once = 3
    bench.start(alone)
    queue = DBOS.retrieve_queue(QUEUE)
    assert queue is not None
    assert queue.worker_concurrency == in_force
