"""A small FHIR R4 server on loopback, from the standard: transactions, conditional create and update."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from tests.loopback import serving

Json = dict[str, Any]


@dataclass
class FhirStore:
    """What the server keeps, by type and id; set ``answer`` to make it misbehave."""

    resources: dict[str, dict[str, Json]] = field(default_factory=dict)
    answer: tuple[int, bytes] | None = None
    authorizations: list[str | None] = field(default_factory=list)

    def of(self, kind: str) -> list[Json]:
        return list(self.resources.get(kind, {}).values())

    def transaction(self, body: bytes) -> tuple[int, Json]:
        """Process a bundle (http.html#transaction): all entries or none."""
        try:
            bundle = json.loads(Bundle.model_validate_json(body).model_dump_json())
        except ValidationError:
            return 400, {"resourceType": "OperationOutcome", "issue": [{"code": "structure"}]}
        if bundle["type"] != "transaction":
            return 400, {"resourceType": "OperationOutcome", "issue": [{"code": "not-supported"}]}
        places = {entry["fullUrl"]: self._place(entry) for entry in bundle["entry"]}
        references = {url: f"{kind}/{name}" for url, (kind, name, _, _) in places.items()}
        for entry in bundle["entry"]:
            kind, name, _, writes = places[entry["fullUrl"]]
            if writes:
                resource = _resolved(entry["resource"], references) | {"id": name}
                self.resources.setdefault(kind, {})[name] = resource
        statuses = [{"response": {"status": status}} for _, _, status, _ in places.values()]
        return 200, {"resourceType": "Bundle", "type": "transaction-response", "entry": statuses}

    def _place(self, entry: Json) -> tuple[str, str, str, bool]:
        """Type, id, status and whether anything is written (http.html#ccreate, http.html#cond-update)."""
        request = entry["request"]
        url = urlsplit(request["url"])
        condition = request.get("ifNoneExist") if request["method"] == "POST" else url.query
        found = self._matching(url.path, condition)
        if found is None:
            return url.path, f"{len(self.of(url.path)) + 1}-{entry['fullUrl'][-6:]}", "201 Created", True
        return url.path, found, "200 OK", request["method"] == "PUT"

    def _matching(self, kind: str, condition: str | None) -> str | None:
        if condition is None:
            return None
        ((parameter, (wanted,)),) = parse_qs(condition).items()
        found = [r["id"] for r in self.of(kind) if wanted in _tokens(r, parameter)]
        assert len(found) < 2, "an identifier is there once"
        return found[0] if found else None


def _tokens(resource: Json, parameter: str) -> list[str]:
    """What ``identifier`` or ``_tag`` of a resource are searched by (search.html#token)."""
    if parameter == "_tag":
        return [f"{tag['system']}|{tag['code']}" for tag in resource.get("meta", {}).get("tag", [])]
    return [f"{i['system']}|{i['value']}" for i in resource["identifier"]]


def _resolved(value: Any, references: dict[str, str]) -> Any:
    """The resource with references inside the bundle as the server's own."""
    if isinstance(value, dict):
        return {
            k: references[v] if k == "reference" and v.startswith("urn:uuid:") else _resolved(v, references)
            for k, v in value.items()
        }
    return [_resolved(item, references) for item in value] if isinstance(value, list) else value


class _Server(ThreadingHTTPServer):
    store: FhirStore


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        store = self.server.store
        store.authorizations.append(self.headers.get("Authorization"))
        assert self.headers["Content-Type"] == "application/fhir+json"
        if store.answer is not None:
            status, answer = store.answer
        else:
            status, made = store.transaction(body)
            answer = json.dumps(made).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running_fhir_server(store: FhirStore) -> Iterator[str]:
    """The server's base address."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.store = store
    with serving(server) as root:
        yield root
