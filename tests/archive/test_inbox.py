"""Deliveries settle, crashes lose nothing."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cvai.archive.folder.archive import FolderArchive
from cvai.archive.folder.inbox import AT_ONCE, RETRY_AFTER_S, SETTLE_PATIENCE, InboxFeed, obstacles_in
from cvai.archive.seen import SeenStudies
from tests.faults import NOBODY, as_nobody
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

    def unless_locked(paths: Sequence[Path], copied: Collection[Path]) -> list[str]:
        if "locked" in paths[0].parent.name:
            raise PermissionError(13, "Permission denied")
        return take_in(paths, copied)

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


@pytest.fixture
def shared(inbox: Inbox) -> Inbox:
    """An inbox of a service without special rights, in folders that it may enter."""
    for folder in (inbox.root, *inbox.root.parents[:3]):
        if folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    inbox.folder.mkdir()
    return inbox


def give_to_nobody(root: Path) -> None:
    """As a service without special rights would have made it; root keeps nothing."""
    if os.getuid() == 0:
        for folder, _, names in os.walk(root):
            for path in (Path(folder), *(Path(folder) / name for name in names)):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def taken(inbox: Inbox, patience_s: float = 5) -> tuple[str, ...]:
    """What is announced of what lies there, by a service without special rights."""
    give_to_nobody(inbox.root)
    with as_nobody():
        inbox.after(0)
        return inbox.after(patience_s)


def reasons(inbox: Inbox) -> list[tuple[str, str]]:
    return sorted((obstacle.kind, obstacle.reason) for obstacle in inbox.feed.obstacles.present)


@pytest.mark.parametrize("mode", [0o000, 0o600, 0o300])
def test_a_folder_that_may_not_be_looked_into_holds_up_no_other(shared: Inbox, mode: int) -> None:
    write_study(shared.folder / "a locked", derived_uid("locked"), 2)
    write_study(shared.folder / "whole", STUDY, 2)
    give_to_nobody(shared.root)
    (shared.folder / "a locked").chmod(mode)
    assert taken(shared) == (STUDY,)
    assert reasons(shared) == [("folder", "Permission denied")]
    (shared.folder / "a locked").chmod(0o700)
    with as_nobody():
        shared.after(0)
        assert derived_uid("locked") in shared.after(5)
    assert reasons(shared) == []


def test_a_file_that_may_not_be_read_holds_up_its_own_folder_and_no_other(shared: Inbox) -> None:
    paths = write_study(shared.folder / "a locked", derived_uid("locked"), 2)
    write_study(shared.folder / "whole", STUDY, 2)
    paths[0].chmod(0)
    assert taken(shared) == (STUDY,)
    (obstacle,) = shared.feed.obstacles.present
    assert (obstacle.kind, obstacle.files, obstacle.unreadable) == ("folder", 2, 1)
    assert all(path.exists() for path in paths), "a part of the delivery is not taken for all of it"
    paths[0].chmod(0o600)
    with as_nobody():
        assert derived_uid("locked") not in shared.after(RETRY_AFTER_S - 10), "it waits"
        assert derived_uid("locked") in shared.after(20)


def test_a_loose_file_that_may_not_be_read_does_not_hold_up_those_beside_it(shared: Inbox) -> None:
    write_study(shared.folder, STUDY, 2)
    late = write_image(shared.folder, STUDY, 3)
    late.chmod(0)
    taken(shared)
    with as_nobody():
        assert shared.after(1) == (STUDY,)
    assert len(shared.archive.content(STUDY).instances) == 2
    assert reasons(shared) == [("file", "Permission denied")]
    late.chmod(0o600)
    with as_nobody():
        shared.after(RETRY_AFTER_S)
    assert len(shared.archive.content(STUDY).instances) == 3


def test_a_loose_file_that_never_stops_growing_does_not_hold_up_those_beside_it(inbox: Inbox) -> None:
    write_study(inbox.folder, STUDY, 2)
    growing, told = inbox.folder / "growing", tuple[str, ...]()
    for second in range(SETTLE_PATIENCE * 5 + 1):
        growing.write_bytes(bytes(second + 1))
        if second < SETTLE_PATIENCE * 5:
            assert inbox.after(1) == (), "for all that anybody knows it is of the same study"
        else:
            told = inbox.after(1)
    assert told == (STUDY,)
    assert reasons(inbox) == [("file", "keeps changing")]
    assert growing.exists()


def test_loose_files_that_come_one_after_the_other_are_taken_together(inbox: Inbox) -> None:
    for number in range(1, 60):
        write_image(inbox.folder, STUDY, number)
        assert inbox.after(1) == ()
    inbox.after(0)
    assert inbox.after(5) == (STUDY,)
    assert len(inbox.archive.content(STUDY).instances) == 59


def test_a_folder_that_never_stops_changing_is_told_of(inbox: Inbox) -> None:
    write_study(inbox.folder / "whole", STUDY, 1)
    told = list[str]()
    for second in range(SETTLE_PATIENCE * 5 + 2):
        (inbox.folder / "growing").mkdir(exist_ok=True)
        (inbox.folder / "growing" / "file").write_bytes(bytes(second + 1))
        told += inbox.after(1)
    assert STUDY in told
    assert reasons(inbox) == [("folder", "keeps changing")]


def test_what_is_no_file_is_left_alone_and_told_of(inbox: Inbox) -> None:
    for folder in (inbox.folder, inbox.folder / "d"):
        write_study(folder, STUDY if folder == inbox.folder else derived_uid("d"), 2)
        os.mkfifo(folder / "pipe.dcm")
        (folder / "link.dcm").symlink_to("nowhere")
        (folder / "itself.dcm").symlink_to("itself.dcm")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(inbox.folder / "s"))
        inbox.after(0)
        assert set(inbox.after(5)) == {STUDY, derived_uid("d")}
        inbox.after(5)
    link, pipe = ("link", "link to nothing"), ("pipe", "no file")
    assert reasons(inbox) == [link] * 4 + [pipe] * 2 + [("socket", "no file")]


def test_what_cannot_be_taken_is_told_once_and_not_by_its_name(inbox: Inbox) -> None:
    inbox.folder.mkdir()
    os.mkfifo(inbox.folder / "Doe^John")
    with capture_logs() as lines:
        for _ in range(5):
            inbox.after(1)
    (line,) = lines
    assert line["event"] == "delivery_not_taken"
    assert line["inode"] == (inbox.folder / "Doe^John").lstat().st_ino
    assert "Doe" not in str(line)
    assert obstacles_in(inbox.folder) == inbox.feed.obstacles.present


def test_what_lies_behind_a_link_is_copied_and_the_link_removed(inbox: Inbox, tmp_path: Path) -> None:
    uids = [derived_uid("link", str(number)) for number in range(3)]
    originals = [write_study(tmp_path / "elsewhere" / uid, uid, 2) for uid in uids]
    inbox.folder.mkdir()
    (inbox.folder / "folder").symlink_to(originals[0][0].parent)
    (inbox.folder / "inner").mkdir()
    (inbox.folder / "inner" / "folder").symlink_to(originals[1][0].parent)
    for path in originals[2]:
        (inbox.folder / path.name).symlink_to(path)
    inbox.after(0)
    assert set(inbox.after(5)) == set(uids)
    assert all(len(inbox.archive.content(uid).instances) == 2 for uid in uids)
    assert all(path.exists() for paths in originals for path in paths)
    assert list(inbox.folder.iterdir()) == []
    assert not any(path.is_symlink() for path in (inbox.root / "archive").rglob("*"))


def test_links_in_a_circle_end(inbox: Inbox) -> None:
    write_study(inbox.folder / "d", STUDY, 2)
    (inbox.folder / "d" / "up").symlink_to(inbox.folder)
    (inbox.folder / "d" / "self").symlink_to(inbox.folder / "d")
    inbox.after(0)
    assert inbox.after(5) == (STUDY,)
    assert len(inbox.archive.content(STUDY).instances) == 2
