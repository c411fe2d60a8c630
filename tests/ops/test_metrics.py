"""What a worker tells about itself, read as Prometheus reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import requests
import sqlalchemy
from prometheus_client.parser import text_string_to_metric_families

from cvai.archive.folder.archive import FolderArchive
from cvai.archive.odd import OddAnswers
from cvai.dicom.write.result_json import SCHEMA_NAME
from cvai.domain.segmentation import ModelIdentity
from cvai.domain.shares import Share
from cvai.errors import ConfigurationInvalid
from cvai.jobs.database import open_database
from cvai.jobs.job import JobState, Outcome
from cvai.jobs.queue import QueueState
from cvai.jobs.shadow import ShadowRecord, Value
from cvai.jobs.worker_registry import WorkerRegistry
from cvai.ops.drift import MEASURED, HeadlineValues
from cvai.ops.health import MAX_STANDSTILL_S, PLAIN, Pulse, Readiness
from cvai.ops.metrics import Metrics, Sources
from cvai.ops.monitor import monitored
from tests.orthanc import free_port
from tests.standin import installed

MODEL = ModelIdentity("sax", "1.2", "ab" * 32, "CPUExecutionProvider")
ECHO = ModelIdentity("echo", "0.3", "ef" * 32, "CPUExecutionProvider")
CINE = installed(model_sha256=MODEL.sha256, kind="cine", identity=MODEL, headline="lv_ef")
LOOPS = installed(model_sha256=ECHO.sha256, kind="loops", identity=ECHO, headline="lv_ef")
RULES = installed(kind="rules")
JOB = CINE.job_for("1.2.3", "cd" * 32)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlalchemy.Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    yield engine
    engine.dispose()


@pytest.fixture
def headlines(database: sqlalchemy.Engine) -> HeadlineValues:
    return HeadlineValues(database, window=50)


@pytest.fixture
def metrics(headlines: HeadlineValues, tmp_path: Path) -> Metrics:
    sources = Sources(lambda: QueueState(7, 2, 41.5), lambda: 3, headlines, tmp_path)
    return Metrics((CINE, LOOPS, RULES), tmp_path, sources)


def scraped(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Value by name and label values, labels in alphabetical order."""
    _, text, _ = metrics.exposition()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def analysed(tmp_path: Path, ef_percent: float, model: ModelIdentity = MODEL) -> Outcome:
    result = {
        "model": {"sha256": model.sha256},
        "measurements": [{"name": "lv_ef", "value": ef_percent}, {"name": "lv_edv", "value": 120.0}],
        "findings": [{"code": "ragged_contour"}],
        "timings_ms": {"read": 400.0, "infer": 4600.0},
    }
    study = {"schema": SCHEMA_NAME, "study_uid": "1.2", "patient": None, "unreadable": []}
    text = json.dumps({**study, "analyses": [result]})
    (tmp_path / "result.json").write_text(text)
    return Outcome(JobState.ANALYSED, result="result.json")


def test_what_was_left_out_of_answers_and_looks_that_failed_are_counted(
    headlines: HeadlineValues, tmp_path: Path
) -> None:
    odd = OddAnswers()
    metrics = Metrics((), tmp_path, Sources(lambda: QueueState(0, 0, 0), lambda: 1, headlines, tmp_path, odd))
    for part in ("StudyRow", "StudyRow", "InstanceRow"):
        odd.note("qido", part, "no UID")
    metrics.feed_failed("archive_busy")
    told = scraped(metrics)
    assert told["cvai_odd_answers_total", "StudyRow", "qido"] == 2
    assert told["cvai_odd_answers_total", "InstanceRow", "qido"] == 1
    assert told["cvai_feed_failures_total", "archive_busy"] == 1


def test_coverage_of_intervals_and_stopped_analyses_are_told(
    headlines: HeadlineValues, tmp_path: Path
) -> None:
    held = {("cine", "lv_ef"): Share(45, 60), ("cine", "lv_edv"): Share(0, 0)}
    sources = Sources(
        lambda: QueueState(0, 0, 0),
        lambda: 1,
        headlines,
        tmp_path,
        coverage=lambda: held,
        stopped=lambda: ["loops"],
    )
    told = scraped(Metrics((CINE,), tmp_path, sources))
    assert told["cvai_interval_coverage", "cine", "lv_ef"] == 0.75
    assert told["cvai_interval_studies", "cine", "lv_ef"] == 60
    assert ("cvai_interval_coverage", "cine", "lv_edv") not in told
    assert told["cvai_analysis_stopped", "loops"] == 1


def test_failures_of_a_device_are_counted(headlines: HeadlineValues, tmp_path: Path) -> None:
    sources = Sources(lambda: QueueState(0, 0, 0), lambda: 1, headlines, tmp_path)
    told = scraped(Metrics((replace(CINE, device_failures=lambda: 3), RULES), tmp_path, sources))
    assert told["cvai_device_failures_total", "cine"] == 3
    assert told["cvai_device_failures_total", "rules"] == 0


