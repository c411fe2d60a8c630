"""A small DICOMweb archive on loopback, from PS3.18, with the manners of archives that are about."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydicom import dcmread

from cvai.archive.traits import TRAIT_KEYWORDS, TRAIT_TAGS
from tests.loopback import serving

MANNERS = (
    "limit 200",  # limit must be 1 to 200, and is 100 where none is given (Azure)
    "limit unknown",  # a request with limit is refused
    "no offset",  # limit and offset are ignored
    "offset behind is 404",
    "null count",
    "float count",
    "text count",
    "words as count",
    "no count",
    "lost answer",  # the first STOW-RS is stored and not answered; what is stored is shown later
    "says nothing",  # STOW-RS is answered by a success without a body
    "no chunks",  # a body needs its length
    "small bodies",  # a request with more than one object is too large
    "no star",  # transfer-syntax=* is not acceptable
    "sparse",  # only what is asked for by name is told
    "sparse, all",  # includefield=all is understood, names are not
    "sparse for ever",  # SOPInstanceUID is all that is ever listed; headers tell the rest
    "includefield unknown",  # a request with includefield is refused
    "bare row",  # a list of one row comes without the list
    "text before",  # of a multipart answer
    "unquoted",  # its parameters
    "no line end",  # behind it
    "padded",  # delimiters
    "line feeds",  # instead of CRLF
    "bare instance",  # a study of one instance comes without an envelope
)

Attribute = dict[str, Any]
Row = dict[str, Any]


@dataclass
class Held:
    """An instance as the archive keeps it."""

    study: str
    series: str
    sop_class: str
    data: bytes
    traits: dict[str, str]
    shown: bool = True


@dataclass
class DicomwebStore:
    """What the archive keeps, by SOP Instance UID, and how it behaves.

    ``spoil`` may change the rows of any list before they are sent; ``asked`` are all requests so far.
    """

    manners: frozenset[str] = frozenset()
    held: dict[str, Held] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    spoil: Callable[[str, list[Any]], object] = lambda _, rows: rows
    n_stows: int = 0
    rows_at_most: int = 1_000_000

    def __post_init__(self) -> None:
        assert self.manners <= set(MANNERS)

    def put(self, data: bytes, shown: bool = True) -> tuple[str, str, bool]:
        """Keep an instance; its UID, its class, and whether it was new."""
        header = dcmread(BytesIO(data), stop_before_pixels=True)
        uid, sop_class = str(header.SOPInstanceUID), str(header.SOPClassUID)
        if uid in self.held:
            return uid, sop_class, False
        traits = {keyword: str(header.get(keyword, "")) for keyword in TRAIT_KEYWORDS}
        study, series = str(header.StudyInstanceUID), str(header.SeriesInstanceUID)
        self.held[uid] = Held(study, series, sop_class, data, traits, shown)
        return uid, sop_class, True

    def receive(self, paths: Sequence[Path]) -> None:
        """As from a modality."""
        for path in paths:
            self.put(path.read_bytes())

    def show_all(self) -> None:
        """What was stored is listed from now on."""
        for held in self.held.values():
            held.shown = True

    def shown(self, study: str | None = None) -> dict[str, Held]:
        return {uid: h for uid, h in sorted(self.held.items()) if h.shown and study in (None, h.study)}

    def requests(self, part: str) -> list[str]:
        return [asked for asked in self.asked if part in asked]


def ui(value: str) -> Attribute:
    return {"vr": "UI", "Value": [value]}


class _Server(ThreadingHTTPServer):
    store: DicomwebStore


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        store, query = self.server.store, parse_qs(url.query)
        store.asked.append(f"GET {self.path}")
        match url.path.strip("/").split("/"):
            case ["studies"]:
                self._list("studies", self._studies(query), query)
            case ["studies", study, "instances"]:
                self._list("instances", self._instances(study, query), query)
            case ["studies", study, "series"]:
                self._list("series", self._series(study), query)
            case ["studies", study, "metadata"]:
                rows = [self._instance_row(uid, held) for uid, held in store.shown(study).items()]
                self._answer(200, json.dumps(store.spoil("metadata", rows)).encode())
            case ["studies", study]:
                self._send(list(store.shown(study).values()))
            case ["studies", study, "series", _, "instances", uid]:
                self._send([held for key, held in store.shown(study).items() if key == uid])
            case _:
                self._answer(404)

    def do_POST(self) -> None:
        store = self.server.store
        store.asked.append(f"POST {self.path}")
        store.n_stows += 1
        body = self._body()
        boundary = re.search('boundary="?([^";]+)', self.headers["Content-Type"])
        assert boundary is not None
        pieces = [p for p in body.split(b"--" + boundary[1].encode()) if b"\r\n\r\n" in p]
        objects = [piece.split(b"\r\n\r\n", 1)[1][:-2] for piece in pieces]
        if "no chunks" in store.manners and "Content-Length" not in self.headers:
            self._answer(411)
        elif "small bodies" in store.manners and len(objects) > 1:
            self._answer(413)
        else:
            self._stored([store.put(data, "lost answer" not in store.manners) for data in objects])

    def _stored(self, done: list[tuple[str, str, bool]]) -> None:
        manners = self.server.store.manners
        if "lost answer" in manners and self.server.store.n_stows == 1:
            self.close_connection = True
            return
        if "says nothing" in manners:
            self._answer(200)
            return
        taken = [{"00081150": ui(sop_class), "00081155": ui(uid)} for uid, sop_class, new in done if new]
        there = {"00081197": {"vr": "US", "Value": [45070]}}
        failed = [{"00081150": ui(c), "00081155": ui(uid), **there} for uid, c, new in done if not new]
        answer = {"00081199": {"vr": "SQ", "Value": taken}, "00081198": {"vr": "SQ", "Value": failed}}
        status = 409 if not taken else 202 if failed else 200
        self._answer(status, json.dumps({tag: v for tag, v in answer.items() if v["Value"]}).encode())

    def _studies(self, query: dict[str, list[str]]) -> list[Row]:
        wanted = query.get("StudyInstanceUID", [None])[0]
        n_instances: dict[str, int] = {}
        for held in self.server.store.shown(wanted).values():
            n_instances[held.study] = n_instances.get(held.study, 0) + 1
        if "StudyDate" in query:  # as if none stated a date: they are found in the list of everything
            return []
        return [{"0020000D": ui(uid), "00201208": self._count(n)} for uid, n in n_instances.items()]

    def _count(self, n: int) -> Attribute:
        told: dict[str, object] = {
            "null count": None,
            "float count": float(n),
            "text count": f" {n} ",
            "words as count": f"{n} images",
        }
        (manner,) = self.server.store.manners & told.keys() or {""}
        if "no count" in self.server.store.manners:
            return {"vr": "IS"}
        return {"vr": "IS", "Value": [told.get(manner, n)]}

    def _instances(self, study: str, query: dict[str, list[str]]) -> list[Row]:
        series = query.get("SeriesInstanceUID", [None])[0]
        found = self.server.store.shown(study).items()
        return [self._instance_row(uid, held) for uid, held in found if series in (None, held.series)]

    def _instance_row(self, uid: str, held: Held) -> Row:
        return {
            "00080016": ui(held.sop_class),
            "00080018": ui(uid),
            "0020000D": ui(held.study),
            "0020000E": ui(held.series),
        }

    def _series(self, study: str) -> list[Row]:
        rows: dict[str, Row] = {}
        for held in self.server.store.shown(study).values():
            told = {tag: held.traits[keyword] for tag, keyword in TRAIT_TAGS.items() if held.traits[keyword]}
            attributes = {tag: {"vr": "LO", "Value": [value]} for tag, value in told.items()}
            rows[held.series] = {"0020000E": ui(held.series), **attributes}
        return list(rows.values())

    def _list(self, kind: str, rows: list[Row], query: dict[str, list[str]]) -> None:
        store, asked = self.server.store, set(query.get("includefield", []))
        limit, offset = query.get("limit", [""])[0], int(query.get("offset", ["0"])[0])
        at_most = 100 if "limit 200" in store.manners else store.rows_at_most
        if (
            ("limit 200" in store.manners and limit and not 1 <= int(limit) <= 200)
            or ("limit unknown" in store.manners and limit)
            or ("includefield unknown" in store.manners and asked)
        ):
            self._answer(400)
            return
        if "no offset" not in store.manners:
            rows = rows[offset : offset + min(int(limit or at_most), store.rows_at_most)]
        if "offset behind is 404" in store.manners and offset and not rows:
            self._answer(404)
            return
        told = store.spoil(kind, [self._told(row, asked) for row in rows])
        if "bare row" in store.manners and isinstance(told, list) and len(told) == 1:
            told = told[0]
        self._answer(200 if told else 204, json.dumps(told).encode() if told else b"")

    def _told(self, row: Row, asked: set[str]) -> Row:
        manners = self.server.store.manners
        own = {"00080018"} if "00080018" in row else {"0020000D"} if "0020000D" in row else {"0020000E"}
        if "sparse for ever" in manners:
            return {tag: row[tag] for tag in own}
        if "sparse" in manners and "all" not in asked:
            return {tag: value for tag, value in row.items() if tag in own | asked}
        if "sparse, all" in manners and "all" not in asked:
            return {tag: row[tag] for tag in own}
        return row

    def _send(self, instances: list[Held]) -> None:
        manners = self.server.store.manners
        if not instances:
            self._answer(404)
        elif "no star" in manners and "transfer-syntax=*" in self.headers["Accept"]:
            self._answer(406)
        elif "bare instance" in manners and len(instances) == 1:
            self._answer(200, instances[0].data, "application/dicom")
        else:
            self._send_parts(instances)

    def _send_parts(self, instances: list[Held]) -> None:
        manners = self.server.store.manners
        line_end = b"\n" if "line feeds" in manners else b"\r\n"
        padding = b" \t" if "padded" in manners else b""
        delimiter = b"--b0" + padding + line_end
        body = b"before the first part" + line_end if "text before" in manners else b""
        for held in instances:
            headers = b"Content-Type: application/dicom" + 2 * line_end
            body += delimiter + headers + held.data + line_end
        body += b"--b0--" + (b"" if "no line end" in manners else line_end)
        quote = "" if "unquoted" in manners else '"'
        parameters = f"type={quote}application/dicom{quote}; boundary={quote}b0{quote}"
        self._answer(200, body, f"multipart/related; {parameters}")

    def _body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        body = b""
        while size := int(self.rfile.readline().strip(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, body: bytes = b"", kind: str = "application/dicom+json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running_archive(store: DicomwebStore) -> Iterator[str]:
    """Root of the service."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.store = store
    with serving(server) as root:
        yield root
