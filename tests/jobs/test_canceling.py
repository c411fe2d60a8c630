"""Workitems that are requested to be canceled: events over a real WebSocket, jobs that store nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from cvai.archive.cursor import CursorFile
from cvai.archive.http import new_session
from cvai.archive.odd import OddAnswers
from cvai.errors import Canceled
from cvai.jobs.cancellations import Cancellations
from cvai.jobs.feeds import follow
from cvai.jobs.job import JobObject, JobState
from cvai.jobs.jobs import JobEngine
from cvai.jobs.ledger import open_ledger
from cvai.jobs.steps import StudySteps
from cvai.jobs.worklist import WorklistFeed
from cvai.pipeline import StudyOutcome
from cvai.transfer.ups import Worklist
from cvai.transfer.ups_events import WorkitemEvents
from tests.jobs.conftest import Bench
from tests.standin import analyse, derived_uid, slots_below, write_study
from tests.ups_server import WHOLE_WORKLIST, WorklistStore, notifying, running_worklist, workitem

STUDY, ITEM, OTHER = derived_uid("canceling"), "1.2.826.1", "1.2.826.2"
AE = "CVAI"


@dataclass
class Desk:
    """A worklist that notifies, a feed on it, and jobs whose analysis waits until ``going_on`` is set."""

    bench: Bench
    store: WorklistStore
    url: str
    events_url: str
    whole_worklist: bool = False
    n_images: int = 0

    def __post_init__(self) -> None:
        self.analysing, self.going_on = threading.Event(), threading.Event()
        self.canceled = Cancellations(create_engine(self.bench.url))
        self.bench.analyse = self.waiting
        self.bench.is_canceled = self.canceled.includes
        self.odd = OddAnswers()
        self.feed = self.opened()

    def opened(self) -> WorklistFeed:
        session = new_session("cvai", "secret")
        self.events = WorkitemEvents(
            self.url, self.events_url, session, 5, AE, whole_worklist=self.whole_worklist, odd=self.odd
        )
        claims = CursorFile(self.bench.root / "worklist.json")
        return WorklistFeed(Worklist(self.url, session, 5, "CVAI"), claims, self.events, self.canceled)

    def waiting(self, source: Path, out: Path) -> list[StudyOutcome]:
        self.analysing.set()
        assert self.going_on.wait(30)
        return list(analyse(source, out))

    def look(self, engine: JobEngine) -> None:
        """What a service does again and again."""
        follow(self.feed, self.bench.folder_archive, engine.submit, self.bench.analyses)
        with open_ledger(self.bench.url) as ledger:
            self.feed.report(ledger.outcome_of, self.bench.root / "results")

    def until(self, holds: Callable[[], bool], engine: JobEngine) -> None:
        deadline = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < deadline, self.store.answers
            self.look(engine)
            time.sleep(0.05)

    def request_cancel(self, uid: str = ITEM, reason: str = "wrong patient") -> None:
        assert self.store.request_cancel(uid, AE, reason) == 202

    def state(self, uid: str = ITEM) -> str:
        return self.store.state(uid)

    def stored(self) -> bool:
        return len(self.bench.folder_archive.content(STUDY).sop_instance_uids) > self.n_images


@pytest.fixture(params=[False])
def desk(request: pytest.FixtureRequest, bench: Bench, tmp_path: Path) -> Iterator[Desk]:
    images = write_study(tmp_path / "src", STUDY)
    bench.receive(images)
    store = WorklistStore()
    with running_worklist(store) as url, notifying(store) as events_url:
        made = Desk(bench, store, url, events_url, whole_worklist=request.param, n_images=len(images))
        store.add(workitem(ITEM, STUDY))
        yield made
        made.going_on.set()
        made.events.close()


def in_progress(desk: Desk, engine: JobEngine) -> None:
    """The workitem is claimed, subscribed to, and its study being analysed."""
    desk.look(engine)
    assert desk.analysing.wait(30)
    desk.look(engine)
    assert desk.state() == "IN PROGRESS"


@pytest.mark.parametrize("desk", [False, True], indirect=True, ids=["workitems", "worklist"])
def test_a_canceled_workitem_ends_its_job_and_nothing_is_stored(desk: Desk) -> None:
    engine = desk.bench.start()
    in_progress(desk, engine)
    assert desk.store.subscribed == {(WHOLE_WORKLIST if desk.whole_worklist else ITEM, AE)}
    assert desk.store.notifications is not None
    assert desk.store.notifications.credentials == "Basic Y3ZhaTpzZWNyZXQ="
    desk.request_cancel()
    desk.until(lambda: desk.canceled.includes(STUDY), engine)
    desk.going_on.set()
    desk.until(lambda: desk.state() == "CANCELED", engine)
    (information,) = desk.store.workitems[ITEM].ProcedureStepProgressInformationSequence
    assert information.ReasonForCancellation == "wrong patient"
    job = desk.bench.job(STUDY)
    record = desk.bench.ended(job)
    assert (record.outcome.state, record.outcome.code) == (JobState.CANCELED, "canceled_on_request")
    assert not desk.stored()
    assert not (desk.bench.root / "results" / job.job_id).exists()
    assert not desk.canceled.includes(STUDY), "a later workitem is not canceled with it"
    if not desk.whole_worklist:
        desk.look(engine)
        assert desk.store.subscribed == set()


def test_a_job_that_waits_is_canceled_before_its_study_is_fetched(desk: Desk) -> None:
    engine = desk.bench.start()
    desk.canceled.request(STUDY)
    engine.submit(desk.bench.job(STUDY))
    assert desk.bench.ended(desk.bench.job(STUDY)).outcome.state is JobState.CANCELED
    assert not desk.analysing.is_set()


def test_where_results_were_stored_first_the_workitem_is_completed(desk: Desk) -> None:
    engine = desk.bench.start()
    in_progress(desk, engine)
    desk.going_on.set()
    record = desk.bench.ended(desk.bench.job(STUDY))
    assert record.outcome.state is JobState.ANALYSED
    desk.request_cancel()
    desk.until(lambda: desk.state() in ("COMPLETED", "CANCELED"), engine)
    assert desk.state() == "COMPLETED"
    assert desk.stored()
    assert not desk.canceled.includes(STUDY)


def test_a_store_that_had_begun_is_finished(bench: Bench, tmp_path: Path) -> None:
    """The step runs again where a worker died in it: what is in the archive is not left there in part."""
    bench.receive(write_study(tmp_path / "src", STUDY))
    job = bench.job(STUDY)
    bench.start().submit(job)
    analysed = bench.ended(job).outcome
    steps = StudySteps(
        archive=bench.folder_archive,
        analyses=bench.analyses,
        work_folder=tmp_path / "work",
        results_folder=tmp_path / "results",
        slots=slots_below(tmp_path),
        is_canceled=lambda _: True,
    )
    assert steps.store(job, analysed).state is JobState.ANALYSED
    never_stored = replace(analysed, objects=(JobObject("pdf", "1.2.3", analysed.objects[0].path),))
    with pytest.raises(Canceled):
        steps.store(job, never_stored)


def test_a_study_that_another_workitem_asks_for_goes_on(desk: Desk) -> None:
    engine = desk.bench.start()
    desk.store.add(workitem(OTHER, STUDY))
    in_progress(desk, engine)
    desk.request_cancel()
    desk.until(lambda: desk.state() == "CANCELED", engine)
    assert desk.state(OTHER) == "IN PROGRESS"
    desk.going_on.set()
    desk.until(lambda: desk.state(OTHER) == "COMPLETED", engine)


def test_a_study_that_was_canceled_is_analysed_when_a_later_workitem_asks_for_it(desk: Desk) -> None:
    engine = desk.bench.start()
    in_progress(desk, engine)
    desk.request_cancel()
    desk.until(lambda: desk.canceled.includes(STUDY), engine)
    desk.going_on.set()
    desk.until(lambda: desk.state() == "CANCELED", engine)
    desk.store.add(workitem(OTHER, STUDY))
    desk.until(lambda: desk.state(OTHER) == "COMPLETED", engine)
    assert desk.stored()


def test_a_request_outlives_a_restart_of_the_service(desk: Desk) -> None:
    engine = desk.bench.start()
    in_progress(desk, engine)
    desk.request_cancel()
    desk.until(lambda: desk.canceled.includes(STUDY), engine)
    desk.canceled.forget(STUDY)  # as after a restore of an older database
    desk.events.close()
    desk.feed = desk.opened()
    desk.until(lambda: desk.canceled.includes(STUDY), engine)
    desk.going_on.set()
    desk.until(lambda: desk.state() == "CANCELED", engine)


def test_odd_events_and_lost_connections_are_survived(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvai.transfer.ups_events.RECONNECT_S", 0.0)
    engine = desk.bench.start()
    in_progress(desk, engine)
    notifications = desk.store.notifications
    assert notifications is not None
    for odd in ("", "[", "null", "[1]", '{"00001000": {"vr": "UI", "Value": ["../x"]}}', "x" * 70_000):
        notifications.send(AE, odd)
    notifications.send_bytes(AE, b"\xff\x00")
    desk.look(engine)
    notifications.close(AE)
    first = notifications.open[AE]
    desk.until(lambda: notifications.open[AE] is not first, engine)
    desk.request_cancel(reason="one\nline " + "x" * 200)
    desk.until(lambda: desk.canceled.includes(STUDY), engine)
    desk.going_on.set()
    desk.until(lambda: desk.state() == "CANCELED", engine)
    (information,) = desk.store.workitems[ITEM].ProcedureStepProgressInformationSequence
    assert information.ReasonForCancellation.startswith("one line xxx")


def test_a_worklist_without_notifications_is_followed_all_the_same(desk: Desk) -> None:
    desk.events_url = f"ws://127.0.0.1:{desk.url.rpartition(':')[2]}"
    desk.feed = desk.opened()
    engine = desk.bench.start()
    desk.going_on.set()
    desk.until(lambda: desk.state() == "COMPLETED", engine)