def test_queue_workers_disk_and_model_are_told(metrics: Metrics) -> None:
    metrics.inbox_looked_into(4)
    told = scraped(metrics)
    assert told["cvai_jobs", "queued"] == 7
    assert told["cvai_jobs", "running"] == 2
    assert told["cvai_oldest_queued_seconds",] == 41.5
    assert told["cvai_workers",] == 3
    assert told["cvai_disk_free_bytes",] > 0
    assert told["cvai_inbox_left",] == 4
    assert told["cvai_model_info", "cine", "sax", "ab" * 6, "1.2"] == 1
    assert told["process_resident_memory_bytes",] > 0


def test_ends_are_counted_by_code_and_results_by_what_they_tell(metrics: Metrics, tmp_path: Path) -> None:
    metrics.job_ended(JOB, Outcome(JobState.REFUSED, "no_cine"))
    metrics.job_ended(JOB, Outcome(JobState.REFUSED, "no_cine"))
    metrics.job_ended(JOB, analysed(tmp_path, 57.5))
    metrics.step_done("store", "cine", 0.2)
    told = scraped(metrics)
    assert told["cvai_jobs_ended_total", "no_cine", "cine", "refused"] == 2
    assert told["cvai_jobs_ended_total", "", "cine", "analysed"] == 1
    assert told["cvai_findings_total", "ragged_contour", "cine"] == 1
    assert told["cvai_stage_seconds_sum", "cine", "infer"] == pytest.approx(4.6)
    assert told["cvai_step_seconds_count", "cine", "store"] == 1
    assert told["cvai_headline_value_bucket", "cine", "55.0", "lv_ef"] == 0
    assert told["cvai_headline_value_bucket", "cine", "60.0", "lv_ef"] == 1


def test_every_analysis_is_watched_by_its_own_headline(headlines: HeadlineValues, tmp_path: Path) -> None:
    sources = Sources(lambda: QueueState(0, 0, 0), lambda: 1, headlines, tmp_path)
    volumes = replace(LOOPS, headline="lv_edv")
    metrics = Metrics((CINE, volumes, RULES), tmp_path, sources)
    for analysis in (CINE, volumes, RULES):
        metrics.job_ended(analysis.job_for("1.2.3", "cd" * 32), analysed(tmp_path, 57.5))
    told = scraped(metrics)
    assert told["cvai_headline_value_sum", "cine", "lv_ef"] == 57.5
    assert told["cvai_headline_value_sum", "loops", "lv_edv"] == 120.0
    assert not [key for key in told if key[:2] == ("cvai_headline_value_sum", "rules")]


@pytest.mark.slow
def test_each_model_is_compared_with_its_own_headlines(metrics: Metrics, tmp_path: Path) -> None:
    for number in range(100):
        metrics.job_ended(CINE.job_for(f"1.{number}", "cd" * 32), analysed(tmp_path, 60.0))
        moved = 40.0 if number < 50 else 70.0
        metrics.job_ended(LOOPS.job_for(f"2.{number}", "cd" * 32), analysed(tmp_path, moved, ECHO))
    told = scraped(metrics)
    assert told["cvai_model_info", "loops", "echo", "ef" * 6, "0.3"] == 1
    assert told["cvai_drift_mean", "cine", "sax", "lv_ef"] == 0
    assert told["cvai_drift_mean", "loops", "echo", "lv_ef"] == 30


def test_headlines_that_move_are_seen_and_those_that_do_not_are_not(
    headlines: HeadlineValues,
) -> None:
    values = np.random.default_rng(5).normal(58, 8, 150)
    for number in range(50):
        headlines.add(CINE.job_for(f"1.{number}", "cd"), MODEL.sha256, values[number])
    assert headlines.drift("cine", MODEL.sha256) is None, "nothing to compare with yet"
    for number in range(50, 100):
        headlines.add(CINE.job_for(f"1.{number}", "cd"), MODEL.sha256, values[number])
    still = headlines.drift("cine", MODEL.sha256)
    for number in range(100, 150):
        headlines.add(CINE.job_for(f"1.{number}", "cd"), MODEL.sha256, values[number] - 15)
    moved = headlines.drift("cine", MODEL.sha256)
    assert still is not None
    assert moved is not None
    assert still.p > 0.05
    assert moved.p < 0.001
    assert moved.distance > still.distance
    assert moved.mean_shift == pytest.approx(values[100:].mean() - 15 - values[:50].mean())


