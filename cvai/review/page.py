"""Everything the routes stand on, put together once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cvai.audit.messages import AuditEvent
from cvai.jobs.ledger import Ledger
from cvai.languages import ENGLISH
from cvai.ops.scanner_drift import ScannerDrift
from cvai.review.decisions import Decisions, Drafts
from cvai.review.sign_in.accounts import Accounts, SessionLimits
from cvai.review.sign_in.first_token import FirstToken
from cvai.review.sign_in.oidc import OpenIdProvider
from cvai.review.statements import Statements
from cvai.review.uploads import Uploads
from cvai.review.viewers.cine import CineCache
from cvai.review.worklist import Worklist

Json = dict[str, Any]

Record = Callable[[AuditEvent], None]
"""Keeps who did what; what cannot be recorded does not happen."""


@dataclass(frozen=True, slots=True)
class PageOptions:
    """How the page is reached and what it may use.

    Args:
        host: address it listens on.
        port: and port.
        public_url: where readers reach it through a proxy; empty where they reach it directly.
        organization: for which readers sign.
        title: heading of the page.
        session: how long a reader stays signed in.
        cache_bytes: of patients' images kept ready.
        viewer_url: where another viewer opens a study, with ``{study_uid}`` in it; empty for none.
        proxies: addresses and networks whose X-Forwarded-For is believed.
        connections: at the same time at most.
        connections_per_address: of these, from one address that is no proxy.
        titles: of the service's analyses by kind.
        language: of readers who have chosen none.
    """

    host: str
    port: int
    public_url: str = ""
    organization: str = "cvai"
    session: SessionLimits = field(default_factory=SessionLimits)
    cache_bytes: int = 4_000_000_000
    viewer_url: str = ""
    proxies: tuple[str, ...] = ()
    connections: int = 200
    connections_per_address: int = 60
    titles: Mapping[str, str] = field(default_factory=dict)
    language: str = ENGLISH

    @property
    def url(self) -> str:
        """Where a reader opens the page."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def https(self) -> bool:
        """Whether readers reach it by https."""
        return urlsplit(self.url).scheme == "https"

    @property
    def hosts(self) -> frozenset[str]:
        """Values of the Host header that mean this page, in lower case."""
        own = {f"{self.host}:{self.port}", f"localhost:{self.port}", f"127.0.0.1:{self.port}"}
        return frozenset(name.lower() for name in own | {urlsplit(self.url).netloc})


class Presence:
    """Who is looking at which study right now, as reported by their pages."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen_s: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def tell(self, job_id: str, reader: str) -> None:
        """A reader's page says that it shows the study."""
        now_s = self._clock()
        with self._lock:
            self._seen_s[job_id, reader] = now_s
            for key in [key for key, seen_s in self._seen_s.items() if now_s - seen_s > PRESENT_S]:
                del self._seen_s[key]

    def others(self, job_id: str, reader: str) -> list[str]:
        """The other readers who look at the study."""
        now_s = self._clock()
        with self._lock:
            here = [
                name
                for (job, name), seen_s in self._seen_s.items()
                if job == job_id and name != reader and now_s - seen_s <= PRESENT_S
            ]
        return sorted(here)


class Entries:
    """Results of analyses with what was entered, kept in memory: measuring takes a few seconds."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, Json]] = {}
        self._lock = threading.Lock()

    def get(self, job_id: str, number: int) -> Json | None:
        """The result with the entry of this number; None where it has not been measured."""
        with self._lock:
            known, result = self._known.get(job_id, (0, None))
        return result if known == number else None

    def put(self, job_id: str, number: int, result: Json) -> None:
        """Keep a result in the place of an earlier one."""
        with self._lock:
            self._known[job_id] = (number, result)


PRESENT_S = 20.0
"""After its last word a page is taken to have been left; it speaks every five seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """Everything the routes stand on.

    Args:
        options: how the page is reached and what it may use.
        ledger: jobs of the service.
        accounts: who may sign in.
        worklist: what there is to read.
        cines: images and contours.
        decisions: what was signed.
        drafts: what is being worked on.
        statements: what readers state besides contours.
        results_folder: where the jobs left their results.
        record: keeps who did what.
        provider: who else may say who a reader is; None where they sign in with tokens alone.
        first_token: of the first reader, None where none is needed.
        uploads: into the inbox, None where the archive has none.
        presence: who is looking at what.
        entries: results with what readers have entered by hand.
        scanners: drift by scanner, as administrators see it.
        service_routes: plain answers of the service itself by path, such as ``/healthz``: status, text, type.
    """

    options: PageOptions
    ledger: Ledger
    accounts: Accounts
    worklist: Worklist
    cines: CineCache
    decisions: Decisions
    drafts: Drafts
    statements: Statements
    results_folder: Path
    record: Record
    provider: OpenIdProvider | None = None
    first_token: FirstToken | None = None
    uploads: Uploads | None = None
    presence: Presence = field(default_factory=Presence)
    entries: Entries = field(default_factory=Entries)
    scanners: Callable[[], Sequence[ScannerDrift]] = tuple
    service_routes: Mapping[str, Callable[[], tuple[int, str, str]]] = field(default_factory=dict)
