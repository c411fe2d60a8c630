"""The feed by QIDO-RS: nothing is missed, whatever the order things arrive in and whatever clocks say."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from cvai.archive.dicomweb import qido
from cvai.archive.dicomweb.archive import DicomwebArchive
from cvai.archive.dicomweb.qido import AT_ONCE, COUNTED_AT_ONCE, PAGE, WATCHED_AT_MOST, QidoFeed, StudyPage
from cvai.archive.http import new_session
from cvai.archive.seen import SeenStudies
from cvai.errors import ArchiveRejected, CvaiError, TemporarilyUnavailable
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
    beyond_end: Literal["nothing", "the same", "from the start"] = "nothing"
    tells_counts: bool = True
    knows_study_filter: bool = True
    trouble: dict[str, CvaiError] = field(default_factory=dict)
    asked: int = 0

    def search(self, filters: Mapping[str, str], limit: int, offset: int) -> StudyPage:
        self.asked += 1
        matching = [uid for uid in self.counts if self._matches(uid, filters)]
        if self.beyond_end == "from the start" and matching:
            start = offset % len(matching)
            matching += matching
        else:
            start = 0 if self.beyond_end == "the same" else offset
        chosen = matching[start : start + min(limit, self.longest_answer)]
        return StudyPage(
            {uid: self.counts[uid] if self.tells_counts else None for uid in chosen}, len(chosen)
        )

    def count(self, study_uid: str) -> int:
        self.asked += 1
        if study_uid in self.trouble:
            raise self.trouble[study_uid]
        return self.counts.get(study_uid, 0)

    def receive(self, study_uid: str, study_date: date | None = TODAY) -> None:
        self.counts[study_uid] = self.counts.get(study_uid, 0) + 1
        self.dates[study_uid] = "" if study_date is None else f"{study_date:%Y%m%d}"

    def _matches(self, uid: str, filters: Mapping[str, str]) -> bool:
        since = filters.get("StudyDate", "-").removesuffix("-")
        wanted = filters.get("StudyInstanceUID", uid) if self.knows_study_filter else uid
        return wanted == uid and self.dates[uid] >= since


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


@pytest.mark.parametrize(
    ("longest_answer", "beyond_end"),
    [(7, "nothing"), (PAGE, "the same"), (PAGE, "from the start"), (7, "from the start")],
)
def test_an_archive_with_limits_of_its_own_is_read_to_its_end(
    tmp_path: Path, longest_answer: int, beyond_end: Literal["nothing", "the same", "from the start"]
) -> None:
    shelf = Shelf(longest_answer=longest_answer, beyond_end=beyond_end)
    follower = Follower(tmp_path, shelf)
    for number in range(40):
        shelf.receive(f"1.{number}")
    shelf.receive("1.99", TODAY - timedelta(days=400))
    follower.look_long()
    assert len(follower.told) == 41, "also the old one, which is asked for at the end of a round alone"


def test_studies_whose_number_is_not_told_are_counted_a_few_at_a_time(tmp_path: Path) -> None:
    shelf = Shelf(tells_counts=False)
    follower = Follower(tmp_path, shelf)
    for number in range(3 * COUNTED_AT_ONCE):
        shelf.receive(f"1.{number}")
    for _ in range(40):
        before = shelf.asked
        follower.look(after_s=SETTLE_S / 2)
        assert shelf.asked - before <= 1 + COUNTED_AT_ONCE + 2 * AT_ONCE
    assert follower.told == shelf.counts


def test_an_archive_that_does_not_know_the_filter_of_one_study_is_followed_all_the_same(
    tmp_path: Path,
) -> None:
    shelf = Shelf(knows_study_filter=False)
    follower = Follower(tmp_path, shelf)
    for number in range(5):
        shelf.receive(f"1.{number}")
    follower.look_long()
    assert follower.told == shelf.counts


@pytest.mark.parametrize(
    "trouble",
    [ArchiveRejected("archive_rejected", "no."), TemporarilyUnavailable("archive_busy", "later.")],
    ids=lambda error: error.code,
)
def test_a_study_the_archive_cannot_be_asked_about_holds_up_no_other_and_is_taken_up_later(
    tmp_path: Path, trouble: CvaiError
) -> None:
    shelf = Shelf(tells_counts=False, trouble={"1.2": trouble})
    follower = Follower(tmp_path, shelf)
    for number in range(5):
        shelf.receive(f"1.{number}")
    for _ in range(40):
        with suppress(TemporarilyUnavailable):
            follower.look(after_s=SETTLE_S / 2)
    assert follower.told.keys() == {"1.0", "1.1", "1.3", "1.4"}
    shelf.trouble.clear()
    follower.look_long()
    assert follower.told == shelf.counts


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


@pytest.mark.slow
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
