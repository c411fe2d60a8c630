"""Answers of an Orthanc that make no sense: each costs its own part, and the feed goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cvai.archive.cursor import CursorFile
from cvai.archive.http import new_session
from cvai.archive.orthanc.archive import OrthancArchive, OrthancFeed
from cvai.archive.orthanc.rest import OrthancRest
from cvai.errors import TemporarilyUnavailable
from tests.loopback import serving

STUDY, OTHER = "1.2.3", "1.2.4"


@dataclass
class Told:
    """What the server answers, by path; a number is a status, bytes are sent as they are."""

    changes: list[object] = field(default_factory=list)
    resources: dict[str, object] = field(default_factory=dict)
    page: object = None
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> object:
        bare, _, query = path.partition("?")
        self.asked.append(bare)
        if bare != "/changes":
            return self.resources.get(bare, 404)
        if self.page is not None:
            return self.page
        since = int(query.partition("since=")[2].partition("&")[0] or 0)
        return {"Changes": self.changes[since:], "Last": len(self.changes), "Done": True}


class Server(ThreadingHTTPServer):
    told: Told


class Handler(BaseHTTPRequestHandler):
    server: Server
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        answer = self.server.told.answer(self.path)
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(answer if isinstance(answer, int) else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the base class looks for these names

    def log_message(self, *_: object) -> None:
        pass


def study(uid: str, stable: bool = True) -> dict[str, object]:
    return {"IsStable": stable, "MainDicomTags": {"StudyInstanceUID": uid}, "Series": []}


def change(identifier: object, kind: object = "StableStudy") -> dict[str, object]:
    return {"ChangeType": kind, "ID": identifier, "Seq": 1, "ResourceType": "Study"}


@pytest.fixture
def told() -> Iterator[Told]:
    server = Server(("127.0.0.1", 0), Handler)
    server.told = Told(resources={"/studies/a-1": study(STUDY), "/studies/a-2": study(OTHER)})
    with serving(server) as url:
        server.told.url = url  # type: ignore[attr-defined]
        yield server.told


@pytest.fixture(autouse=True)
def _asked_at_every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvai.archive.orthanc.archive.ASKED_EVERY_S", 0.0)


def rest_of(told: Told) -> OrthancRest:
    return OrthancRest(told.url, new_session(), timeout_s=5)  # type: ignore[attr-defined]


def feed_of(told: Told, folder: Path) -> OrthancFeed:
    return OrthancFeed(rest_of(told), CursorFile(folder / "cursor.json"), from_now=False)


def settled(feed: OrthancFeed, n_polls: int = 3) -> list[str]:
    uids: list[str] = []
    for _ in range(n_polls):
        announcements = feed.poll()
        assert not announcements.more
        feed.acknowledge(announcements)
        uids += announcements.study_uids
    return uids


ODD_CHANGES: dict[str, object] = {
    "null": None,
    "a text": "StableStudy",
    "a list": [change("a-1")],
    "no ID": {"ChangeType": "StableStudy"},
    "ID is null": change(None),
    "ID is a number": change(7),
    "ID leads elsewhere": change("../../tools/reset"),
    "no kind": {"ID": "a-1"},
    "kind is null": change("a-1", None),
    "an unknown kind": change("a-1", "StudyWasPainted"),
}


@pytest.mark.parametrize("odd", ODD_CHANGES.values(), ids=ODD_CHANGES)
def test_an_odd_change_costs_that_change_alone(odd: object, told: Told, tmp_path: Path) -> None:
    told.changes = [odd, change("a-2")]
    assert settled(feed_of(told, tmp_path)) == [OTHER]
    assert all(path.startswith(("/changes", "/studies/a-")) for path in told.asked)


ODD_STUDIES: dict[str, object] = {
    "null": b"null",
    "a list": [study(STUDY)],
    "a text": "stable",
    "no tags": {"IsStable": True},
    "tags are a list": {"IsStable": True, "MainDicomTags": [STUDY]},
    "not told whether it is stable": {"MainDicomTags": {"StudyInstanceUID": STUDY}},
    "a UID of a list": {"IsStable": True, "MainDicomTags": {"StudyInstanceUID": [STUDY]}},
    "a page": b"<html>please sign in</html>",
    "deeply nested": b"[" * 100_000,
    "a server error": 500,
    "not allowed": 403,
}


@pytest.mark.parametrize("odd", ODD_STUDIES.values(), ids=ODD_STUDIES)
def test_an_odd_study_holds_up_no_other_and_is_asked_about_again(
    odd: object, told: Told, tmp_path: Path
) -> None:
    told.resources["/studies/a-1"] = odd
    told.changes = [change("a-1"), change("a-2")]
    feed = feed_of(told, tmp_path)
    assert settled(feed) == [OTHER]
    told.resources["/studies/a-1"] = study(STUDY)
    assert settled(feed_of(told, tmp_path)) == [STUDY], "also after a restart"


ODD_PAGES: dict[str, object] = {
    "a page of HTML": b"<html>please sign in</html>",
    "null": b"null",
    "a list": [change("a-1")],
    "no last": {"Changes": [], "Done": True},
    "last is NaN": b'{"Changes": [], "Last": NaN, "Done": true}',
    "last is negative": {"Changes": [], "Last": -5, "Done": True},
    "changes are null": {"Changes": None, "Last": 5, "Done": True},
}


@pytest.mark.parametrize("page", ODD_PAGES.values(), ids=ODD_PAGES)
def test_a_page_of_changes_that_is_none_is_waited_out(page: object, told: Told, tmp_path: Path) -> None:
    told.changes = [change("a-1")]
    told.page = page
    feed = feed_of(told, tmp_path)
    with pytest.raises(TemporarilyUnavailable) as caught:
        feed.poll()
    assert caught.value.code == "archive_answer_unreadable"
    told.page = None
    assert settled(feed) == [STUDY]


def test_numbers_that_come_as_texts_are_numbers(told: Told, tmp_path: Path) -> None:
    told.page = {"Changes": [change("a-1")], "Last": "1", "Done": "true"}
    assert settled(feed_of(told, tmp_path))[:1] == [STUDY]


def test_a_list_of_changes_that_does_not_go_on_ends(told: Told, tmp_path: Path) -> None:
    told.page = {"Changes": [change("a-1", "NewInstance")], "Last": 7, "Done": False}
    told.resources |= {
        "/instances/a-1": {"ParentSeries": "a-5"},
        "/series/a-5": {"ParentStudy": "a-1", "Instances": ["a-1"]},
    }
    feed = feed_of(told, tmp_path)
    feed.acknowledge(feed.poll())
    assert settled(feed) == []
    assert len(told.asked) < 30


@pytest.mark.parametrize(
    "odd", [b"null", [], {"ParentSeries": 7}, {"ParentSeries": "../x"}, 500, 403], ids=str
)
def test_an_odd_instance_does_not_hold_up_the_feed(odd: object, told: Told, tmp_path: Path) -> None:
    told.resources["/instances/a-9"] = odd
    told.changes = [change("a-9", "NewInstance"), change("a-2")]
    assert settled(feed_of(told, tmp_path)) == [OTHER]


@pytest.mark.parametrize(
    "lookup",
    [b"null", {}, [None, 7, {"Type": "Study"}], [{"ID": "a-1", "Type": "Study"}], b"[{}]"],
    ids=str,
)
def test_a_sender_nobody_can_tell_is_none(lookup: object, told: Told) -> None:
    told.resources["/tools/lookup"] = lookup
    assert rest_of(told).sender(STUDY) == ""


@pytest.mark.parametrize("now", [b"", b"yesterday", b"20260101T250000", b"\xff\xfe", b"9" * 10_000], ids=len)
def test_a_time_that_is_none_is_told_as_no_answer(now: bytes, told: Told) -> None:
    told.resources |= {"/tools/now": now, "/dicom-web/studies": [], "/system": {"Version": 3}}
    rest = rest_of(told)
    archive = OrthancArchive(rest, new_session(), 5, "/dicom-web")
    with pytest.raises(TemporarilyUnavailable):
        archive.probe()
