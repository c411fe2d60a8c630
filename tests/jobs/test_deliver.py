"""Results handed on after they are stored; a dead letter keeps them until that works."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cvai.audit.messages import AuditedObject
from cvai.errors import ArchiveRejected, CvaiError, TemporarilyUnavailable
from cvai.jobs.deliver import Deliveries
from cvai.jobs.job import JobState, Outcome
from cvai.jobs.ledger import open_ledger
from tests.jobs.conftest import Bench
from tests.standin import analyse, analyse_noting, derived_uid, write_study


@dataclass
class Elsewhere:
    """A destination that fails as long as it has errors left."""

    errors: list[CvaiError] = field(default_factory=list)
    got: list[str] = field(default_factory=list)

    def deliver(self, paths: Sequence[Path]) -> None:
        if self.errors:
            raise self.errors.pop()
        self.got += [path.name for path in paths]


def unavailable() -> TemporarilyUnavailable:
    return TemporarilyUnavailable("peer_unreachable", "PACS cannot be called.", "Check that it runs.")


def rejected() -> ArchiveRejected:
    return ArchiveRejected("fhir_denied", "the FHIR server answered 401.", "Check the token.")


def analyse_and_report(source: Path, out: Path) -> tuple[object, ...]:
    outcomes = analyse(source, out)
    (outcomes[0].folder / "fhir.json").write_text("{}")
    return outcomes


@pytest.fixture
def study_uid(request: pytest.FixtureRequest) -> str:
    return derived_uid(request.node.nodeid)


def delivering(bench: Bench, peer: Elsewhere, record: Elsewhere) -> Bench:
    bench.analyse = analyse_and_report
    bench.deliveries = Deliveries(bench.root / "results", peer, record)
    return bench


def test_stored_results_are_handed_on(bench: Bench, study_uid: str, tmp_path: Path) -> None:
    peer, record = Elsewhere([unavailable()]), Elsewhere([unavailable()])
    delivering(bench, peer, record).receive(write_study(tmp_path / "src", study_uid))
    job = bench.job(study_uid)
    bench.start().submit(job)
    assert bench.ended(job).outcome.state is JobState.ANALYSED
    assert (peer.got, record.got) == (["report.dcm"], ["fhir.json"])


@pytest.mark.slow
@pytest.mark.parametrize("whose", ["peer", "record"])
def test_a_destination_that_stays_away_makes_a_dead_letter_that_keeps_its_results(
    bench: Bench, study_uid: str, tmp_path: Path, whose: str
) -> None:
    away = Elsewhere([unavailable() for _ in range(bench.attempts)])
    peer, record = (away, Elsewhere()) if whose == "peer" else (Elsewhere(), away)
    delivering(bench, peer, record).receive(write_study(tmp_path / "src", study_uid))
    job = bench.job(study_uid)
    bench.start().submit(job)
    outcome = bench.ended(job).outcome
    assert (outcome.state, outcome.code) == (JobState.DEAD_LETTER, "peer_unreachable")
    assert (tmp_path / "results" / outcome.result).is_file()
    assert outcome.objects[0].sop_instance_uid in bench.folder_archive.content(study_uid).sop_instance_uids
    before = bench.folder_archive.content(study_uid)

    with open_ledger(bench.url) as ledger:
        assert [retried.job for retried in ledger.retry_all("peer_unreachable")] == [job]
    again = bench.ended(job, lambda record: record.outcome.state is not JobState.DEAD_LETTER)
    assert again.outcome.state is JobState.ANALYSED
    assert (set(peer.got), record.got) == ({"report.dcm"}, ["fhir.json"])
    assert bench.folder_archive.content(study_uid) == before, "nothing is stored twice"


def test_a_final_no_fails_the_job_at_once_and_is_not_tried_again(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    record = Elsewhere([rejected(), rejected()])
    delivering(bench, Elsewhere(), record).receive(write_study(tmp_path / "src", study_uid))
    job = bench.job(study_uid)
    bench.start().submit(job)
    outcome = bench.ended(job).outcome
    assert (outcome.state, outcome.code) == (JobState.FAILED, "fhir_denied")
    assert len(record.errors) == 1


def test_what_is_handed_on_is_recorded_once_it_has_arrived(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    exported: list[tuple[str, int, str]] = []
    full = [TemporarilyUnavailable("audit_unavailable", "the audit trail cannot be written: full.")]

    def record(study_uid: str, objects: tuple[AuditedObject, ...], to: str) -> None:
        if full:
            raise full.pop()
        exported.append((study_uid, len(objects), to))

    delivering(bench, Elsewhere([unavailable()]), Elsewhere()).receive(
        write_study(tmp_path / "src", study_uid)
    )
    bench.deliveries = bench.deliveries.recorded(record)
    job = bench.job(study_uid)
    bench.start().submit(job)
    assert bench.ended(job).outcome.state is JobState.ANALYSED
    assert exported == [(study_uid, 1, "send"), (study_uid, 0, "fhir")]


def test_a_refused_study_is_handed_on_to_nobody(bench: Bench, study_uid: str, tmp_path: Path) -> None:
    peer, record = Elsewhere(), Elsewhere()
    delivering(bench, peer, record).receive(write_study(tmp_path / "src", study_uid, 1))
    job = bench.job(study_uid)
    bench.start().submit(job)
    assert bench.ended(job).outcome.state is JobState.REFUSED
    assert (peer.got, record.got) == ([], [])


def test_results_that_lie_on_another_workers_disk_are_made_again_to_be_handed_on(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    """As after a death between storing and sending, where each worker has a disk of its own."""

    class OnAnotherDisk(Elsewhere):
        def deliver(self, paths: Sequence[Path]) -> None:
            if self.errors:
                shutil.rmtree(bench.root / "results")
            super().deliver(paths)

    peer = OnAnotherDisk([unavailable()])
    delivering(bench, peer, Elsewhere()).receive(write_study(tmp_path / "src", study_uid))
    job = bench.job(study_uid)
    bench.start().submit(job)
    outcome = bench.ended(job).outcome
    assert outcome.state is JobState.ANALYSED
    assert peer.got == ["report.dcm"]
    assert (bench.root / "results" / outcome.objects[0].path).exists()


def test_results_on_the_disk_of_a_dead_worker_are_a_dead_letter(tmp_path: Path) -> None:
    deliveries = Deliveries(tmp_path, Elsewhere(), Elsewhere())
    gone = Outcome(JobState.ANALYSED, result="job/study/result.json")
    assert deliveries.send_report(gone).code == "results_not_here"


def test_an_analysis_without_a_report_for_the_record_is_complete(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    record = Elsewhere()
    delivering(bench, Elsewhere(), record).analyse = analyse_noting(tmp_path / "log")
    bench.receive(write_study(tmp_path / "src", study_uid))
    job = bench.job(study_uid)
    bench.start().submit(job)
    assert bench.ended(job).outcome.state is JobState.ANALYSED
    assert record.got == []
