"""A data folder in which an older version worked, whose jobs did all analyses of a study in one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from dbos import DBOS, DBOSClient, EnqueueOptions, SetWorkflowID
from typer.testing import CliRunner

from cvai.analyses.former import FORMER_KINDS
from cvai.cli.main import app
from cvai.dicom.read.classes import MR_IMAGES, ULTRASOUND_IMAGES
from cvai.jobs.feeds import follow
from cvai.jobs.installed import former_job
from cvai.jobs.job import JobState, Outcome, StudyJob, jobs_digest
from cvai.jobs.jobs import (
    APPLICATION,
    QUEUE,
    WORKFLOW,
    WORKFLOW_VERSION,
    JobDatabase,
    JsonSerializer,
    _configuration,
)
from cvai.jobs.ledger import open_ledger
from cvai.jobs.reading import Reading
from cvai.jobs.shadow import ShadowJob
from cvai.review.database import Database
from cvai.review.decisions import Decisions, Drafts
from cvai.review.listing import Listing, Query, RowState
from cvai.review.server import DATABASE_NAME
from cvai.review.summary import StudyFolders
from cvai.review.worklist import Worklist
from tests.jobs.conftest import Bench
from tests.jobs.test_feeds import Told
from tests.jobs.test_several_analyses import naming
from tests.review.test_records import COMPARISON, READING
from tests.standin import derived_uid, installed, write_study

ANALYSED, WAITING = derived_uid("former analysed"), derived_uid("former waiting")
CINE = installed(naming("cine"), "a" * 64, FORMER_KINDS[0], sop_classes=MR_IMAGES, title="Cine")
LOOPS = installed(naming("loops"), "b" * 64, FORMER_KINDS[1], sop_classes=ULTRASOUND_IMAGES, title="Loops")
FORMER_SHA256 = jobs_digest(["a" * 64, "b" * 64])
RESULT = {
    "schema": "cvai.result/1",
    "view": "sax_cine",
    "status": "analysed",
    "model": {"name": "sax", "version": "0.3.0", "sha256": "a" * 64, "provider": "cpu"},
    "measurements": [],
    "frames": {"ed": 0, "es": 4},
    "passed_over": [],
    "findings": [],
}


class Former(Bench):
    """Both analyses as they were installed when the older version worked, and are now."""

    @property
    def analyses(self) -> tuple[object, ...]:  # type: ignore[override]
        return (CINE, LOOPS)

    def former(self, study_uid: str) -> StudyJob:
        return StudyJob(study_uid, self.folder_archive.content(study_uid).digest, FORMER_SHA256)

    def cine(self, study_uid: str) -> StudyJob:
        return CINE.job_for(study_uid, self.folder_archive.content(study_uid).digest)

    def follow(self, *study_uids: str) -> None:
        follow(Told(study_uids), self.folder_archive, self.engines[0].submit, self.analyses)  # type: ignore[arg-type]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Former]:
    """One study was analysed by the older version; another one waits."""
    made = Former(tmp_path)
    for uid in (ANALYSED, WAITING):
        made.receive(write_study(tmp_path / uid, uid))
    with older_version(made) as analyse:
        analyse(made.former(ANALYSED))
    client = DBOSClient(
        system_database_url=made.url, serializer=JsonSerializer(), application_name=APPLICATION
    )
    job = made.former(WAITING)
    options: EnqueueOptions = {
        "workflow_name": WORKFLOW,
        "queue_name": QUEUE,
        "workflow_id": job.job_id,
        "app_version": WORKFLOW_VERSION,
    }
    client.enqueue(options, job.study_uid, job.digest, job.model_sha256)
    client.destroy()
    yield made
    made.stop()


@contextmanager
def older_version(bench: Former) -> Iterator[Callable[[StudyJob], None]]:
    """What the older version leaves of a job that it has ended: a row of three arguments, and a result."""

    def study_job(study_uid: str, digest: str, model_sha256: str) -> dict[str, object]:
        job_id = f"{study_uid}-{digest[:12]}-{model_sha256[:12]}"
        path = bench.root / "results" / job_id / study_uid / "result.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(RESULT))
        outcome = {"state": "analysed", "code": "", "message": "", "hint": "", "objects": [], "images": ""}
        return {**outcome, "result": str(path.relative_to(bench.root / "results"))}

    dbos = DBOS(config=_configuration(JobDatabase(bench.url, "worker-1", 1)))
    workflow = DBOS.workflow(name=WORKFLOW)(study_job)
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=1, polling_interval_sec=0.1)

    def analyse(job: StudyJob) -> None:
        with SetWorkflowID(job.job_id):
            DBOS.enqueue_workflow(QUEUE, workflow, job.study_uid, job.digest, job.model_sha256).get_result()

    yield analyse
    del dbos
    DBOS.destroy(destroy_registry=True)


def page_below(bench: Former) -> Database:
    database = Database(bench.root / DATABASE_NAME)
    with database.transaction() as rows:
        rows.execute("INSERT OR IGNORE INTO readers VALUES ('hart', 'reviewer', 'A^B', 'x')")
    return database


def test_jobs_are_listed_and_shown_as_they_were(bench: Former, tmp_path: Path) -> None:
    config = tmp_path / "service.toml"
    config.write_text(f'data_folder = "{tmp_path}"\ndatabase_url = "{bench.url}"\n')
    told = CliRunner().invoke(app, ["jobs", "list", "--json", "--config", str(config)]).stdout
    assert {(job["study_uid"], job["kind"], job["state"]) for job in json.loads(told)} == {
        (ANALYSED, "", "analysed"),
        (WAITING, "", "queued"),
    }
    (shown,) = json.loads(
        CliRunner().invoke(app, ["jobs", "show", ANALYSED, "--json", "--config", str(config)]).stdout
    )
    assert shown["job"] == bench.former(ANALYSED).job_id
    assert Path(shown["result"]).is_file()


def test_decisions_and_drafts_stand_in_the_worklist(bench: Former) -> None:
    database = page_below(bench)
    decisions, drafts = Decisions(database), Drafts(database)
    reading = replace(READING, job=bench.former(ANALYSED))
    drafts.save(bench.former(ANALYSED).job_id, "hart", {"ed": 1})
    with open_ledger(bench.url) as ledger:
        worklist = Worklist(ledger, StudyFolders(bench.root / "results"), Listing(database))
        worklist.look()
        states = {row.study_uid: row.state for row in worklist.page(Query()).rows}
        assert states == {ANALYSED: RowState.DRAFT, WAITING: RowState.WAITING}
        decisions.add("hart", reading, COMPARISON, 0)
        (signed,) = worklist.page(Query("signed")).rows
        assert signed.state is RowState.CHANGED
        assert signed.view == "sax_cine"
        shown = worklist.study(bench.former(ANALYSED).job_id)
        assert shown.kind == ""
        assert worklist.others(shown) == []
    database.close()


def test_a_reading_of_a_former_job_keeps_its_name_and_its_json() -> None:
    """UIDs of signed objects are made of them; the digest was written down by the older version."""
    assert READING.to_json()["job"] == {
        "study_uid": "1.2.3",
        "digest": "ab" * 32,
        "model_sha256": "cd" * 32,
    }
    assert READING.digest[:12] == "99063a6ec33c"
    of_kind = replace(READING, job=replace(READING.job, kind="cine_sax"))
    assert Reading.from_json(of_kind.to_json()) == of_kind
    assert of_kind.reading_id.startswith(f"1.2.3-{'ab' * 6}-cine_sax-{'cd' * 6}-changed-")


def test_an_outcome_and_a_shadow_job_are_read_as_they_were_written() -> None:
    written = {
        "state": "refused",
        "code": "no_cine",
        "message": "none.",
        "hint": "",
        "result": "",
        "objects": [],
    }
    assert Outcome.from_json(written) == Outcome(JobState.REFUSED, "no_cine", "none.")
    job = {"study_uid": "1.2", "digest": "ab", "model_sha256": "cd"}
    shadow = {"job": job, "result": "x/result.json", "model_sha256": "ef"}
    assert ShadowJob.from_json(shadow).to_json() == shadow


def test_what_was_analysed_by_the_same_models_is_not_analysed_anew(bench: Former) -> None:
    bench.start()
    bench.follow(ANALYSED)
    with open_ledger(bench.url) as ledger:
        (record,) = ledger.of_study(ANALYSED)
    assert (record.job, record.outcome.state) == (bench.former(ANALYSED), JobState.ANALYSED)


def test_a_job_that_waited_is_followed_by_jobs_of_the_kinds_that_apply(bench: Former) -> None:
    bench.start()
    old = bench.ended(bench.former(WAITING)).outcome
    assert (old.state, old.code, old.successors) == (JobState.SUPERSEDED, "model_changed", (CINE.kind,))
    assert bench.ended(bench.cine(WAITING)).outcome.state is JobState.ANALYSED
    with open_ledger(bench.url) as ledger:
        assert [record.job for record in ledger.of_study(WAITING)] == [bench.cine(WAITING)]


def test_a_former_job_that_is_retried_gives_way_to_jobs_of_the_kinds_that_apply(bench: Former) -> None:
    with open_ledger(bench.url) as ledger:
        database = page_below(bench)
        worklist = Worklist(ledger, StudyFolders(bench.root / "results"), Listing(database))
        worklist.look()
        (retried,) = ledger.retry(ANALYSED)
        assert retried.outcome.state is JobState.QUEUED
        assert [row.state for row in worklist.page(Query()).rows] == [RowState.WAITING] * 2
        database.close()
        bench.start()
        outcome = bench.ended(bench.former(ANALYSED)).outcome
        assert (outcome.state, outcome.code) == (JobState.SUPERSEDED, "model_changed")
        assert bench.ended(bench.cine(ANALYSED)).outcome.state is JobState.ANALYSED
        (row,) = [r for r in worklist_of(ledger, bench) if r.study_uid == ANALYSED]
        assert row.kind == CINE.kind


def worklist_of(ledger: object, bench: Former) -> list[StudyJob]:
    database = page_below(bench)
    try:
        worklist = Worklist(ledger, StudyFolders(bench.root / "results"), Listing(database))  # type: ignore[arg-type]
        worklist.look()
        return [worklist.study(row.job_id).record.job for row in worklist.page(Query()).rows]
    finally:
        database.close()


@pytest.mark.slow
def test_another_model_of_an_analysis_makes_its_job_and_takes_the_place_of_the_former(
    bench: Former, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = replace(CINE, sha256="c" * 64)
    monkeypatch.setattr(Former, "analyses", property(lambda _: (newer, LOOPS)))
    bench.start()
    bench.follow(ANALYSED)
    job = newer.job_for(ANALYSED, bench.folder_archive.content(ANALYSED).digest)
    assert bench.ended(job).outcome.state is JobState.ANALYSED
    assert bench.ended(bench.former(ANALYSED)).outcome.state is JobState.SUPERSEDED
    with open_ledger(bench.url) as ledger:
        assert [row for row in worklist_of(ledger, bench) if row.study_uid == ANALYSED] == [job]


def test_the_former_digest_is_that_of_the_models_installed_then_in_their_order() -> None:
    job = LOOPS.job_for("1.2", "ab" * 32)
    newcomer = installed(kind="scar")
    former = former_job((newcomer, LOOPS, CINE), job)
    assert former == StudyJob("1.2", "ab" * 32, FORMER_SHA256)
    assert former_job((newcomer, CINE), CINE.job_for("1.2", "ab" * 32)) == StudyJob(
        "1.2", "ab" * 32, "a" * 64
    )
    assert former_job((newcomer, CINE), newcomer.job_for("1.2", "ab" * 32)) is None
