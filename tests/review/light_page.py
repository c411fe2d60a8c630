"""The page's application on a real uvicorn in this process, without jobs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import requests

from cvai.audit.messages import AuditEvent
from cvai.jobs.job import StudyJob
from cvai.ops.scanner_drift import ScannerDrift
from cvai.review.database import Database
from cvai.review.decisions import Decisions, Drafts
from cvai.review.listing import Listing
from cvai.review.page import Page, PageOptions
from cvai.review.server import DATABASE_NAME, _Server
from cvai.review.sign_in.accounts import Accounts, Role
from cvai.review.sign_in.oidc import OpenIdProvider
from cvai.review.statements import Statements
from cvai.review.summary import StudyFolders
from cvai.review.worklist import Worklist
from tests.process import eventually


class NoJobs:
    """A ledger without jobs."""

    def choices(self, job: StudyJob) -> tuple[()]:  # noqa: ARG002 - names are the ledger's
        return ()

    def find(self, job_id: str) -> None:  # noqa: ARG002 - names are the ledger's
        return None


@dataclass
class LightPage:
    """A page that answers, and what it wrote into the audit trail."""

    port: int
    page: Page
    events: list[AuditEvent] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def signed_in(self, name: str, role: Role = Role.REVIEWER) -> requests.Session:
        """A new reader's session, with the secret that its changes must repeat."""
        token = self.page.accounts.add(name, role, f"{name}^A")
        session = requests.Session()
        session.post(f"{self.url}/sign-in", data={"token": token}, timeout=30).raise_for_status()
        text = session.get(self.url, timeout=30).text
        session.headers["X-CSRF-Token"] = text.split('name="csrf" content="')[1].split('"')[0]
        return session

    def raw(self, request: bytes, more: Iterable[bytes] = ()) -> tuple[bytes, int]:
        """Send bytes until they are refused; returns the answer and how many bytes of ``more`` were taken."""
        sent = 0
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as line:
            line.sendall(request)
            try:
                for piece in more:
                    line.sendall(piece)
                    sent += len(piece)
            except (BrokenPipeError, ConnectionResetError):
                pass
            return _read(line), sent


def _read(line: socket.socket) -> bytes:
    answer = b""
    try:
        while piece := line.recv(65536):
            answer += piece
    except (ConnectionResetError, TimeoutError):
        pass
    return answer


@contextmanager
def light_page(
    folder: Path,
    provider: OpenIdProvider | None = None,
    scanners: Callable[[], Sequence[ScannerDrift]] = tuple,
    **options: Any,
) -> Iterator[LightPage]:
    """Serve a page of the given ``PageOptions`` while the context lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        database = Database(folder / DATABASE_NAME)
        decisions, drafts = Decisions(database), Drafts(database)
        made = PageOptions("127.0.0.1", port, **options)
        events: list[AuditEvent] = []
        jobs = cast("Any", NoJobs())
        page = Page(
            options=made,
            ledger=jobs,
            accounts=Accounts(database, made.session),
            worklist=Worklist(jobs, StudyFolders(folder / "results"), Listing(database)),
            cines=cast("Any", None),
            decisions=decisions,
            drafts=drafts,
            statements=Statements(database),
            results_folder=folder / "results",
            record=events.append,
            provider=provider,
            scanners=scanners,
        )
        server = _Server(page, listener)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            light = LightPage(port, page, events)
            eventually(lambda: requests.get(f"{light.url}/sign-in", timeout=30).ok, "the page to answer")
            yield light
        finally:
            server.stop()
            thread.join(30)
            database.close()
