"""Orthanc's traps, on a real Orthanc."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from cvai.archive.cursor import CursorFile
from cvai.archive.http import new_session
from cvai.archive.orthanc.archive import OrthancArchive, OrthancFeed
from cvai.archive.orthanc.rest import OrthancRest
from cvai.errors import ArchiveRejected, ConfigurationInvalid
from tests.orthanc import PASSWORD, USERNAME, Orthanc, needs_orthanc
from tests.process import eventually
from tests.standin import derived_uid, write_image, write_study

pytestmark = [needs_orthanc, pytest.mark.orthanc]


@pytest.fixture
def study_uid(request: pytest.FixtureRequest) -> str:
    return derived_uid(request.node.nodeid)


@pytest.fixture(autouse=True)
def _asked_at_every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvai.archive.orthanc.archive.ASKED_EVERY_S", 0.0)


def feed_of(
    orthanc: Orthanc,
    tmp_path: Path,
    *,
    from_now: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> OrthancFeed:
    rest = OrthancRest(orthanc.url, new_session(USERNAME, PASSWORD), timeout_s=10)
    return OrthancFeed(rest, CursorFile(tmp_path / "cursor.json"), from_now, clock)


def settled(feed: OrthancFeed) -> tuple[str, ...]:
    announcements = feed.poll()
    feed.acknowledge(announcements)
    return announcements.study_uids


def test_a_study_whose_ageing_orthanc_forgot_by_dying_is_announced_all_the_same(
    orthanc: Orthanc, tmp_path: Path, study_uid: str
) -> None:
    feed = feed_of(orthanc, tmp_path)
    orthanc.stow(write_study(tmp_path / "src", study_uid))
    assert settled(feed) == (), "it is still ageing"
    orthanc.kill()
    orthanc.start()
    changes = orthanc.session.get(f"{orthanc.url}/changes", timeout=10).json()["Changes"]
    assert "StableStudy" not in {change["ChangeType"] for change in changes}
    assert eventually(lambda: settled(feed), "the announcement") == (study_uid,)


def stable_changes(orthanc: Orthanc) -> int:
    changes = orthanc.session.get(f"{orthanc.url}/changes", timeout=10).json()["Changes"]
    return sum(change["ChangeType"] == "StableStudy" for change in changes)


def told_and_stable(orthanc: Orthanc, feed: OrthancFeed, paths: list[Path]) -> None:
    """Received, announced, and called stable by a change that has been read."""
    orthanc.stow(paths)
    eventually(lambda: settled(feed), "the announcement")
    eventually(lambda: stable_changes(orthanc), "the change")
    settled(feed)


@pytest.mark.parametrize("feed_too", [False, True], ids=["orthanc", "orthanc and the feed"])
def test_a_late_slice_that_orthanc_forgot_by_dying_is_announced_all_the_same(
    orthanc: Orthanc, tmp_path: Path, study_uid: str, feed_too: bool
) -> None:
    feed = feed_of(orthanc, tmp_path)
    told_and_stable(orthanc, feed, write_study(tmp_path / "src", study_uid, 3))
    orthanc.stow([write_image(tmp_path / "late", study_uid, 4)])
    orthanc.kill()
    orthanc.start()
    if feed_too:
        feed = feed_of(orthanc, tmp_path)
    assert eventually(lambda: settled(feed), "the announcement") == (study_uid,)
    assert stable_changes(orthanc) == 1, "Orthanc itself never tells"
    assert settled(feed) == settled(feed_of(orthanc, tmp_path)) == ()


def test_a_late_slice_that_was_read_of_before_orthanc_died_is_announced_all_the_same(
    orthanc: Orthanc, tmp_path: Path, study_uid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = feed_of(orthanc, tmp_path)
    told_and_stable(orthanc, feed, write_study(tmp_path / "src", study_uid, 3))
    now_s = time.monotonic()
    feed = feed_of(orthanc, tmp_path, clock=lambda: now_s)
    settled(feed)
    orthanc.stow([write_image(tmp_path / "late", study_uid, 4)])
    monkeypatch.setattr("cvai.archive.orthanc.archive.ASKED_EVERY_S", 5.0)
    for _ in range(3):
        assert settled(feed) == (), "the change has been read, and its study is not asked about yet"
    orthanc.kill()
    orthanc.start()
    assert settled(feed) == ()
    now_s += 6
    assert settled(feed) == (study_uid,)


def test_what_was_stable_before_orthanc_died_is_not_announced_again(
    orthanc: Orthanc, tmp_path: Path, study_uid: str
) -> None:
    feed = feed_of(orthanc, tmp_path)
    told_and_stable(orthanc, feed, write_study(tmp_path / "src", study_uid))
    orthanc.kill()
    orthanc.start()
    assert settled(feed) == settled(feed_of(orthanc, tmp_path)) == ()


def test_a_backlog_that_orthanc_forgot_by_dying_is_left_alone_all_the_same(
    orthanc: Orthanc, tmp_path: Path, study_uid: str
) -> None:
    orthanc.stow(write_study(tmp_path / "src", study_uid))
    feed = feed_of(orthanc, tmp_path, from_now=True)
    settled(feed)
    orthanc.kill()
    orthanc.start()
    assert settled(feed_of(orthanc, tmp_path, from_now=True)) == ()


def test_an_orthanc_set_up_anew_is_followed_from_its_beginning(
    orthanc: Orthanc, tmp_path: Path, study_uid: str
) -> None:
    CursorFile(tmp_path / "cursor.json").save({"since": 100_000, "watched": []})
    orthanc.stow(write_study(tmp_path / "src", study_uid))
    feed = feed_of(orthanc, tmp_path)
    assert eventually(lambda: settled(feed), "the announcement") == (study_uid,)


def test_more_changes_than_one_page_are_all_read(
    orthanc: Orthanc, tmp_path: Path, study_uid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cvai.archive.orthanc.rest.CHANGES_PAGE", 2)
    uids = {derived_uid(study_uid, str(number)) for number in range(3)}
    for uid in uids:
        orthanc.stow(write_study(tmp_path / uid, uid))
    feed = feed_of(orthanc, tmp_path)
    seen: set[str] = set()

    def all_seen() -> bool:
        announcements = feed.poll()
        feed.acknowledge(announcements)
        seen.update(announcements.study_uids)
        return seen == uids and not announcements.more

    eventually(all_seen, "all three studies", timeout_s=20)


def test_a_backlog_is_left_alone_when_asked_for_and_a_late_slice_is_not(
    orthanc: Orthanc, tmp_path: Path, study_uid: str
) -> None:
    orthanc.stow(write_study(tmp_path / "src", study_uid))
    every = feed_of(orthanc, tmp_path / "every")
    eventually(lambda: settled(every), "the study to settle", timeout_s=10)
    new = feed_of(orthanc, tmp_path, from_now=True)
    assert settled(new) == ()
    orthanc.stow([write_image(tmp_path / "late", study_uid, 4)])
    assert eventually(lambda: settled(new), "the late slice", timeout_s=10) == (study_uid,)


def test_a_deleted_study_is_not_announced_and_not_waited_for(
    orthanc: Orthanc, tmp_path: Path, study_uid: str
) -> None:
    feed = feed_of(orthanc, tmp_path)
    orthanc.stow(write_study(tmp_path / "src", study_uid))
    feed.acknowledge(feed.poll())
    (identifier,) = orthanc.session.get(f"{orthanc.url}/studies", timeout=10).json()
    orthanc.session.delete(f"{orthanc.url}/studies/{identifier}", timeout=10).raise_for_status()
    announcements = feed.poll()
    assert announcements.study_uids == ()
    assert announcements.cursor["watched"] == []


def test_a_wrong_password_is_a_final_no_with_a_hint(orthanc: Orthanc) -> None:
    session = new_session(USERNAME, "wrong")
    archive = OrthancArchive(OrthancRest(orthanc.url, session, 10), session, 10, "/dicom-web")
    with pytest.raises(ArchiveRejected) as caught:
        archive.probe()
    assert caught.value.code == "archive_denied"
    assert "password" in caught.value.hint


def test_the_cursor_of_another_feed_is_not_taken_for_ones_own(orthanc: Orthanc, tmp_path: Path) -> None:
    CursorFile(tmp_path / "cursor.json").save({"since": "yesterday"})
    with pytest.raises(ConfigurationInvalid, match="not one of Orthanc"):
        feed_of(orthanc, tmp_path)


def test_what_is_received_again_under_its_uid_is_other_content(
    orthanc: Orthanc, tmp_path: Path, study_uid: str
) -> None:
    session = new_session(USERNAME, PASSWORD)
    archive = OrthancArchive(OrthancRest(orthanc.url, session, 10), session, 10, "/dicom-web/")
    paths = write_study(tmp_path / "src", study_uid)
    orthanc.stow(paths)
    first = archive.content(study_uid)
    assert all(instance.fingerprint for instance in first.instances)
    assert archive.content(study_uid).digest == first.digest
    corrected = dcmread(paths[0])
    corrected.PatientBirthDate = "19610203"
    corrected.save_as(paths[0])
    query = {"Level": "Instance", "Query": {"SOPInstanceUID": corrected.SOPInstanceUID}}
    (kept,) = orthanc.session.post(f"{orthanc.url}/tools/find", json=query, timeout=10).json()
    orthanc.session.delete(f"{orthanc.url}/instances/{kept}", timeout=10).raise_for_status()
    orthanc.stow(paths[:1])
    second = archive.content(study_uid)
    assert second.sop_instance_uids == first.sop_instance_uids
    assert second.digest != first.digest
    assert not second.is_as(first.digest)
