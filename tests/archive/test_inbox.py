"""Deliveries settle, crashes lose nothing."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from cvai.archive.folder import FolderArchive
from cvai.archive.inbox import AT_ONCE, InboxFeed
from cvai.archive.seen import SeenStudies
from tests.standin import derived_uid, memory_below, write_image, write_study

STUDY = derived_uid("inbox")


@dataclass
class Watch:
    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Inbox:
    root: Path

    def __post_init__(self) -> None:
        self.watch = Watch()
        self.archive = FolderArchive(self.root / "archive")
        self.folder = self.root / "inbox"
        self.feed = self.restarted()

    def restarted(self) -> InboxFeed:
        seen = SeenStudies(memory_below(self.root), "folder")
        return InboxFeed(self.folder, self.archive, seen, settle_s=5.0, clock=self.watch)

    def after(self, seconds: float) -> tuple[str, ...]:
        """What a poll announces this much later."""
        self.watch.now_s += seconds
        return self.feed.poll().study_uids


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path)


def test_a_delivery_is_taken_only_when_it_has_stood_still(inbox: Inbox) -> None:
    write_study(inbox.folder / "d", STUDY, 2)
    assert inbox.after(0) == ()
    assert inbox.after(4.9) == ()
    write_image(inbox.folder / "d", STUDY, 3)
    assert inbox.after(0.2) == (), "the third file started the wait anew"
    assert inbox.after(4.9) == ()
    assert inbox.after(0.2) == (STUDY,)
    assert len(inbox.archive.content(STUDY).instances) == 3


def test_a_file_that_still_grows_is_not_taken(inbox: Inbox) -> None:
    (path,) = write_study(inbox.folder / "d", STUDY, 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    inbox.after(0)
    inbox.after(4)
    path.write_bytes(whole)
    assert inbox.after(2) == ()
    assert inbox.after(5) == (STUDY,)


def test_one_delivery_still_arriving_does_not_hold_up_another(inbox: Inbox) -> None:
    other = derived_uid("other")
    write_study(inbox.folder / "done", STUDY, 2)
    inbox.after(0)
    write_study(inbox.folder / "arriving", other, 2)
    assert inbox.after(5) == (STUDY,)


def test_loose_files_and_nested_folders_are_delivered_too(inbox: Inbox) -> None:
    other = derived_uid("nested")
    write_study(inbox.folder, STUDY, 2)
    write_study(inbox.folder / "cd" / "IMAGES" / "S1", other, 2)
    inbox.after(0)
    assert set(inbox.after(5)) == {STUDY, other}
    assert list(inbox.folder.iterdir()) == [], "what was taken is gone from the inbox"


def test_what_systems_leave_beside_images_is_left_alone(inbox: Inbox) -> None:
    write_study(inbox.folder / "d", STUDY, 1)
    left = {inbox.folder / "d" / name for name in (".DS_Store", "DICOMDIR", "copying.part")}
    for path in left:
        path.write_bytes(b"x")
    inbox.after(0)
    assert inbox.after(5) == (STUDY,)
    assert set((inbox.folder / "d").iterdir()) == left


def test_a_crash_in_the_middle_of_a_move_loses_nothing(inbox: Inbox) -> None:
    paths = write_study(inbox.folder / "d", STUDY, 4)
    inbox.archive.take_in(paths[:2])  # as far as the crashed one came
    inbox.feed = inbox.restarted()
    assert inbox.after(0) == (STUDY,), "what has been moved is announced"
    assert inbox.after(5) == (STUDY,)
    assert len(inbox.archive.content(STUDY).instances) == 4


def test_a_study_put_into_the_archive_by_hand_is_announced(inbox: Inbox, tmp_path: Path) -> None:
    for path in write_study(tmp_path / "src", STUDY, 2):
        target = tmp_path / "archive" / STUDY / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    assert inbox.after(0) == (STUDY,)


def test_a_large_archive_is_announced_in_pieces_and_wholly(inbox: Inbox, tmp_path: Path) -> None:
    uids = {derived_uid("large", str(number)) for number in range(2 * AT_ONCE + 1)}
    for uid in uids:
        (tmp_path / "archive" / uid).mkdir(parents=True)
    seen: list[str] = []
    more = True
    while more:
        announcements = inbox.feed.poll()
        assert 0 < len(announcements.study_uids) <= AT_ONCE
        inbox.feed.acknowledge(announcements)
        seen.extend(announcements.study_uids)
        more = announcements.more
    assert len(seen) == len(uids)
    assert set(seen) == uids
    assert inbox.after(0) == ()


def test_many_deliveries_are_taken_in_pieces_and_wholly(inbox: Inbox) -> None:
    uids = [derived_uid("many", str(number)) for number in range(2 * AT_ONCE + 1)]
    for number, uid in enumerate(uids):
        write_study(inbox.folder / f"{number:03d}", uid, 1)
    inbox.after(0)
    inbox.watch.now_s += 5
    told, more = list[str](), True
    while more:
        announcements = inbox.feed.poll()
        assert len(announcements.study_uids) <= AT_ONCE
        inbox.feed.acknowledge(announcements)
        told, more = [*told, *announcements.study_uids], announcements.more
    assert told == uids, "in the order they are found in"


def test_many_deliveries_that_cannot_be_taken_do_not_hold_up_one_that_can(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(AT_ONCE + 1):
        write_study(inbox.folder / f"locked {number:03d}", derived_uid("locked", str(number)), 1)
    write_study(inbox.folder / "whole", STUDY, 1)
    take_in = inbox.archive.take_in

    def unless_locked(paths: Sequence[Path]) -> list[str]:
        if "locked" in paths[0].parent.name:
            raise PermissionError(13, "Permission denied")
        return take_in(paths)

    monkeypatch.setattr(inbox.archive, "take_in", unless_locked)
    inbox.after(0)
    assert inbox.after(5) == (STUDY,)


def test_looking_over_many_studies_takes_a_small_share_of_the_time(
    inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of very many studies takes two seconds to look over."""
    changes = inbox.archive.changes

    def slowly() -> Iterator[tuple[str, int]]:
        inbox.watch.now_s += 2
        return changes()

    monkeypatch.setattr(inbox.archive, "changes", slowly)
    assert inbox.after(0) == ()
    (tmp_path / "archive" / STUDY).mkdir(parents=True)
    delivered = derived_uid("delivered")
    write_study(inbox.folder / "d", delivered, 1)
    inbox.after(0)
    assert inbox.after(5) == (delivered,), "a delivery is known without looking over"
    inbox.feed.acknowledge(inbox.feed.poll())
    assert inbox.after(90) == ()
    assert inbox.after(5) == (STUDY,)


def test_a_study_that_goes_before_it_is_acknowledged_is_not_told_again(inbox: Inbox) -> None:
    write_study(inbox.folder / "d", STUDY, 1)
    inbox.after(0)
    assert inbox.after(5) == (STUDY,)
    shutil.rmtree(inbox.root / "archive" / STUDY)
    assert inbox.after(0) == ()


def test_what_is_remembered_holds_no_patient_data(inbox: Inbox, tmp_path: Path) -> None:
    write_study(inbox.folder / "Doe^John", STUDY, 1)
    inbox.after(0)
    inbox.watch.now_s += 5
    inbox.feed.acknowledge(inbox.feed.poll())
    with closing(sqlite3.connect(tmp_path / "seen.sqlite")) as remembered:
        rows = remembered.execute("SELECT study_uid FROM cvai_feed_studies").fetchall()
    assert rows == [(STUDY,)]
    assert b"Doe" not in (tmp_path / "seen.sqlite").read_bytes()
