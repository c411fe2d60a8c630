"""Delivers reports to a FHIR server, each bundle as one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import requests
from pydantic import Field, StringConstraints, ValidationError

from cvai.archive.foreign_json import (
    LARGEST_JSON_BYTES,
    AnswerTooLarge,
    AnswerUnreadable,
    Foreign,
    json_of,
    part,
    parts,
)
from cvai.archive.http import DENIED, RETRYABLE, new_session, retry_after_s
from cvai.archive.odd import OddAnswers
from cvai.errors import ArchiveRejected, CvaiError, TemporarilyUnavailable

MEDIA_TYPE = "application/fhir+json"


class EntryResponse(Foreign):
    """Bundle.entry.response: an HTTP status, possibly followed by text."""

    status: Annotated[str, Field(coerce_numbers_to_str=True)]


class AnsweredEntry(Foreign):
    """Bundle.entry in the answer to a transaction."""

    response: EntryResponse


class AnsweredBundle(Foreign):
    """The answer to a transaction."""

    entry: tuple[object, ...] = ()


class Issue(Foreign):
    """OperationOutcome.issue: a code of FHIR's own list of issue types."""

    code: Annotated[str, StringConstraints(pattern=r"^[a-z-]{1,40}$")]


class OperationOutcome(Foreign):
    """OperationOutcome: the issues of a failed request."""

    issue: list[object]


class FhirServer:
    """The health record's FHIR R4 server.

    Args:
        url: base URL, such as ``https://ehr.example/fhir``.
        token: bearer token, None for no authentication.
        timeout_s: for connecting and between two pieces of a response.
        patient_system: identifier system of the images' patient ids, None to omit it.
        largest_json_bytes: of a response.
        odd: counts invalid entries.
    """

    def __init__(
        self,
        url: str,
        token: str | None,
        timeout_s: float,
        patient_system: str | None,
        *,
        largest_json_bytes: int = LARGEST_JSON_BYTES,
        odd: OddAnswers | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._session = new_session()
        if token is not None:
            self._session.headers["Authorization"] = f"Bearer {token}"
        self._timeout_s = timeout_s
        self._patient_system = patient_system
        self._largest_json_bytes = largest_json_bytes
        self._odd = odd or OddAnswers()

    def deliver(self, paths: Sequence[Path]) -> None:
        """Post each bundle; see ``Destination``. Entries are conditional creates and may be repeated."""
        for path in paths:
            bundle = json.loads(path.read_text("utf-8"))
            self._post(_with_patient_system(bundle, self._patient_system))

    def _post(self, bundle: Mapping[str, Any]) -> None:
        body = json.dumps(bundle, ensure_ascii=False).encode()
        headers = {"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE}
        try:
            with self._session.post(
                self._url, data=body, headers=headers, timeout=self._timeout_s, stream=True
            ) as response:
                if not response.ok:
                    raise self._refusal(response)
                answer = json_of(response, self._largest_json_bytes)
        except requests.RequestException as error:
            raise TemporarilyUnavailable(
                "fhir_unreachable",
                f"the FHIR server did not answer as one ({type(error).__name__}).",
                "Check that it runs and that fhir.url is its base address.",
            ) from error
        self._require_all_taken(answer, len(bundle["entry"]))

    def _refusal(self, response: requests.Response) -> CvaiError:
        """The error for an unsuccessful status, with the server's codes but none of its texts.

        A conflict (409) means concurrent writers and is retried.
        """
        status = response.status_code
        message = f"the FHIR server answered {status}{self._issue_codes(response)} to a report."
        if status in DENIED:
            return ArchiveRejected(
                "fhir_denied", message, "Check CVAI_FHIR__TOKEN and what it may write there."
            )
        if status in {*RETRYABLE, HTTPStatus.CONFLICT} or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            wait_s = retry_after_s(response.headers)
            return TemporarilyUnavailable("fhir_busy", message, "The request is repeated.", wait_s)
        return ArchiveRejected("fhir_rejected", message, "The server's own log says more.")

    def _issue_codes(self, response: requests.Response) -> str:
        """Codes of an OperationOutcome, without texts, which may quote patient data."""
        try:
            outcome = OperationOutcome.model_validate(json_of(response, self._largest_json_bytes))
        except (AnswerUnreadable, AnswerTooLarge, ValidationError):
            return ""
        codes = [issue.code for issue in parts(outcome.issue, Issue, self._odd, "fhir")]
        return f" ({', '.join(codes)})" if codes else ""

    def _require_all_taken(self, answer: object, expected: int) -> None:
        """Check that the response is of a transaction with a success for every entry."""
        bundle = part(answer, AnsweredBundle, self._odd, "fhir") or AnsweredBundle()
        entries = parts(bundle.entry, AnsweredEntry, self._odd, "fhir")
        taken = sum(entry.response.status.startswith("2") for entry in entries)
        if taken != expected:
            raise ArchiveRejected(
                "fhir_rejected",
                f"the FHIR server took {taken} of {expected} resources of a report.",
                "It has to process a bundle as a transaction (FHIR R4, http.html#transaction).",
            )


def _with_patient_system(bundle: dict[str, Any], system: str | None) -> dict[str, Any]:
    if system is None:
        return bundle
    for entry in bundle["entry"]:
        if subject := entry["resource"].get("subject"):
            subject["identifier"]["system"] = system
    return bundle