def test_analyses_of_one_model_are_compared_apart_and_values_of_older_versions_count(
    database: sqlalchemy.Engine,
) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE cvai_measured (number INTEGER PRIMARY KEY AUTOINCREMENT, job_id VARCHAR NOT NULL "
            "UNIQUE, model_sha256 VARCHAR NOT NULL, lv_ef_percent FLOAT NOT NULL)"
        )
        for number in range(50):
            row = ("job_id", "model_sha256", "value")
            values = (f"old {number}", MODEL.sha256, 60.0)
            connection.execute(MEASURED.insert().values(**dict(zip(row, values, strict=True))))
    headlines = HeadlineValues(database, window=50)
    HeadlineValues(database)
    other = installed(model_sha256=MODEL.sha256, kind="other")
    for number in range(50):
        headlines.add(CINE.job_for(f"1.{number}", "cd"), MODEL.sha256, 50.0)
        headlines.add(other.job_for(f"1.{number}", "cd"), MODEL.sha256, 40.0)
    shifts = {kind: headlines.drift(kind, MODEL.sha256) for kind in ("cine", "other")}
    assert {kind: drift and drift.mean_shift for kind, drift in shifts.items()} == {
        "cine": -10.0,
        "other": -20.0,
    }


def test_another_model_begins_with_a_reference_of_its_own(headlines: HeadlineValues) -> None:
    for number in range(120):
        headlines.add(CINE.job_for(f"1.{number}", "ab"), "old", 55.0 + number % 7)
        headlines.add(CINE.job_for(f"1.{number}", "cd"), "new", 60.0 + number % 7)
    for sha in ("old", "new"):
        drift = headlines.drift("cine", sha)
        assert drift is not None
        assert drift.distance < 0.1


def test_a_job_done_again_counts_once(headlines: HeadlineValues) -> None:
    for _ in range(120):
        headlines.add(JOB, MODEL.sha256, 55.0)
    assert headlines.drift("cine", MODEL.sha256) is None


def test_a_database_that_is_away_is_told_and_the_rest_still_counts(tmp_path: Path) -> None:
    away = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder'}")
    sources = Sources(lambda: QueueState(0, 0, 0), lambda: 1, HeadlineValues(away), tmp_path)
    metrics = Metrics((CINE, LOOPS, RULES), tmp_path, sources)
    metrics.job_ended(JOB, analysed(tmp_path, 57.5))
    told = scraped(metrics)
    assert told["cvai_database_up",] == 0
    assert told["cvai_jobs_ended_total", "", "cine", "analysed"] == 1


def test_a_loop_that_comes_round_is_alive_and_one_that_does_not_is_not() -> None:
    now_s = 0.0
    pulse = Pulse(clock=lambda: now_s)
    assert pulse.healthz() == (200, "ok\n", PLAIN)
    now_s = MAX_STANDSTILL_S + 1
    assert pulse.healthz()[0] == 503
    pulse.beat()
    assert pulse.healthz()[0] == 200


def test_readiness_names_what_is_missing_and_remembers_for_a_while(
    database: sqlalchemy.Engine, tmp_path: Path
) -> None:
    now_s = 0.0
    registry = WorkerRegistry(database)
    worker = registry.register("a", "here")
    ready = Readiness(FolderArchive(tmp_path / "archive"), registry, worker, tmp_path, clock=lambda: now_s)
    assert ready.readyz()[0] == 200
    registry.remove(worker)
    assert ready.readyz()[0] == 200, "remembered"
    now_s = 60.0
    status, text, _ = ready.readyz()
    assert (status, json.loads(text)["database"]) == (503, "declared_dead")


def test_a_port_of_its_own_answers_while_it_is_wanted() -> None:
    address = f"127.0.0.1:{free_port()}"
    with monitored(address, {"/healthz": Pulse().healthz}):
        answer = requests.get(f"http://{address}/healthz?verbose", timeout=60)
        assert (answer.status_code, answer.text) == (200, "ok\n")
        assert requests.get(f"http://{address}/", timeout=60).status_code == 404
        with pytest.raises(ConfigurationInvalid, match="cannot be listened on"), monitored(address, {}):
            pass
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{address}/healthz", timeout=60)


def test_how_far_a_model_in_shadow_is_from_the_one_at_work_is_told(metrics: Metrics) -> None:
    values = (Value("lv_ef", "%", 55.0, 51.5), Value("lv_edv", "mL", 120.0, None))
    record = ShadowRecord("1.2-a", "1.2", "sax 0.9", "sax 1.2", values)
    metrics.shadow_recorded(record)
    metrics.shadow_recorded(replace(record, values=(), refused="heart_lost"))
    told = scraped(metrics)
    assert told["cvai_shadow_difference_count", "sax 0.9", "lv_ef"] == 1
    assert told["cvai_shadow_difference_sum", "sax 0.9", "lv_ef"] == pytest.approx(3.5)
    assert told["cvai_shadow_refused_total", "heart_lost", "sax 0.9"] == 1
