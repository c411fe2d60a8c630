"""A small UPS-RS worklist on loopback, from PS3.18 section 11: search, change of state, update, cancel.

Its notifications (section 8.10) come from aiohttp's server of WebSockets.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from aiohttp import web
from pydicom import Dataset

from tests.loopback import serving

FINAL = ("COMPLETED", "CANCELED")
WHOLE_WORKLIST = "1.2.840.10008.5.1.4.34.5"


def workitem(uid: str, study_uid: str, station: str = "CVAI") -> Dataset:
    """A scheduled workitem whose input is one study."""
    made, where, what = Dataset(), Dataset(), Dataset()
    where.CodeValue, where.CodingSchemeDesignator, where.CodeMeaning = station, "99SITE", station
    what.StudyInstanceUID = study_uid
    made.SOPInstanceUID = uid
    made.ProcedureStepState = "SCHEDULED"
    made.ScheduledStationNameCodeSequence = [where]
    made.InputInformationSequence = [what] if study_uid else []
    return made


class Notifications:
    """Open connections by subscriber, on a loop of their own; ``credentials`` of the last one that came."""

    def __init__(self, tls: ssl.SSLContext | None = None, heartbeat_s: float | None = None) -> None:
        self.tls, self.heartbeat_s = tls, heartbeat_s
        self.open: dict[str, web.WebSocketResponse] = {}
        self.credentials: str | None = None
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def send(self, subscriber: str, message: str) -> None:
        self._run(self._of(subscriber).send_str(message))

    def send_bytes(self, subscriber: str, message: bytes) -> None:
        self._run(self._of(subscriber).send_bytes(message))

    def close(self, subscriber: str) -> None:
        self._run(self._of(subscriber).close())

    def _of(self, subscriber: str) -> web.WebSocketResponse:
        """Its connection, which the client may know of a moment earlier."""
        deadline = time.monotonic() + 10
        while subscriber not in self.open and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.open[subscriber]

    def _run(self, what: Coroutine[object, object, object]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _listen(self, request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse(heartbeat=self.heartbeat_s)
        await connection.prepare(request)
        self.credentials = request.headers.get("Authorization")
        self.open[request.match_info["subscriber"]] = connection
        async for _ in connection:
            pass
        return connection

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/subscribers/{subscriber}", self._listen)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self.tls)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        return runner

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = self._loop.run_until_complete(self._start())
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()


@contextmanager
def notifying(
    store: WorklistStore, tls: ssl.SSLContext | None = None, heartbeat_s: float | None = None
) -> Iterator[str]:
    """Root of the notifications of a worklist, which may close connections that answer no ping."""
    store.notifications = Notifications(tls, heartbeat_s)
    store.notifications.start()
    try:
        yield f"{'ws' if tls is None else 'wss'}://127.0.0.1:{store.notifications.port}"
    finally:
        store.notifications.stop()


@dataclass
class WorklistStore:
    """Workitems by UID, who holds them, and statuses of all answers; set ``status`` to make it misbehave."""

    workitems: dict[str, Dataset] = field(default_factory=dict)
    transactions: dict[str, str] = field(default_factory=dict)
    answers: list[tuple[str, int]] = field(default_factory=list)
    status: int | None = None
    subscribed: set[tuple[str, str]] = field(default_factory=set)
    notifications: Notifications | None = None

    def add(self, made: Dataset) -> None:
        self.workitems[made.SOPInstanceUID] = made

    def state(self, uid: str) -> str:
        return str(self.workitems[uid].ProcedureStepState)

    def search(self, query: dict[str, list[str]]) -> list[Dataset]:
        return [item for item in self.workitems.values() if _matches(item, query)]

    def change_state(self, uid: str, change: Dataset) -> int:
        """PS3.18 table 11.7.3-1 over the states of PS3.4 table CC.1.1-2."""
        item, wanted, transaction = self.workitems.get(uid), change.ProcedureStepState, change.TransactionUID
        if item is None:
            return 404
        if item.ProcedureStepState == "SCHEDULED":
            if wanted != "IN PROGRESS":
                return 409
            self.transactions[uid] = transaction
        elif item.ProcedureStepState in FINAL or wanted not in FINAL:
            return 409
        elif self.transactions[uid] != transaction:
            return 400
        elif not _may_end(item, wanted):
            return 409
        item.ProcedureStepState = wanted
        return 200

    def request_cancel(self, uid: str, subscriber: str, reason: str = "") -> int:
        """PS3.4 section CC.2.2: work in progress is not canceled, its performer is told where it listens."""
        item = self.workitems[uid]
        if item.ProcedureStepState != "IN PROGRESS":
            return 409
        is_subscribed = {(uid, subscriber), (WHOLE_WORKLIST, subscriber)} & self.subscribed
        if not is_subscribed or self.notifications is None:
            return 409
        event = Dataset()
        event.RequestingAE = "RIS"
        event.ReasonForCancellation = reason
        values = event.to_json_dict()
        for tag, vr, value in (("00001000", "UI", uid), ("00001002", "US", 2)):
            values[tag] = {"vr": vr, "Value": [value]}
        self.notifications.send(subscriber, json.dumps(values))
        return 202

    def update(self, uid: str, transaction: str, change: Dataset) -> int:
        """PS3.18 section 11.6: only who holds the workitem changes it."""
        item = self.workitems.get(uid)
        if item is None:
            return 404
        if item.ProcedureStepState != "IN PROGRESS":
            return 409
        if self.transactions[uid] != transaction:
            return 400
        item.update(change)
        return 200


def _matches(item: Dataset, query: dict[str, list[str]]) -> bool:
    (state,) = query.get("ProcedureStepState", [item.ProcedureStepState])
    (station,) = query.get("ScheduledStationNameCodeSequence.CodeValue", [""])
    stations = [code.CodeValue for code in item.ScheduledStationNameCodeSequence]
    return item.ProcedureStepState == state and station in stations


def _may_end(item: Dataset, state: str) -> bool:
    """What has to be there before a final state (PS3.4 table CC.2.5-3)."""
    if state == "CANCELED":
        (information,) = item.get("ProcedureStepProgressInformationSequence") or [Dataset()]
        return "ProcedureStepDiscontinuationReasonCodeSequence" in information
    (performed,) = item.get("UnifiedProcedureStepPerformedProcedureSequence") or [Dataset()]
    needed = (
        "PerformedStationNameCodeSequence",
        "PerformedWorkitemCodeSequence",
        "PerformedProcedureStepStartDateTime",
        "PerformedProcedureStepEndDateTime",
        "OutputInformationSequence",
    )
    return all(keyword in performed for keyword in needed)


class _Server(ThreadingHTTPServer):
    store: WorklistStore


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        found = self.server.store.search(parse_qs(url.query))
        self._answer(200 if found else 204, [item.to_json_dict() for item in found])

    def do_PUT(self) -> None:
        uid = urlsplit(self.path).path.split("/")[-2]
        self._answer(self.server.store.change_state(uid, self._change()))

    def do_DELETE(self) -> None:
        uid, _, subscriber = urlsplit(self.path).path.split("/")[-3:]
        self.server.store.subscribed.discard((uid, subscriber))
        self._answer(200)

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        if "/subscribers/" in url.path:
            uid, _, subscriber = url.path.split("/")[-3:]
            is_known = uid == WHOLE_WORKLIST or uid in self.server.store.workitems
            if is_known:
                self.server.store.subscribed.add((uid, subscriber))
            self._answer(201 if is_known else 404)
            return
        (transaction,) = parse_qs(url.query)["transaction"]
        self._answer(self.server.store.update(url.path.split("/")[-1], transaction, self._change()))

    def _change(self) -> Dataset:
        assert self.headers["Content-Type"] == "application/dicom+json"
        (values,) = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return Dataset.from_json(values)

    def _answer(self, status: int, body: list[dict[str, object]] | None = None) -> None:
        store = self.server.store
        status = store.status or status
        store.answers.append((self.command, status))
        content = json.dumps(body).encode() if body else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running_worklist(store: WorklistStore) -> Iterator[str]:
    """Root of the service."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.store = store
    with serving(server) as root:
        yield root
