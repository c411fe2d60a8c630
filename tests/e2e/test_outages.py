"""``make outages``, short; and that its verdict sees what it is there for."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.outages import STUDIES, Told, asks_within, most_requests, outage, site, wrong_afterwards
from cvai.settings import RetrySettings, Settings
from tests.orthanc import needs_orthanc
from tests.unwell_proxy import Kind, Stage, Trouble

HURRIED = "poll_interval_s = 0.1\n[retry]\nfirst_wait_s = 0.2\nlongest_wait_s = 0.5\n"
LASTING_S = 0.7
TROUBLES = (
    (Stage.CHANGES, Kind.STOPPED),
    (Stage.LIST, Kind.BUSY),
    (Stage.FETCH, Kind.NEARLY),
    (Stage.STORE, Kind.HALF),
)


@pytest.mark.orthanc
@needs_orthanc
def test_an_archive_that_was_unwell_gets_every_result_once(tmp_path: Path) -> None:
    with site(tmp_path, "orthanc", HURRIED) as at:
        told = [outage(at, stage, kind, LASTING_S) for stage, kind in TROUBLES]
        afterwards = wrong_afterwards(at, told_again_within_s=1.5)
    assert [str(one) for one in told if not one.well] == []
    assert all(one.requests for one in told)
    assert afterwards == ()


def told(**otherwise: object) -> Told:
    values = {
        "archive": "orthanc",
        "trouble": "fetch 503",
        "delivered": STUDIES,
        "wrong": (),
        "after_s": 1.0,
        "requests": 8,
        "allowed": 8,
    }
    return Told(**(values | otherwise))  # type: ignore[arg-type]


def test_the_verdict_is_no_where_a_study_is_lost_doubled_or_the_archive_was_pressed() -> None:
    assert told().well
    assert not told(delivered=STUDIES - 1).well
    assert not told(wrong=("2 results",)).well
    assert not told(requests=9).well
    assert "hot" in str(told(requests=9))


def test_waits_that_double_leave_room_for_so_many_asks() -> None:
    # At 0, 1, 3, 7, 15, 31 s; the next would be at 63 s.
    assert asks_within(60.0, 1.0, 120.0) == 6
    # At 0, 2, 6, 14, 30 and 60 s.
    assert asks_within(60.0, 2.0, 30.0) == 6
    assert asks_within(0.0, 1.0, 1.0) == 1


def test_each_attempt_of_a_job_may_ask_twice_within_each_of_two_tries_and_no_more() -> None:
    once, patient = Settings(retry=RetrySettings(attempts=1)), Settings()
    more = most_requests(patient, 60.0) - most_requests(once, 60.0)
    assert more == patient.jobs_at_once * 5 * 2 * 2


def test_a_trouble_is_met_by_its_own_stage_and_study_but_all_meet_an_archive_that_stopped() -> None:
    busy = Trouble(Stage.FETCH, Kind.BUSY, frozenset({"1.2"}))
    assert busy.concerns(Stage.FETCH, "1.2")
    assert not busy.concerns(Stage.FETCH, "1.3")
    assert not busy.concerns(Stage.STORE, "1.2")
    stopped = Trouble(Stage.FETCH, Kind.STOPPED, frozenset({"1.2"}))
    assert not stopped.concerns(Stage.CHANGES, None)
    stopped.struck.set()
    assert stopped.concerns(Stage.CHANGES, None)
