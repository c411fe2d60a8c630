"""A second model in shadow: compared with what was delivered, never delivered, and never in anybody's way."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import stdev

import pytest

from cvai.dicom.write.result_json import SCHEMA_NAME, read_entry
from cvai.domain.measurement import Measurement
from cvai.domain.segmentation import ModelIdentity
from cvai.errors import HeartRefused
from cvai.jobs.inference_lock import InferenceLock
from cvai.jobs.installed import Shadow
from cvai.jobs.job import JobState
from cvai.jobs.jobs import SHADOW_WORKFLOW
from cvai.jobs.loading import shadow_of
from cvai.jobs.queue import Queue
from cvai.jobs.shadow import (
    SHADOW_NAME,
    ShadowJob,
    ShadowRecord,
    ShadowSteps,
    Value,
    shadow_records,
)
from cvai.jobs.shadow_comparison import compared
from cvai.pipeline import StudyOutcome, analyse_folder
from tests.analyses.test_analyse import CINE, DrawnHeart
from tests.dicom.read.dicom_files import images, write
from tests.jobs.conftest import Bench
from tests.process import closing_database, eventually
from tests.ready import ready
from tests.standin import KIND, analyse, derived_uid, slots_below, write_study

IDENTITY = ModelIdentity("sax", "0.9.0", "5a" * 32, "CPUExecutionProvider")
RESULT = {
    "view": "sax_cine",
    "model": {"name": "sax", "version": "0.2.0"},
    "measurements": [
        {"name": "lv_ef", "value": 55.0, "unit": "%"},
        {"name": "lv_mass", "value": 90.0, "unit": "g"},
    ],
}
MEASURED = (Measurement("lv_ef", 58.0, "%"), Measurement("rv_ef", 50.0, "%"))
RECORD = ShadowRecord("1.2-a", "1.2", "sax 0.9.0", "sax 0.2.0", (Value("lv_ef", "%", 55.0, 58.0),))


def analyse_cine(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
    """The stand-in analysis, with the result of a cine."""
    outcomes = analyse(source, out)
    for outcome in outcomes:
        study = {"schema": SCHEMA_NAME, "study_uid": "1", "patient": None, "unreadable": []}
        text = json.dumps({**study, "analyses": [RESULT]})
        (outcome.folder / "result.json").write_text(text)
    return outcomes


def measure(source: Path, study_uid: str) -> Sequence[Measurement]:
    assert any(source.glob("*.dcm")), "the study lies there"
    return MEASURED


@pytest.fixture
def study_uid(request: pytest.FixtureRequest) -> str:
    return derived_uid(request.node.nodeid)


@pytest.fixture
def bench(bench: Bench) -> Bench:
    bench.analyse, bench.shadow = analyse_cine, Shadow(IDENTITY, measure)
    return bench


def shadows_ended(n: int) -> list[str]:
    """States that jobs in shadow came to, once ``n`` have ended."""
    from dbos import DBOS

    def look() -> list[str] | None:
        found = DBOS.list_workflows(name=SHADOW_WORKFLOW, status=["SUCCESS", "ERROR"])
        return [(job.output or {}).get("state", job.status) for job in found] if len(found) >= n else None

    return eventually(look, f"{n} jobs in shadow to end")


def test_what_the_second_model_measures_is_kept_beside_the_result_and_nowhere_else(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    bench.receive(write_study(tmp_path / "src", study_uid))
    job = bench.job(study_uid)
    bench.start().submit(job)
    record = bench.ended(job)
    assert shadows_ended(1) == [JobState.ANALYSED]
    (kept,) = shadow_records(tmp_path / "results")
    assert (tmp_path / "results" / record.outcome.result).with_name(SHADOW_NAME).is_file()
    assert kept == ShadowRecord(
        job.job_id,
        study_uid,
        "sax 0.9.0",
        "sax 0.2.0",
        (
            Value("lv_ef", "%", 55.0, 58.0),
            Value("lv_mass", "g", 90.0, None),
            Value("rv_ef", "%", None, 50.0),
        ),
    )
    stored = bench.folder_archive.content(study_uid).sop_instance_uids
    assert len(stored) == 3 + len(record.outcome.objects), "images and results, nothing of the second model"
    assert [p for p in (tmp_path / "work").rglob("*") if p.is_file()] == []


@pytest.mark.slow
def test_every_study_that_waits_goes_before_the_second_model(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    order: list[str] = []
    all_wait = threading.Event()

    def noting(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
        all_wait.wait(60)
        order.append("study")
        return analyse_cine(source, out)

    def noting_shadow(source: Path, study_uid: str) -> Sequence[Measurement]:
        order.append("shadow")
        return MEASURED

    bench.analyse, bench.shadow = noting, Shadow(IDENTITY, noting_shadow)
    uids = [f"{study_uid[:50]}.{n}" for n in range(3)]
    for uid in uids:
        bench.receive(write_study(tmp_path / uid, uid))
    engine = bench.start()
    jobs = [bench.job(uid) for uid in uids]
    for job in jobs:
        engine.submit(job)
    all_wait.set()
    for job in jobs:
        assert bench.ended(job).outcome.state is JobState.ANALYSED
    shadows_ended(3)
    assert order == ["study"] * 3 + ["shadow"] * 3
    with closing_database(bench.url) as database:
        assert Queue(database).state().queued == 0


@pytest.mark.slow
@pytest.mark.parametrize("broken", [False, True], ids=["it refuses", "it breaks"])
def test_a_second_model_that_fails_changes_nothing_about_the_result(
    bench: Bench, study_uid: str, tmp_path: Path, broken: bool
) -> None:
    def fail(source: Path, study_uid: str) -> Sequence[Measurement]:
        raise RuntimeError if broken else HeartRefused("heart_not_found", "no heart.", "Look.")

    bench.shadow = Shadow(IDENTITY, fail)
    bench.receive(write_study(tmp_path / "src", study_uid))
    job = bench.job(study_uid)
    bench.start().submit(job)
    assert shadows_ended(1) == ["ERROR" if broken else JobState.ANALYSED]
    assert bench.ended(job).outcome.state is JobState.ANALYSED
    assert [r.refused for r in shadow_records(tmp_path / "results")] == (
        [] if broken else ["heart_not_found"]
    )


def test_a_refused_study_and_one_without_measurements_are_not_given_to_the_second_model(
    bench: Bench, study_uid: str, tmp_path: Path
) -> None:
    bench.analyse = analyse  # whose result.json holds no measurements
    uids = [f"{study_uid[:50]}.{n}" for n in range(2)]
    bench.receive(write_study(tmp_path / "refused", uids[0], n_images=1))
    bench.receive(write_study(tmp_path / "other", uids[1]))
    engine = bench.start()
    for uid in uids:
        engine.submit(bench.job(uid))
    assert bench.ended(bench.job(uids[0])).outcome.state is JobState.REFUSED
    assert bench.ended(bench.job(uids[1])).outcome.state is JobState.ANALYSED
    assert shadows_ended(1) == [JobState.REFUSED]
    assert list(shadow_records(tmp_path / "results")) == []


def test_a_job_for_another_second_model_is_let_be(bench: Bench, study_uid: str, tmp_path: Path) -> None:
    bench.receive(write_study(tmp_path / "src", study_uid))
    shadows, slots = {KIND: Shadow(IDENTITY, measure)}, slots_below(tmp_path)
    steps = ShadowSteps(bench.folder_archive, shadows, tmp_path / "work", tmp_path / "results", slots)
    outcome = steps.run(ShadowJob(bench.job(study_uid), "x/result.json", "6b" * 32))
    assert (outcome.state, outcome.code) == (JobState.SUPERSEDED, "model_changed")


@pytest.mark.slow
def test_a_model_in_the_shadow_of_itself_differs_by_nothing(tmp_path: Path) -> None:
    write(tmp_path / "study", images(CINE))
    (outcome,) = analyse_folder(tmp_path / "study", tmp_path / "out", ready(DrawnHeart()))
    result = read_entry(outcome.folder / "result.json")
    assert outcome.study_uid is not None
    measured = shadow_of(ready(DrawnHeart())[0], InferenceLock()).measure(
        tmp_path / "study", outcome.study_uid
    )
    assert {m.name: m.value for m in measured} == pytest.approx(
        {m["name"]: m["value"] for m in result["measurements"]}, abs=0.01
    )
    assert len(measured) > 10


def record(study: int, shadow: float | None, **changes: object) -> ShadowRecord:
    values = (Value("lv_ef", "%", 50.0, shadow),)
    refused = "" if shadow is not None else "heart_lost"
    return replace(RECORD, study_uid=f"1.2.{study}", values=values, refused=refused, **changes)


def test_bias_and_spread_are_those_of_the_differences() -> None:
    (found,) = compared([record(1, 52.0), record(2, 47.0), record(3, 60.0), record(4, None)])
    assert (found.n, found.refused) == (4, 1)
    (lv_ef,) = found.differences
    assert (lv_ef.n, lv_ef.bias, lv_ef.largest) == (3, pytest.approx(3.0), pytest.approx(10.0))
    assert lv_ef.sd == pytest.approx(stdev([2.0, -3.0, 10.0]))


def test_versions_are_compared_apart_and_a_study_counts_once() -> None:
    found = compared([record(1, 52.0), record(1, 51.0), record(1, 40.0, model="sax 1.0.0")])
    assert [(c.model, c.n, c.differences[0].bias, c.differences[0].sd) for c in found] == [
        ("sax 0.9.0", 1, 1.0, None),
        ("sax 1.0.0", 1, -10.0, None),
    ]


def test_a_record_comes_back_from_its_json() -> None:
    assert ShadowRecord.from_json(json.loads(json.dumps(RECORD.to_json()))) == RECORD
