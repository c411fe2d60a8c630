"""The stop switch: results of a stopped analysis are kept and go nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from cvai.cli.main import app
from cvai.dicom.read.patient import Patient
from cvai.dicom.write.result_json import (
    Status,
    StudyStatement,
    analysed_record,
    result_schema,
    study_record,
)
from cvai.errors import ConfigurationInvalid
from cvai.jobs.deliver import Deliveries
from cvai.jobs.job import JobState, Outcome, StudyJob
from cvai.jobs.ledger import JobRecord, open_ledger
from cvai.jobs.result_file import withhold
from cvai.jobs.stops import Stop, Stops
from cvai.review.summary import StudyFolders, read_summary
from tests.dicom.write.synthetic import make_analysis
from tests.dicom.write.test_record import OBJECT
from tests.jobs.conftest import Bench
from tests.jobs.test_deliver import Elsewhere, analyse_and_report
from tests.process import closing_database
from tests.standin import KIND, derived_uid, installed, write_study

STOP = Stop("bias after an upgrade", "chief", datetime(2026, 3, 1, 9, 30, tzinfo=UTC))
CINE = "cine_sax"


@pytest.fixture
def stops(bench: Bench) -> Iterator[Stops]:
    with closing_database(bench.url) as database:
        yield Stops(database)


@pytest.fixture
def study_uid(request: pytest.FixtureRequest, bench: Bench, stops: Stops, tmp_path: Path) -> str:
    """A study in the archive of a service with a destination beside it, whose stops are in its database."""
    uid = derived_uid(request.node.nodeid)
    bench.receive(write_study(tmp_path / "src", uid))
    bench.analyse = analyse_and_report
    bench.beside = (installed(analyse_and_report, kind=CINE),)
    bench.deliveries = Deliveries(bench.root / "results", Elsewhere(), Elsewhere())
    bench.stop_of = stops.of
    return uid


def ended(bench: Bench, job: StudyJob, state: JobState) -> JobRecord:
    return bench.ended(job, lambda record: record.outcome.state is state)


def sent(bench: Bench) -> list[str]:
    """What any destination got."""
    found: list[Sequence[str]] = [getattr(bench.deliveries, to).got for to in ("objects_to", "report_to")]
    return [name for names in found for name in names]


def config_of(bench: Bench) -> Path:
    path = bench.root / "service.toml"
    path.write_text(f'data_folder = "{bench.root}"\n')
    return path


def command(bench: Bench, *arguments: str) -> str:
    ended = CliRunner().invoke(app, ["models", *arguments, "--config", str(config_of(bench))])
    assert ended.exit_code == 0, ended.output
    return ended.output


@pytest.mark.slow
def test_results_of_a_stopped_analysis_are_recorded_and_neither_stored_nor_sent(
    bench: Bench, stops: Stops, study_uid: str, tmp_path: Path
) -> None:
    stops.stop(CINE, STOP)
    before = bench.folder_archive.content(study_uid)
    engine, job, other = bench.start(), bench.job(study_uid, CINE), bench.job(study_uid)
    engine.submit(job)
    record = ended(bench, job, JobState.WITHHELD)
    assert record.outcome.code == "analysis_stopped"
    assert "2026-03-01 (bias after an upgrade)" in record.outcome.message
    assert bench.folder_archive.content(study_uid) == before
    assert sent(bench) == []
    assert all((tmp_path / "results" / o.path).is_file() for o in record.outcome.objects)
    engine.submit(other)
    assert ended(bench, other, JobState.ANALYSED)
    assert len(sent(bench)) == 2, "another analysis goes on"


@pytest.mark.slow
def test_a_stop_between_archive_and_other_destinations_keeps_results_from_these(
    bench: Bench, stops: Stops, study_uid: str
) -> None:
    peer = bench.deliveries.objects_to
    assert isinstance(peer, Elsewhere)

    def stopping(paths: Sequence[Path]) -> None:
        peer.got += [path.name for path in paths]
        stops.stop(CINE, STOP)

    peer.deliver = stopping  # type: ignore[method-assign]
    job = bench.job(study_uid, CINE)
    bench.start().submit(job)
    record = ended(bench, job, JobState.WITHHELD)
    assert sent(bench) == ["report.dcm"], "the FHIR report is withheld"
    stored = {o.sop_instance_uid for o in record.outcome.objects}
    assert stored <= bench.folder_archive.content(study_uid).sop_instance_uids


@pytest.mark.slow
def test_commands_stop_and_resume_an_analysis_and_release_what_was_withheld(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    job = bench.job(study_uid, CINE)
    engine = bench.start()
    assert "is stopped" in command(bench, "stop", "sax", "--reason", "bias after an upgrade")
    engine.submit(job)
    ended(bench, job, JobState.WITHHELD)
    with pytest.raises(ConfigurationInvalid, match="echo_apical is not stopped"):
        CliRunner().invoke(
            app,
            ["models", "resume", "echo", "--reason", "none", "--config", str(config_of(bench))],
            catch_exceptions=False,
        )
    said = command(bench, "resume", CINE, "--reason", "new model", "--release")
    assert "Studies that were withheld: 1, queued again" in said
    ended(bench, job, JobState.ANALYSED)
    assert sent(bench) == ["report.dcm", "fhir.json"]
    audit = (tmp_path / "audit.log").read_text()
    assert "cine_sax: bias after an upgrade" in audit
    assert "cine_sax: new model; withheld results are released" in audit


@pytest.mark.slow
def test_without_release_what_was_withheld_stays_so(bench: Bench, stops: Stops, study_uid: str) -> None:
    stops.stop(CINE, STOP)
    job = bench.job(study_uid, CINE)
    bench.start().submit(job)
    ended(bench, job, JobState.WITHHELD)
    said = command(bench, "resume", CINE, "--reason", "new model")
    assert "Studies that were withheld: 1, left" in said
    assert stops.all() == {}
    with open_ledger(bench.url) as ledger:
        assert ledger.job(job.job_id).outcome.state is JobState.WITHHELD
        ledger.retry_all("analysis_stopped")
    ended(bench, job, JobState.ANALYSED)


def test_result_json_says_why_and_the_page_shows_no_number(tmp_path: Path) -> None:
    job = StudyJob("1.2.3", "ab" * 32, "cd" * 32, CINE)
    entry = analysed_record(make_analysis((2, 3, 24, 40)), [OBJECT], {})
    study = StudyStatement("1.2.3", Patient(name="Hart^Ada"))
    path = tmp_path / job.job_id / "result.json"
    path.parent.mkdir()
    path.write_text(json.dumps(study_record(study, Status.ANALYSED, [entry])))
    withhold(path, STOP.to_json())
    record = json.loads(path.read_text())
    Draft202012Validator(result_schema()).validate(record)
    assert record["analyses"][0]["withheld"]["reason"] == "bias after an upgrade"
    assert record["analyses"][0]["measurements"], "what was measured is recorded"
    outcome = Outcome.because(JobState.WITHHELD, STOP.error)
    outcome = replace(outcome, result=f"{job.job_id}/result.json")
    summary = read_summary(
        JobRecord(job, outcome, STOP.since, STOP.since, "worker-1", 1), StudyFolders(tmp_path)
    )
    assert (summary.view, summary.main, summary.measurements, summary.page) == ("", None, {}, None)
    assert summary.identity.patient.name == "Hart^Ada"


def test_a_second_stop_changes_the_reason_and_not_the_time(stops: Stops) -> None:
    stops.stop(CINE, STOP)
    stops.stop(CINE, Stop("worse than thought", "hart", datetime(2026, 3, 2, tzinfo=UTC)))
    assert stops.of(CINE) == Stop("worse than thought", "hart", STOP.since)
    assert stops.of(KIND) is None


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines"])
def test_a_stop_has_a_reason_on_one_line(reason: str) -> None:
    with pytest.raises(ValueError, match="one printable line"):
        Stop(reason, "chief", STOP.since)
    ended = CliRunner().invoke(app, ["models", "stop", "sax", "--reason", reason])
    assert ended.exit_code == 2
