"""The feed by QIDO-RS: nothing is missed, whatever the order things arrive in and whatever clocks say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from cvai.archive import qido
from cvai.archive.content import StudyCount
from cvai.archive.dicomweb import DicomwebArchive
from cvai.archive.http import new_session
from cvai.archive.qido import AT_ONCE, PAGE, WATCHED_AT_MOST, QidoFeed
from cvai.archive.seen import SeenStudies
from tests.orthanc import PASSWORD, USERNAME, Orthanc, needs_orthanc
from tests.process import eventually
from tests.standin import derived_uid, memory_below, write_study

SETTLE_S = 5.0
TODAY = date(2026, 3, 1)


@dataclass
class Shelf:
    """A list of studies that answers as QIDO-RS does: filters, limit, offset."""

    counts: dict[str, int] = field(default_factory=dict)
    dates: dict[str, str] = field(default_factory=dict)
    longest_answer: int = PAGE
    knows_offset: bool = True
    asked: int = 0

    def search(self, filters: Mapping[str, str], limit: int, offset: int) -> tuple[StudyCount, ...]:
        self.asked += 1
        matching = [uid for uid in self.counts if self._matches(uid, filters)]
        start = offset if self.knows_offset else 0
        chosen = matching[start : start + min(limit, self.longest_answer)]
        return tuple(StudyCount(uid, self.counts[uid]) for uid in chosen)

    def receive(self, study_uid: str, study_date: date | None = TODAY) -> None:
        self.counts[study_uid] = self.counts.get(study_uid, 0) + 1
        self.dates[study_uid] = "" if study_date is None else f"{study_date:%Y%m%d}"

    def _matches(self, uid: str, filters: Mapping[str, str]) -> bool:
        since = filters.get("StudyDate", "-").removesuffix("-")
        return filters.get("StudyInstanceUID", uid) == uid and self.dates[uid] >= since


@dataclass
class Follower:
    """A service in miniature: polls, notes what it was told, acknowledges, and may start anew."""

    root: Path
    shelf: Shelf
    older: bool = True
    now_s: float = 0.0
    told: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.feed = QidoFeed(
            self.shelf,
            SeenStudies(memory_below(self.root), "dicomweb"),
            settle_s=SETTLE_S,
            look_back_days=3,
            older=self.older,
            clock=lambda: self.now_s,
            today=lambda: TODAY,
        )

    def look(self, after_s: float = 0.0, acknowledge: bool = True) -> tuple[str, ...]:
        self.now_s += after_s
        announcements = self.feed.poll()
        if acknowledge:
            self.told |= {uid: self.shelf.counts[uid] for uid in announcements.study_uids}
            self.feed.acknowledge(announcements)
        return announcements.study_uids

    def look_long(self) -> None:
        for _ in range(60):
            self.look(after_s=SETTLE_S / 2)


@pytest.fixture
def follower(tmp_path: Path) -> Follower:
    return Follower(tmp_path, Shelf())


def test_a_study_is_told_once_its_count_has_stood_still(follower: Follower) -> None:
    follower.shelf.receive("1.1")
    assert follower.look() == ()
    assert follower.look(after_s=4.9) == ()
    follower.shelf.receive("1.1")
    assert follower.look(after_s=0.2) == (), "the second instance started the wait anew"
    assert follower.look(after_s=4.9) == ()
    assert follower.look(after_s=0.2) == ("1.1",)
    assert follower.look(after_s=100) == ()


def test_an_instance_that_arrives_between_two_looks_is_noticed_before_the_study_is_told(
    follower: Follower,
) -> None:
    follower.shelf.receive("1.1")
    follower.look()
    follower.now_s += SETTLE_S
    follower.shelf.receive("1.1")
    assert follower.look() == (), "asked again at the last moment, it had changed"
    assert follower.look(after_s=SETTLE_S) == ("1.1",)


def test_a_study_that_has_changed_by_the_time_it_is_due_is_not_told_though_no_page_showed_it(
    follower: Follower,
) -> None:
    follower.shelf.receive("1.1")
    follower.shelf.receive("1.2", TODAY - timedelta(days=400))
    follower.look()
    follower.look()
    follower.shelf.receive("1.2", TODAY - timedelta(days=400))
    assert follower.look(after_s=SETTLE_S) == ("1.1",), "this page was of recent studies only"


@pytest.mark.parametrize(
    "study_date", [TODAY + timedelta(days=400), TODAY - timedelta(days=9000), None], ids=str
)
def test_a_study_of_any_date_is_told(follower: Follower, study_date: date | None) -> None:
    follower.shelf.receive("1.1", study_date)
    follower.look_long()
    assert follower.told == {"1.1": 1}


def test_older_studies_are_left_alone_when_asked_for(tmp_path: Path) -> None:
    follower = Follower(tmp_path, Shelf(), older=False)
    follower.shelf.receive("1.1", TODAY - timedelta(days=4))
    follower.shelf.receive("1.2", TODAY - timedelta(days=3))
    follower.look_long()
    assert follower.told == {"1.2": 1}


@pytest.mark.parametrize(("longest_answer", "knows_offset"), [(7, True), (PAGE, False)])
def test_an_archive_with_limits_of_its_own_is_read_to_its_end(
    tmp_path: Path, longest_answer: int, knows_offset: bool
) -> None:
    shelf = Shelf(longest_answer=longest_answer, knows_offset=knows_offset)
    follower = Follower(tmp_path, shelf)
    for number in range(40):
        shelf.receive(f"1.{number}")
    follower.look_long()
    assert len(follower.told) == 40


def test_a_large_backlog_is_told_in_pieces_and_the_archive_is_not_pressed(follower: Follower) -> None:
    for number in range(2 * PAGE + 1):
        follower.shelf.receive(f"1.{number}")
    while len(follower.told) < 2 * PAGE + 1:
        before = follower.shelf.asked
        assert len(follower.look(after_s=1.0)) <= AT_ONCE
        assert follower.shelf.asked - before <= AT_ONCE + 2
        assert len(follower.feed._watched) <= PAGE + WATCHED_AT_MOST


def test_a_study_that_was_deleted_while_it_settled_is_forgotten(follower: Follower) -> None:
    follower.shelf.receive("1.1")
    follower.look()
    follower.shelf.counts.clear()
    assert follower.look(after_s=SETTLE_S) == ()
    assert follower.feed._watched == {}


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("receive"), st.integers(0, 4), st.sampled_from([-400, -2, 0, 1, 400])),
        st.tuples(st.just("look"), st.sampled_from([0.0, 1.0, SETTLE_S]), st.booleans()),
        st.just(("restart",)),
    ),
    max_size=40,
)


@given(events=EVENTS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_study_is_told_with_all_its_instances_whatever_happens_in_between(
    events: list[tuple[object, ...]],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(qido, "PAGE", 2)
    follower = Follower(tmp_path_factory.mktemp("qido"), Shelf())
    for name, *arguments in events:
        if name == "receive":
            number, days = arguments
            follower.shelf.receive(f"1.{number}", TODAY + timedelta(days=days))
        elif name == "look":
            follower.look(*arguments)
        else:
            follower.restart()
    follower.look_long()
    assert follower.told == follower.shelf.counts


@needs_orthanc
@pytest.mark.orthanc
def test_an_orthanc_known_by_its_dicomweb_root_tells_studies_of_any_date(
    orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qido, "PAGE", 2)
    study_dates = ["20260301", "", "19990101", "20991231", "20260228"]
    for study_date in study_dates:
        study_uid = derived_uid("qido", study_date)
        paths = write_study(tmp_path / study_uid, study_uid, 2)
        for path in paths:
            dated = dcmread(path)
            dated.StudyDate = study_date
            dated.save_as(path)
        orthanc.stow(paths)
    archive = DicomwebArchive(f"{orthanc.url}/dicom-web", new_session(USERNAME, PASSWORD), timeout_s=10)
    seen = SeenStudies(memory_below(tmp_path), "dicomweb")
    feed = QidoFeed(archive, seen, settle_s=0.2, look_back_days=3, older=True, today=lambda: TODAY)
    told: set[str] = set()

    def all_told() -> bool:
        announcements = feed.poll()
        feed.acknowledge(announcements)
        told.update(announcements.study_uids)
        return len(told) == len(study_dates)

    eventually(all_told, "all studies", timeout_s=20)
    assert told == {derived_uid("qido", study_date) for study_date in study_dates}
