"""Workitems: claimed once, done once, and closed with what came of them, through crashes on either side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cvai.archive.cursor import CursorFile
from cvai.archive.http import new_session
from cvai.errors import ArchiveRejected, TemporarilyUnavailable
from cvai.jobs.feeds import follow
from cvai.jobs.job import JobObject, JobState, Outcome
from cvai.jobs.ledger import open_ledger
from cvai.jobs.worklist import CLAIMS_PER_POLL, WorklistFeed, new_claim
from cvai.transfer.ups import Worklist
from tests.jobs.conftest import Bench
from tests.standin import derived_uid, write_segmentation, write_study
from tests.ups_server import WorklistStore, running_worklist, workitem

STUDY, ITEM = derived_uid("worklist"), "1.2.826.1"
REFUSED = Outcome(JobState.REFUSED, "no_cine", "no cine was found.", "Send the cine.")


@dataclass
class Desk:
    """A worklist and a feed on it, which may be opened anew as after a crash."""

    root: Path
    url: str
    store: WorklistStore

    def __post_init__(self) -> None:
        self.feed = self.opened()

    def opened(self) -> WorklistFeed:
        worklist = Worklist(self.url, new_session("cvai", "do-not-tell"), 5, "CVAI")
        return WorklistFeed(worklist, CursorFile(self.root / "worklist.json"))

    def announced(self) -> tuple[str, ...]:
        announcements = self.feed.poll()
        self.feed.acknowledge(announcements)
        return announcements.study_uids

    def report(self, outcome: Outcome | None) -> None:
        self.feed.report(lambda _: outcome, self.root)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    store = WorklistStore()
    with running_worklist(store) as url:
        yield Desk(tmp_path, url, store)


def analysed(root: Path) -> Outcome:
    path = write_segmentation(root, STUDY)
    made = JobObject("seg_cine", derived_uid(STUDY, "segmentation"), path.name)
    return Outcome(JobState.ANALYSED, result="result.json", objects=(made,))


def test_a_workitem_is_claimed_announced_once_and_completed_with_its_outputs(desk: Desk) -> None:
    desk.store.add(workitem(ITEM, STUDY))
    assert desk.announced() == (STUDY,)
    assert desk.store.state(ITEM) == "IN PROGRESS"
    assert desk.announced() == ()
    desk.report(Outcome(JobState.RUNNING))
    (progress,) = desk.store.workitems[ITEM].ProcedureStepProgressInformationSequence
    assert progress.ProcedureStepProgress == 50
    desk.report(analysed(desk.root))
    assert desk.store.state(ITEM) == "COMPLETED"
    (performed,) = desk.store.workitems[ITEM].UnifiedProcedureStepPerformedProcedureSequence
    (output,) = performed.OutputInformationSequence
    assert output.StudyInstanceUID == STUDY
    assert output.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == derived_uid(STUDY, "segmentation")
    asked = len(desk.store.answers)
    desk.report(analysed(desk.root))
    assert len(desk.store.answers) == asked, "what is closed is not spoken of again"


@pytest.mark.parametrize("outcome", [REFUSED, None])
def test_a_study_that_cannot_be_analysed_cancels_its_workitem_with_the_reason(
    desk: Desk, outcome: Outcome | None
) -> None:
    desk.store.add(workitem(ITEM, STUDY))
    desk.announced()
    desk.report(outcome)
    assert desk.store.state(ITEM) == "CANCELED"
    (information,) = desk.store.workitems[ITEM].ProcedureStepProgressInformationSequence
    assert ("no_cine" if outcome else "not_queued") in information.ReasonForCancellation


def test_workitems_of_other_stations_and_without_a_study_are_left_alone(desk: Desk) -> None:
    desk.store.add(workitem("1.2.826.2", STUDY, station="OTHER"))
    desk.store.add(workitem("1.2.826.3", ""))
    assert desk.announced() == ()
    assert {desk.store.state(uid) for uid in desk.store.workitems} == {"SCHEDULED"}


def test_a_workitem_goes_to_one_of_two_who_want_it(desk: Desk) -> None:
    desk.store.add(workitem(ITEM, STUDY))
    other = Desk(desk.root / "other", desk.url, desk.store)
    item = desk.store.workitems[ITEM]
    assert other.announced() == (STUDY,)
    item.ProcedureStepState = "SCHEDULED"  # as the slower one still sees it
    waiting = desk.feed._worklist.scheduled()
    item.ProcedureStepState = "IN PROGRESS"
    for uid, study_uid in waiting:
        desk.feed._claim(uid, study_uid)
    assert desk.feed.poll().study_uids == ()
    other.report(analysed(other.root))
    assert desk.store.state(ITEM) == "COMPLETED"


def test_a_claim_survives_a_crash_before_and_after_its_job_was_queued(desk: Desk) -> None:
    desk.store.add(workitem(ITEM, STUDY))
    desk.feed.poll()
    desk.feed = desk.opened()
    assert desk.announced() == (STUDY,)
    assert desk.announced() == ()
    desk.feed = desk.opened()
    assert desk.announced() == (STUDY,), "its job may be gone with a database that was restored"
    assert desk.announced() == ()
    desk.report(analysed(desk.root))
    assert desk.store.state(ITEM) == "COMPLETED"


def test_a_claim_whose_job_is_gone_with_the_database_is_not_canceled(desk: Desk) -> None:
    desk.store.add(workitem(ITEM, STUDY))
    assert desk.announced() == (STUDY,)
    desk.feed = desk.opened()
    desk.report(None)
    assert desk.store.state(ITEM) == "IN PROGRESS"
    assert desk.announced() == (STUDY,)


@pytest.mark.parametrize("reached", [True, False])
def test_a_claim_whose_answer_was_lost_is_found_out_about(desk: Desk, reached: bool) -> None:
    desk.store.add(workitem(ITEM, STUDY))
    desk.store.status = 503
    with pytest.raises(TemporarilyUnavailable):
        desk.feed._claim(new_claim(ITEM, STUDY))
    if not reached:
        desk.store.workitems[ITEM].ProcedureStepState = "SCHEDULED"
        desk.store.transactions.clear()
    desk.store.status = None
    assert desk.announced() == (STUDY,)
    desk.report(analysed(desk.root))
    assert desk.store.state(ITEM) == "COMPLETED"


def test_an_end_that_could_not_be_told_is_told_later(desk: Desk) -> None:
    desk.store.add(workitem(ITEM, STUDY))
    desk.announced()
    desk.store.status = 503
    with pytest.raises(TemporarilyUnavailable):
        desk.report(analysed(desk.root))
    desk.store.status = None
    desk.report(analysed(desk.root))
    assert desk.store.state(ITEM) == "COMPLETED"


def test_a_workitem_that_somebody_else_has_ended_is_given_up(desk: Desk) -> None:
    desk.store.add(workitem(ITEM, STUDY))
    desk.announced()
    desk.store.workitems[ITEM].ProcedureStepState = "CANCELED"
    desk.report(Outcome(JobState.RUNNING))
    asked = len(desk.store.answers)
    desk.report(analysed(desk.root))
    assert len(desk.store.answers) == asked
    assert desk.store.state(ITEM) == "CANCELED"


def test_results_that_are_here_no_more_are_not_listed_and_the_workitem_is_complete(desk: Desk) -> None:
    desk.store.add(workitem(ITEM, STUDY))
    desk.announced()
    outcome = analysed(desk.root)
    (desk.root / outcome.objects[0].path).unlink()
    desk.report(outcome)
    assert desk.store.state(ITEM) == "COMPLETED"


def test_a_workitem_becomes_a_job_whose_end_closes_it(desk: Desk, bench: Bench, tmp_path: Path) -> None:
    bench.receive(write_study(tmp_path / "src", STUDY))
    desk.store.add(workitem(ITEM, STUDY))
    engine = bench.start()
    follow(desk.feed, bench.folder_archive, engine.submit, bench.analyses)
    record = bench.ended(bench.job(STUDY))
    with open_ledger(bench.url) as ledger:
        assert ledger.outcome_of("1.2.3") is None
        desk.feed.report(ledger.outcome_of, bench.root / "results")
    (performed,) = desk.store.workitems[ITEM].UnifiedProcedureStepPerformedProcedureSequence
    outputs = [
        o.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for o in performed.OutputInformationSequence
    ]
    assert outputs == [item.sop_instance_uid for item in record.outcome.objects]


def test_a_wrong_password_is_a_final_no(desk: Desk) -> None:
    desk.store.status = 401
    with pytest.raises(ArchiveRejected) as caught:
        desk.feed.poll()
    assert caught.value.code == "archive_denied"


ODD_WORKITEMS: dict[str, object] = {
    "null": None,
    "a text": "workitem",
    "a list": [{}],
    "no UID": {"00404021": {"vr": "SQ", "Value": []}},
    "UID is null": {"00080018": {"vr": "UI", "Value": [None]}},
    "UID leads elsewhere": {"00080018": {"vr": "UI", "Value": ["../studies"]}},
    "inputs are no list": {
        "00080018": {"vr": "UI", "Value": ["1.2.5"]},
        "00404021": {"vr": "SQ", "Value": {"0020000D": {"vr": "UI", "Value": ["1.2"]}}},
    },
    "inputs are null": {
        "00080018": {"vr": "UI", "Value": ["1.2.5"]},
        "00404021": {"vr": "SQ", "Value": [None, 7, []]},
    },
    "study is a number": {
        "00080018": {"vr": "UI", "Value": ["1.2.5"]},
        "00404021": {"vr": "SQ", "Value": [{"0020000D": {"vr": "UI", "Value": [12]}}]},
    },
}


@pytest.mark.parametrize("odd", ODD_WORKITEMS.values(), ids=ODD_WORKITEMS)
def test_an_odd_workitem_is_left_alone_and_the_others_are_done(
    odd: object, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.store.add(workitem(ITEM, STUDY))
    real = desk.store.search

    class Odd:
        def to_json_dict(self) -> object:
            return odd

    monkeypatch.setattr(desk.store, "search", lambda query: [Odd(), *real(query)])
    assert desk.announced() == (STUDY,)
    assert desk.announced() == ()
    assert desk.store.state(ITEM) == "IN PROGRESS"


def test_workitems_nobody_can_do_hold_up_no_other_however_many(desk: Desk) -> None:
    for number in range(60):
        desk.store.add(workitem(f"1.2.1.{number}", ""))
    for number in range(CLAIMS_PER_POLL + 5):
        desk.store.add(workitem(f"1.2.9.{number}", f"1.2.3.{number}"))
    assert len(desk.announced()) == CLAIMS_PER_POLL, "what is claimed here is done by nobody else"
    assert len(desk.announced()) == 5


def test_a_workitem_that_fails_holds_up_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for uid in ("1.2.1", "1.2.2", "1.2.3"):
        desk.store.add(workitem(uid, f"{uid}.9"))
    assert len(desk.announced()) == 3
    broken = {"1.2.1": 413, "1.2.2": 500}
    real = desk.store.update
    monkeypatch.setattr(desk.store, "update", lambda uid, *told: broken.get(uid) or real(uid, *told))
    with pytest.raises(TemporarilyUnavailable):
        desk.report(REFUSED)
    assert [desk.store.state(uid) for uid in ("1.2.1", "1.2.2", "1.2.3")] == [
        "IN PROGRESS",
        "IN PROGRESS",
        "CANCELED",
    ]
    broken.clear()
    desk.report(REFUSED)
    assert desk.store.state("1.2.2") == "CANCELED", "told later"
    assert desk.store.state("1.2.1") == "IN PROGRESS", "the worklist would not have it closed: it is logged"


def test_a_page_in_the_worklists_place_is_waited_out(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.ups_server.json.dumps", lambda _: "<html>please sign in</html>")
    desk.store.add(workitem(ITEM, STUDY))
    with pytest.raises(TemporarilyUnavailable) as caught:
        desk.feed.poll()
    assert caught.value.code == "archive_answer_unreadable"
