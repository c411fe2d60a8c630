"""A FHIR server that is given reports: a bundle is one transaction, taken wholly or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests

from cvai.archive.http import COME_BACK_LATER, DENIED, asked_wait_s, new_session
from cvai.errors import ArchiveRejected, CvaiError, TemporarilyUnavailable

MEDIA_TYPE = "application/fhir+json"


class FhirServer:
    """The health record's FHIR R4 server.

    Args:
        url: its base, such as ``https://ehr.example/fhir``.
        token: bearer token, None where none is asked for.
        timeout_s: how long to wait for an answer.
        patient_system: what patient identifiers of the images mean there, None to leave that open.
    """

    def __init__(self, url: str, token: str | None, timeout_s: float, patient_system: str | None) -> None:
        self._url = url.rstrip("/")
        self._session = new_session()
        if token is not None:
            self._session.headers["Authorization"] = f"Bearer {token}"
        self._timeout_s = timeout_s
        self._patient_system = patient_system

    def deliver(self, paths: Sequence[Path]) -> None:
        """Post each bundle; see ``Destination``. What the server has already, it says so and keeps."""
        for path in paths:
            bundle = json.loads(path.read_text("utf-8"))
            self._post(_with_patient_system(bundle, self._patient_system))

    def _post(self, bundle: Mapping[str, Any]) -> None:
        body = json.dumps(bundle, ensure_ascii=False).encode()
        headers = {"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE}
        try:
            response = self._session.post(self._url, data=body, headers=headers, timeout=self._timeout_s)
            if not response.ok:
                raise _refusal(response)
            answer = response.json()
        except requests.RequestException as error:
            raise TemporarilyUnavailable(
                "fhir_unreachable",
                f"the FHIR server did not answer as one ({type(error).__name__}).",
                "Check that it runs and that fhir.url is its base address.",
            ) from error
        _require_all_taken(answer, len(bundle["entry"]))


def _with_patient_system(bundle: dict[str, Any], system: str | None) -> dict[str, Any]:
    if system is None:
        return bundle
    for entry in bundle["entry"]:
        if subject := entry["resource"].get("subject"):
            subject["identifier"]["system"] = system
    return bundle


def _refusal(response: requests.Response) -> CvaiError:
    """The error for a status that is no success, with the server's own codes and none of its texts.

    A conflict (409) is two writers at once: the second attempt finds what the first writer wrote.
    """
    status = response.status_code
    told = f"the FHIR server answered {status}{_issue_codes(response)} to a report."
    if status in DENIED:
        return ArchiveRejected("fhir_denied", told, "Check CVAI_FHIR__TOKEN and what it may write there.")
    if status in {*COME_BACK_LATER, HTTPStatus.CONFLICT} or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TemporarilyUnavailable("fhir_busy", told, "It is asked again.", asked_wait_s(response.headers))
    return ArchiveRejected("fhir_rejected", told, "The server's own log says more.")


def _issue_codes(response: requests.Response) -> str:
    """Codes of an OperationOutcome; its texts may quote the patient."""
    try:
        issues = response.json()["issue"]
        codes = [str(issue["code"]) for issue in issues]
    except (requests.JSONDecodeError, KeyError, TypeError):
        return ""
    return f" ({', '.join(codes)})"


def _require_all_taken(answer: object, expected: int) -> None:
    """Whether the answer is that of a transaction, with a success for every entry."""
    entries = answer.get("entry", []) if isinstance(answer, dict) else []
    statuses = [str(entry.get("response", {}).get("status", "")) for entry in entries]
    taken = sum(status.startswith("2") for status in statuses)
    if taken != expected:
        raise ArchiveRejected(
            "fhir_rejected",
            f"the FHIR server took {taken} of {expected} resources of a report.",
            "It has to process a bundle as a transaction (FHIR R4, http.html#transaction).",
        )
