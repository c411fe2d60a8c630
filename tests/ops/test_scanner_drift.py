"""Drift of numbers, refusals and findings by scanner."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy
from typer.testing import CliRunner

from cvai.cli.main import app
from cvai.dicom.write.result_json import SCHEMA_NAME
from cvai.jobs.database import open_database
from cvai.jobs.job import JobState, Outcome, StudyJob
from cvai.jobs.queue import QueueState
from cvai.ops.drift import HeadlineValues
from cvai.ops.metrics import Metrics, Sources
from cvai.ops.scanner_drift import (
    FEWEST,
    NEWEST,
    REFERENCE,
    WATCHED,
    Of,
    ScannerDrift,
    ScannerDrifts,
    WatchedStudy,
    compared,
)
from cvai.review.sign_in.accounts import Role
from tests.jobs.conftest import used_database
from tests.ops.test_metrics import CINE, scraped
from tests.review.light_page import light_page

SHA256 = CINE.sha256
OLD, NEW = "Imaginary Ring, 1.5 T", "Other Tunnel, 3 T"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlalchemy.Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    yield engine
    engine.dispose()


def studies(
    n: int,
    *,
    scanner: str = OLD,
    shift: float = 0.0,
    refused: float = 0.1,
    flagged: float = 0.1,
    seed: int = 0,
) -> list[WatchedStudy]:
    """Studies of twelve numbers, of which the first is shifted, with shares that are refused and flagged."""
    rng = np.random.default_rng([seed, n])
    made = []
    for place in range(n):
        values = rng.normal(50.0, 10.0, 12)
        values[0] += shift
        numbers = {f"n{i}": float(value) for i, value in enumerate(values)}
        codes = frozenset({"ragged_contour"} if place % 20 < 20 * flagged else ())
        is_refused = place % 20 >= 20 - 20 * refused
        made.append(
            WatchedStudy(scanner, "slice_missing")
            if is_refused
            else WatchedStudy(scanner, "", numbers, codes)
        )
    return made


def drift_of(newest: Sequence[WatchedStudy]) -> ScannerDrift:
    (found,) = compared("cine", SHA256, {OLD: [*studies(REFERENCE, seed=7), *newest]})
    return found


def test_a_scanner_that_stays_as_it_was_does_not_drift() -> None:
    found = drift_of(studies(NEWEST))
    assert (found.n_reference, found.n_newest) == (REFERENCE, NEWEST)
    assert len(found.shifts) == 12 + 1 + 1
    assert found.drifted == ()


def test_a_shifted_number_is_named_with_its_means_and_medians() -> None:
    (shift,) = drift_of(studies(NEWEST, shift=8.0)).drifted
    assert (shift.of, shift.name) == (Of.NUMBER, "n0")
    assert shift.after - shift.before == pytest.approx(8.0, abs=2.5)
    assert shift.median_shift == pytest.approx(8.0, abs=3.0)


def test_more_refusals_and_more_of_a_finding_are_named() -> None:
    (refused,) = drift_of(studies(NEWEST, refused=0.4)).drifted
    assert (refused.of, refused.before, refused.after) == (Of.REFUSED, 0.1, 0.4)
    (flagged,) = drift_of(studies(NEWEST, flagged=0.5)).drifted
    assert (flagged.of, flagged.name) == (Of.FINDING, "ragged_contour")


def test_too_few_newest_studies_are_not_compared() -> None:
    assert drift_of(studies(FEWEST - 1, shift=30.0)).shifts == ()
    assert drift_of(studies(FEWEST, shift=30.0, refused=0.0)).drifted


def test_a_number_that_few_studies_have_and_one_that_is_constant_are_no_drift() -> None:
    rare = WatchedStudy(OLD, "", {"rare": 1.0, "same": 2.0})
    usual = WatchedStudy(OLD, "", {"same": 2.0})
    (found,) = compared("cine", SHA256, {OLD: [*[usual] * REFERENCE, *[rare] * FEWEST]})
    assert {shift.name for shift in found.shifts} == {"", "same"}
    assert found.drifted == ()


def test_what_is_called_drift_is_rare_where_nothing_drifts() -> None:
    false_alarms = sum(
        bool(compared("cine", SHA256, {OLD: studies(REFERENCE + NEWEST, seed=seed)})[0].drifted)
        for seed in range(15)
    )
    assert false_alarms == 0


def add(database: sqlalchemy.Engine, some: Sequence[WatchedStudy], first: int = 0) -> ScannerDrifts:
    drifts = ScannerDrifts(database)
    for number, study in enumerate(some, start=first):
        drifts.add(StudyJob(f"1.2.{number}", "cd" * 32, SHA256, "cine"), study)
    return drifts


def test_the_first_and_the_newest_studies_of_each_scanner_are_kept(database: sqlalchemy.Engine) -> None:
    add(database, studies(REFERENCE + NEWEST + 40))
    drifts = add(database, studies(10, scanner=NEW), first=1000)
    with database.connect() as connection:
        numbers = connection.scalars(sqlalchemy.select(WATCHED.c.job_id)).all()
    assert len(numbers) == REFERENCE + NEWEST + 10
    assert [(each.scanner, each.n_reference, each.n_newest) for each in drifts.all()] == [
        (OLD, REFERENCE, NEWEST),
        (NEW, 10, 0),
    ]


def test_a_job_that_ran_again_keeps_its_place(database: sqlalchemy.Engine) -> None:
    add(database, studies(REFERENCE))
    drifts = add(database, [WatchedStudy(OLD, "heart_lost")], first=3)
    with database.connect() as connection:
        rows = connection.execute(sqlalchemy.select(WATCHED).order_by(WATCHED.c.number)).all()
    assert (len(rows), rows[3].refused) == (REFERENCE, "heart_lost")
    assert drifts.all()[0].n_reference == REFERENCE


def test_what_was_compared_is_kept_for_a_while(database: sqlalchemy.Engine) -> None:
    now = [0.0]
    drifts = ScannerDrifts(database, kept_s=600.0, clock=lambda: now[0])
    assert drifts.all() == ()
    add(database, studies(1))
    assert drifts.all() == ()
    now[0] = 601.0
    assert len(drifts.all()) == 1


def test_a_worker_watches_what_it_measured_and_refused_without_patient_data(
    database: sqlalchemy.Engine, tmp_path: Path
) -> None:
    drifts = ScannerDrifts(database)
    sources = Sources(
        lambda: QueueState(0, 0, 0), lambda: 1, HeadlineValues(database), tmp_path, scanners=drifts
    )
    metrics = Metrics((CINE,), tmp_path, sources)
    acquired = {
        "manufacturer": "Imaginary",
        "model": "Ring",
        "field_strength_t": 1.494,
        "sex": "F",
        "age_years": 61,
    }
    entry = {
        "acquired": acquired,
        "model": {"sha256": SHA256},
        "measurements": [{"name": "lv_ef", "value": 55.0}],
        "findings": [{"code": "ragged_contour"}],
        "timings_ms": {},
    }
    study = {"schema": SCHEMA_NAME, "study_uid": "1.2", "patient": {"name": "Doe^Jane"}, "unreadable": []}
    for number, state in enumerate((JobState.ANALYSED, JobState.REFUSED, JobState.FAILED)):
        (tmp_path / f"{number}.json").write_text(json.dumps({**study, "analyses": [entry]}))
        job = CINE.job_for(f"1.2.{number}", "cd" * 32)
        code = "" if state is JobState.ANALYSED else "slice_missing"
        metrics.job_ended(job, Outcome(state, code, result=f"{number}.json"))
    with database.connect() as connection:
        measured, refused = connection.execute(sqlalchemy.select(WATCHED).order_by(WATCHED.c.number)).all()
    assert (measured.scanner, measured.numbers, measured.findings) == (
        OLD,
        '{"lv_ef": 55.0}',
        '["ragged_contour"]',
    )
    assert (refused.scanner, refused.refused) == (OLD, "slice_missing")
    assert "Doe" not in str([*measured, *refused])


def test_metrics_count_what_drifts_by_scanner(database: sqlalchemy.Engine, tmp_path: Path) -> None:
    drifts = add(database, [*studies(REFERENCE, seed=7), *studies(NEWEST, shift=9.0)])
    add(database, studies(5, scanner=NEW), first=1000)
    sources = Sources(
        lambda: QueueState(0, 0, 0), lambda: 1, HeadlineValues(database), tmp_path, scanners=drifts
    )
    told = scraped(Metrics((CINE,), tmp_path, sources))
    assert told["cvai_scanner_studies", "cine", OLD] == NEWEST
    assert told["cvai_scanner_drifted", "cine", OLD] == 1
    assert told["cvai_scanner_drift_p", "cine", OLD] < 0.001
    assert told["cvai_scanner_studies", "cine", NEW] == 0
    assert ("cvai_scanner_drift_p", "cine", NEW) not in told


@pytest.mark.slow
def test_the_page_of_administrators_shows_it(database: sqlalchemy.Engine, tmp_path: Path) -> None:
    drifts = add(database, [*studies(REFERENCE, seed=7), *studies(NEWEST, refused=0.5)])
    found = drifts.all()
    with light_page(tmp_path, scanners=lambda: found) as light:
        session = light.signed_in("chief", Role.ADMIN)
        text = " ".join(session.get(f"{light.url}/agreement", timeout=60).text.split())
    table = text.split('id="scanners"')[1].split("</section>")[0]
    assert OLD in table
    assert "refused 10 % → 50 %" in table


def test_the_command_prints_what_drifts_and_all_comparisons_as_json(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").write_bytes(used_database())
    engine = open_database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    add(engine, [*studies(REFERENCE, seed=7), *studies(NEWEST, flagged=0.6)])
    engine.dispose()
    config = tmp_path / "service.toml"
    config.write_text(f'data_folder = "{tmp_path}"\n')
    ended = CliRunner().invoke(app, ["models", "drift", "--config", str(config)])
    assert ended.exit_code == 0, ended.output
    assert "finding ragged_contour 11 % → 67 %" in ended.output
    ended = CliRunner().invoke(app, ["models", "drift", "--config", str(config), "--json"])
    (scanner,) = json.loads(ended.stdout)
    assert (scanner["scanner"], scanner["n_newest"], len(scanner["shifts"])) == (OLD, NEWEST, 14)
    assert [shift["name"] for shift in scanner["shifts"] if shift["is_drift"]] == ["ragged_contour"]
