"""A reverse proxy on loopback, in front of an archive that has a bad time."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DRIP_EVERY_S = 0.5
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})


class Stage(StrEnum):
    """What cvai asks of an archive, in the order of a study's way through it."""

    CHANGES = "changes"
    AGEING = "ageing"
    SEARCH = "search"
    LIST = "list"  # by the feed, which makes a job of it, and by a job that begins late or again
    FETCH = "fetch"
    STANDING = "standing"  # what is there already is not stored
    STORE = "store"


class Kind(StrEnum):
    """What is wrong with the archive. In the last five it has done what it was asked for."""

    STOPPED = "stopped"
    BUSY = "503"
    TOO_MANY = "429"
    SLOW = "slow"
    SILENT = "silent"
    HALF = "half"
    NEARLY = "nearly"
    DROPPED = "dropped"


ASKED_BY_FEED = {
    "/changes": Stage.CHANGES,
    "/studies/[0-9a-f-]+": Stage.AGEING,
    "/dicom-web/studies": Stage.SEARCH,
}
SHARE_SENT = {Kind.HALF: 0.5, Kind.NEARLY: 0.9}


@dataclass(frozen=True)
class Answer:
    """What the archive said, and whether it said how long that is."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    tells_length: bool = True

    @property
    def head(self) -> bytes:
        ends = ("Content-Length", str(len(self.body))) if self.tells_length else ("Connection", "close")
        lines = [f"{name}: {value}" for name, value in (*self.headers, ends)]
        return "\r\n".join((f"HTTP/1.1 {self.status} told", *lines, "", "")).encode("latin-1")


@dataclass
class Trouble:
    """One bad time, from the first request of a stage until it is lifted.

    Args:
        stage: whose requests meet it; while the archive is stopped all do.
        kind: what happens to them.
        study_uids: where a request names a study, only these.
        on_first: done before the first of them is answered, such as stopping the archive.
    """

    stage: Stage
    kind: Kind
    study_uids: frozenset[str]
    on_first: Callable[[], None] = lambda: None
    requests: int = 0
    struck: threading.Event = field(default_factory=threading.Event)
    lifted: threading.Event = field(default_factory=threading.Event)

    def concerns(self, stage: Stage | None, study_uid: str | None) -> bool:
        if self.kind is Kind.STOPPED and self.struck.is_set():
            return True
        return stage is self.stage and (study_uid is None or study_uid in self.study_uids)


class UnwellProxy(ThreadingHTTPServer):
    """Passes everything on to an archive, but for what meets the present trouble.

    ``stored`` counts, by study, requests to store that the archive granted, whatever was said of it.
    """

    daemon_threads = True

    def __init__(self, archive_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.archive_port = archive_port
        self.trouble: Trouble | None = None
        self.stored: Counter[str] = Counter()
        self._fetched: set[str] = set()
        self._one = threading.Lock()

    def handle_error(self, *request: Any) -> None:
        """Whoever is killed drops its lines; all else is told."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*request)

    def meets(self, stage: Stage | None, study_uid: str | None) -> Trouble | None:
        """The trouble that a request runs into; it is counted there."""
        with self._one:
            trouble = self.trouble
            if trouble is None or trouble.lifted.is_set() or not trouble.concerns(stage, study_uid):
                return None
            if not trouble.struck.is_set():
                trouble.on_first()
                trouble.struck.set()
            trouble.requests += 1
            return trouble

    def told(self, stage: Stage | None, study_uid: str | None) -> None:
        """An answer goes out whole: what has been fetched is listed next to see what stands there."""
        if stage is Stage.FETCH and study_uid is not None:
            self._fetched.add(study_uid)

    def stage_of(self, method: str, path: str) -> tuple[Stage | None, str | None]:
        """What a request is for, and which study it names."""
        bare, _, _ = path.partition("?")
        if (found := re.fullmatch(r"/dicom-web/studies/([0-9.]+)(/instances)?", bare)) is None:
            of_feed = (stage for asked, stage in ASKED_BY_FEED.items() if re.fullmatch(asked, bare))
            return next(of_feed, None), None
        study_uid = found[1]
        if method == "POST":
            return Stage.STORE, study_uid
        if not found[2]:
            return Stage.FETCH, study_uid
        return (Stage.STANDING if study_uid in self._fetched else Stage.LIST), study_uid


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: UnwellProxy

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._stage, self._study_uid = self.server.stage_of(self.command, self.path)
        trouble = self.server.meets(self._stage, self._study_uid)
        try:
            if trouble is None:
                self._whole(self._ask(body))
            else:
                self._unwell(trouble, body)
        except (OSError, HTTPException):
            self._drop()

    do_GET = do_POST = _serve  # noqa: N815 - the base class looks for these names

    def _unwell(self, trouble: Trouble, body: bytes) -> None:
        match trouble.kind:
            case Kind.STOPPED:
                self._drop()
            case Kind.BUSY:
                self._send(Answer(503))
            case Kind.TOO_MANY:
                self._send(Answer(429, (("Retry-After", "5"),)))
            case Kind.SLOW:
                self._slow(self._ask(body), trouble.lifted)
            case Kind.SILENT:
                self._ask(body)
                self.rfile.read(1)  # until the other side has had enough
            case Kind.HALF | Kind.NEARLY:
                self._part(self._ask(body), SHARE_SENT[trouble.kind])
            case Kind.DROPPED:
                self._ask(body)
                self._drop()

    def _ask(self, body: bytes) -> Answer:
        """Pass a request on."""
        line = HTTPConnection("127.0.0.1", self.server.archive_port, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
        try:
            line.request(self.command, self.path, body or None, headers)
            told = line.getresponse()
            kept = tuple((k, v) for k, v in told.getheaders() if k.lower() not in HOP_BY_HOP)
            answer = Answer(told.status, kept, told.read(), told.getheader("Content-Length") is not None)
        finally:
            line.close()
        if self._stage is Stage.STORE and self._study_uid is not None and answer.status == 200:
            self.server.stored[self._study_uid] += 1
        return answer

    def _send(self, answer: Answer) -> None:
        self.wfile.write(answer.head + answer.body)
        self.close_connection = not answer.tells_length

    def _whole(self, answer: Answer) -> None:
        # Noted before it is sent: the next question may come while this thread still waits for its turn.
        self.server.told(self._stage, self._study_uid)
        self._send(answer)

    def _part(self, answer: Answer, share: float) -> None:
        """The head, a share of the body, and the end of the line."""
        self.wfile.write(answer.head + answer.body[: int(share * len(answer.body))])
        self.close_connection = True

    def _slow(self, answer: Answer, lifted: threading.Event) -> None:
        """A byte at a time while the trouble lasts, then the rest."""
        told = answer.head + answer.body
        sent = 0
        while sent < len(told) - 1 and not lifted.is_set():
            self.wfile.write(told[sent : sent + 1])
            sent += 1
            time.sleep(DRIP_EVERY_S)
        self.server.told(self._stage, self._study_uid)
        self.wfile.write(told[sent:])
        self.close_connection = not answer.tells_length

    def _drop(self) -> None:
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing is said."""
