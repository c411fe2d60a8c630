"""A small UPS-RS worklist on loopback, from PS3.18 section 11: search, change of state, update, cancel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from pydicom import Dataset

from tests.loopback import serving

FINAL = ("COMPLETED", "CANCELED")


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


@dataclass
class WorklistStore:
    """Workitems by UID, who holds them, and statuses of all answers; set ``status`` to make it misbehave."""

    workitems: dict[str, Dataset] = field(default_factory=dict)
    transactions: dict[str, str] = field(default_factory=dict)
    answers: list[tuple[str, int]] = field(default_factory=list)
    status: int | None = None

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

    def do_POST(self) -> None:
        url = urlsplit(self.path)
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
