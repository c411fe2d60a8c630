"""How often stated intervals hold on what readers sign."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from cvai.dicom.read.acquired import Acquired
from cvai.domain.measurement import Measurement
from cvai.domain.shares import Share
from cvai.jobs.database import open_database
from cvai.jobs.job import JobState
from cvai.jobs.queue import QueueState
from cvai.ops.drift import HeadlineValues
from cvai.ops.metrics import Metrics, Sources
from cvai.review.coverage import Coverage, SignedCoverage, coverage
from cvai.review.database import Database
from cvai.review.decisions import Decision, Decisions
from cvai.review.sign_in.accounts import Role
from cvai.review.study import _comparison
from cvai.review.summary import Identity, Summary
from tests.conftest import ROOT
from tests.review.light_page import light_page
from tests.review.test_analyses import record
from tests.review.test_priors import EF, VIEW
from tests.review.test_records import decision

CINE = "cine_sax"


def stated(number: int, model: float, signed: float, half_width: float = 5.0) -> Decision:
    """A decision on a number that was stated with an interval."""
    made = decision(number, model, signed)
    intervals = {"lv_ef": [model - half_width, model + half_width]}
    return replace(made, comparison={**made.comparison, "intervals": intervals})


def add(path: Path, *made: Decision) -> None:
    database = Database(path)
    for each in made:
        Decisions(database).add("hart", each.reading, each.comparison, after=0)
    database.close()


def test_signed_values_are_counted_within_their_intervals_and_corrected_ones_apart() -> None:
    made = [stated(1, 50, 50), stated(2, 50, 54), stated(3, 50, 56), stated(4, 50, 45)]
    assert coverage(made) == (Coverage(CINE, "lv_ef", Share(3, 4), Share(2, 3)),)


def test_what_has_no_interval_is_not_counted() -> None:
    without = stated(1, 50, 50)
    without = replace(without, comparison={**without.comparison, "intervals": {"lv_ef": None}})
    assert coverage([without, decision(2, 50, 60)]) == ()


def test_of_several_decisions_on_one_analysis_the_last_counts() -> None:
    assert coverage([stated(1, 50, 60), stated(1, 50, 51)])[0].all == Share(1, 1)


def test_intervals_of_another_model_or_calibration_than_the_last_are_not_counted() -> None:
    made = [stated(n, 50, 60) for n in range(1, 4)]
    here = stated(4, 50, 51)
    here = replace(here, number=4, comparison={**here.comparison, "factors": {"lv_ef": 1.5}})
    assert coverage(made)[0].all == Share(0, 3)
    assert coverage([*made, here])[0].all == Share(1, 1)
    model = replace(here.reading.model, sha256="ef" * 32)
    newer = replace(here, reading=replace(here.reading, model=model))
    assert coverage([*made, newer])[0].all == Share(1, 1)


@pytest.mark.parametrize(("inside", "of", "low"), [(23, 30, True), (24, 30, False), (0, 29, False)])
def test_coverage_is_low_below_four_fifths_of_enough_studies(inside: int, of: int, low: bool) -> None:
    assert Coverage(CINE, "lv_ef", Share(inside, of), Share(0, 0)).is_low is low


def test_a_decision_records_intervals_units_and_how_the_images_were_acquired() -> None:
    acquired = asdict(Acquired("Imaginary", "Ring", 1.5, "F", 61))
    measured = {**EF, "value": 50.0, "interval": [45.0, 55.0]}
    result = {"view": VIEW, "measurements": [measured], "acquired": acquired}
    summary = Summary(record(CINE, JobState.ANALYSED, 0, "1.2.3"), result, Identity())
    made = json.loads(json.dumps(_comparison(summary, "Imaginary Ring", [Measurement("lv_ef", 53.0, "%")])))
    assert made["measured"] == {"lv_ef": [50.0, 53.0]}
    assert (made["intervals"], made["units"]) == ({"lv_ef": [45.0, 55.0]}, {"lv_ef": "%"})
    assert made["acquired"] == acquired


def test_the_metric_follows_the_database_and_outlasts_one_that_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "review.sqlite"
    watched = SignedCoverage(path)
    assert watched() == {}
    assert not path.exists()
    add(path, stated(1, 50, 50))
    assert watched() == {(CINE, "lv_ef"): Share(1, 1)}
    add(path, stated(2, 50, 60))
    assert watched() == {(CINE, "lv_ef"): Share(1, 2)}
    for left in tmp_path.glob("review.sqlite*"):
        left.write_bytes(b"no database" * 100)
    assert watched() == {(CINE, "lv_ef"): Share(1, 2)}


def test_studies_signed_outside_the_interval_fire_the_alert_and_are_logged_once(tmp_path: Path) -> None:
    path = tmp_path / "review.sqlite"
    watched = SignedCoverage(path)
    database = open_database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    sources = Sources(
        lambda: QueueState(0, 0, 0), lambda: 1, HeadlineValues(database), tmp_path, coverage=watched
    )
    metrics = Metrics((), tmp_path, sources)
    add(path, *(stated(n, 50, 51) for n in range(24)), *(stated(n, 50, 58) for n in range(24, 30)))
    with capture_logs() as quiet:
        assert not fires(metrics)
    add(path, stated(30, 50, 58))  # 24 of 31
    with capture_logs() as logs:
        assert fires(metrics)
        assert fires(metrics)
    database.dispose()
    assert not quiet
    (event,) = logs
    assert (event["event"], event["kind"], event["number"]) == ("intervals_do_not_hold", CINE, "lv_ef")
    assert (event["held"], event["of"]) == (24, 31)


def fires(metrics: Metrics) -> bool:
    """Whether the alerting rule of the documentation holds for the exposition."""
    text = (ROOT / "docs" / "howto" / "operations.md").read_text()
    rule = r"cvai_interval_coverage < ([0-9.]+) and cvai_interval_studies >= ([0-9]+)"
    (bounds,) = re.findall(rule, text)
    values = {
        sample.name: sample.value
        for family in text_string_to_metric_families(metrics.exposition()[1])
        for sample in family.samples
    }
    least, fewest = map(float, bounds)
    return values["cvai_interval_coverage"] < least and values["cvai_interval_studies"] >= fewest


def test_the_newest_decisions_are_read_oldest_first(tmp_path: Path) -> None:
    path = tmp_path / "review.sqlite"
    add(path, *(stated(n, 50, 50) for n in range(5)))
    database = Database(path)
    assert [d.number for d in Decisions(database).newest(2)] == [4, 5]
    database.close()


@pytest.mark.slow
def test_the_agreement_page_shows_them_and_marks_where_too_few_hold(tmp_path: Path) -> None:
    with light_page(tmp_path) as light:
        for n in range(30):
            made = stated(n, 50, 50 if n < 20 else 60)
            light.page.decisions.add("hart", made.reading, made.comparison, after=0)
        session = light.signed_in("chief", Role.ADMIN)
        text = " ".join(session.get(f"{light.url}/agreement", timeout=60).text.split())
    table = text.split('id="intervals"')[1].split("</section>")[0]
    assert '67 % <span class="mark">too few</span>' in table
    assert "0 of 10" in table
