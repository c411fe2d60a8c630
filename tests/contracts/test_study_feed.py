"""The promises of ``cvai.archive.port.StudyFeed``, kept by every filling."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cvai.archive.port import Announcements, StudyFeed
from tests.contracts.conftest import Place
from tests.standin import derived_uid, write_image, write_segmentation, write_study


@pytest.fixture
def study_uid(request: pytest.FixtureRequest) -> str:
    return derived_uid(request.node.nodeid)


def next_announcements(feed: StudyFeed, awaited: Callable[[Announcements], bool]) -> Announcements:
    """Poll and acknowledge as a service does, up to the first announcements that are awaited."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        announcements = feed.poll()
        if awaited(announcements):
            return announcements
        feed.acknowledge(announcements)
        time.sleep(0.05)
    raise TimeoutError("nothing was announced")


def tells(study_uid: str) -> Callable[[Announcements], bool]:
    return lambda announcements: study_uid in announcements.study_uids


def told_within(seconds: float, feed: StudyFeed, study_uid: str) -> bool:
    """Whether the study is announced in this time, which is enough for any of the places to settle."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if study_uid in feed.poll().study_uids:
            return True
        time.sleep(0.05)
    return False


def acknowledge_until_quiet(feed: StudyFeed, study_uid: str) -> None:
    """Until the archive has stopped speaking of the study.

    Orthanc says that a study is stable when it is asked, and a moment later in its changes.
    """
    begun_s = told_s = time.monotonic()
    while time.monotonic() < min(told_s + 0.6, begun_s + 10):
        announcements = feed.poll()
        if study_uid in announcements.study_uids:
            told_s = time.monotonic()
        feed.acknowledge(announcements)
        time.sleep(0.05)


def test_a_received_study_is_announced_with_all_its_instances(
    place: Place, study_uid: str, tmp_path: Path
) -> None:
    feed = place.feed()
    place.receive(write_study(tmp_path / "src", study_uid, 4))
    next_announcements(feed, tells(study_uid))
    assert len(place.archive.content(study_uid).sources) == 4


def test_what_was_not_acknowledged_is_told_again_also_after_a_restart(
    place: Place, study_uid: str, tmp_path: Path
) -> None:
    feed = place.feed()
    place.receive(write_study(tmp_path / "src", study_uid))
    next_announcements(feed, tells(study_uid))
    assert study_uid in feed.poll().study_uids
    next_announcements(place.feed(), tells(study_uid))


def test_what_was_acknowledged_is_not_told_again_also_after_a_restart(
    place: Place, study_uid: str, tmp_path: Path
) -> None:
    feed = place.feed()
    place.receive(write_study(tmp_path / "src", study_uid))
    feed.acknowledge(next_announcements(feed, tells(study_uid)))
    acknowledge_until_quiet(feed, study_uid)
    assert not told_within(0.6, feed, study_uid)
    assert not told_within(0.6, place.feed(), study_uid)


def test_a_late_slice_makes_its_study_settle_again(place: Place, study_uid: str, tmp_path: Path) -> None:
    feed = place.feed()
    place.receive(write_study(tmp_path / "src", study_uid, 3))
    feed.acknowledge(next_announcements(feed, tells(study_uid)))
    place.receive([write_image(tmp_path / "late", study_uid, 4)])
    next_announcements(feed, tells(study_uid))
    assert len(place.archive.content(study_uid).sources) == 4


def test_a_stored_result_leaves_the_study_what_it_was(place: Place, study_uid: str, tmp_path: Path) -> None:
    feed = place.feed()
    place.receive(write_study(tmp_path / "src", study_uid))
    feed.acknowledge(next_announcements(feed, tells(study_uid)))
    digest = place.archive.content(study_uid).digest
    place.archive.store(study_uid, [write_segmentation(tmp_path / "out", study_uid)])
    next_announcements(feed, tells(study_uid))
    assert place.archive.content(study_uid).digest == digest


def test_several_studies_are_all_announced(place: Place, study_uid: str, tmp_path: Path) -> None:
    uids = {derived_uid(study_uid, name) for name in ("first", "second", "third")}
    feed = place.feed()
    for uid in uids:
        place.receive(write_study(tmp_path / uid, uid, 2))
    seen: set[str] = set()

    def all_seen(announcements: Announcements) -> bool:
        seen.update(announcements.study_uids)
        return uids <= seen

    next_announcements(feed, all_seen)
