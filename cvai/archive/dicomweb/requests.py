"""DICOMweb requests (PS3.18), adapted to what an archive accepts as its responses show it."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests

from cvai.archive.dicomweb import dicom_json
from cvai.archive.dicomweb.dicom_json import InstanceRow, SeriesRow, StudyRow
from cvai.archive.dicomweb.multipart import LARGEST_PART_BYTES, parts_of
from cvai.archive.dicomweb.phrasing import PHRASINGS, PHRASINGS_WITHOUT_LIMIT, ListQuery, Query, R, Rows
from cvai.archive.dicomweb.stow import StowAnswer, multipart_message
from cvai.archive.foreign_json import (
    LARGEST_JSON_BYTES,
    AnswerTooLarge,
    AnswerUnreadable,
    body_of,
    json_of,
    parsed,
    parts,
)
from cvai.archive.odd import OddAnswers
from cvai.archive.traits import TRAIT_TAGS

JSON_TYPES = "application/dicom+json, application/json"

ROWS_AT_MOST = 200_000
"""Instances of a study; a longer list is assumed to be endless."""

QUERY_REJECTED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
PAST_THE_END = QUERY_REJECTED | {HTTPStatus.NOT_FOUND, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}
"""Status of some archives for an ``offset`` past the end of a list."""

MEDIA_TYPE_REJECTED = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_ACCEPTABLE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
)

ACCEPTED = (
    # Without transfer-syntax=* a server may transcode to Explicit VR Little Endian (PS3.18 8.7.3.5.2).
    'multipart/related; type="application/dicom"; transfer-syntax=*',
    'multipart/related; type="application/dicom"',
    "multipart/related; type=application/dicom",
)

STOW_ANSWERS = frozenset({HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT})
"""Status of STOW-RS responses that list each object (PS3.18 table 10.5.3-1)."""


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """Size limits of responses; reading stops where one is exceeded.

    Args:
        json_bytes: of a list.
        part_bytes: of an instance.
    """

    json_bytes: int = LARGEST_JSON_BYTES
    part_bytes: int = LARGEST_PART_BYTES


@dataclass
class DicomwebRequests:
    """The requests to one archive. Methods raise ``requests.RequestException``.

    Args:
        url: root of the service, without a trailing slash.
        session: carries the credentials.
        timeout_s: for connecting and between two pieces of a response.
        limits: of response sizes.
        odd: counts invalid rows.
    """

    url: str
    session: requests.Session
    timeout_s: float
    limits: AnswerLimits = AnswerLimits()
    odd: OddAnswers = field(default_factory=OddAnswers)

    def __post_init__(self) -> None:
        self._accepted: tuple[str, ...] = ACCEPTED
        self._studies = ListQuery(StudyRow, "study_uid", [dicom_json.STUDY_RELATED_INSTANCES], PHRASINGS)
        self._series = ListQuery(SeriesRow, "series_uid", list(TRAIT_TAGS), PHRASINGS_WITHOUT_LIMIT)
        tags = [dicom_json.SOP_CLASS_UID, dicom_json.SERIES_INSTANCE_UID]
        self._instances = ListQuery(InstanceRow, "sop_instance_uid", tags, PHRASINGS_WITHOUT_LIMIT)

    def studies(self, filters: Mapping[str, str], limit: int, offset: int) -> Rows[StudyRow]:
        """A page of the studies that match."""
        return self._page_at(self._studies, f"{self.url}/studies", filters, limit, offset)

    def series(self, study_uid: str) -> Rows[SeriesRow]:
        """All series of a study, each once."""
        return self._all(self._series, f"{self.url}/studies/{study_uid}/series", {})

    def instances(self, study_uid: str, filters: Mapping[str, str]) -> Rows[InstanceRow]:
        """All instances of a study that match, each once."""
        return self._all(self._instances, f"{self.url}/studies/{study_uid}/instances", filters)

    def metadata(self, study_uid: str) -> Rows[InstanceRow]:
        """All instances of a study by their headers; expensive, since whole headers are transferred."""
        value, _ = self._get_json(f"{self.url}/studies/{study_uid}/metadata", [])
        return self._rows(self._instances, value)

    def server_time(self) -> datetime | None:
        """Query one study; returns the server's time where the response has it."""
        _, headers = self._page(self._studies, f"{self.url}/studies", {}, 1, 0)
        return _date(headers.get("Date", ""))

    def study_parts(self, study_uid: str) -> Generator[bytearray, None, None]:
        """Every instance of a study, in its stored transfer syntax where the archive supports that."""
        return self._parts(f"{self.url}/studies/{study_uid}")

    def instance_parts(
        self, study_uid: str, series_uid: str, instance_uid: str
    ) -> Generator[bytearray, None, None]:
        """One instance; archives may send others too."""
        return self._parts(f"{self.url}/studies/{study_uid}/series/{series_uid}/instances/{instance_uid}")

    def store(self, study_uid: str, objects: Sequence[bytes]) -> StowAnswer:
        """Store encoded data sets, halving requests that are too large.

        The body is sent with its length: some archives reject chunked requests (411).
        """
        body, content_type = multipart_message(objects)
        response = self.session.post(
            f"{self.url}/studies/{study_uid}",
            data=body,
            headers={"Content-Type": content_type, "Accept": JSON_TYPES},
            timeout=self.timeout_s,
            stream=True,
        )
        with response:
            if response.status_code != HTTPStatus.REQUEST_ENTITY_TOO_LARGE or len(objects) == 1:
                return self._stow_answer(response)
        half = len(objects) // 2
        return self.store(study_uid, objects[:half]) | self.store(study_uid, objects[half:])

    def _stow_answer(self, response: requests.Response) -> StowAnswer:
        """The parsed response; empty for a success that cannot be read.

        Also empty for a conflict that names no object: some archives mean that they have all of them.
        """
        if response.status_code not in STOW_ANSWERS:
            response.raise_for_status()
        try:
            answer = StowAnswer.of(json_of(response, self.limits.json_bytes), self.odd)
        except (AnswerUnreadable, AnswerTooLarge):
            answer = StowAnswer.of(None, self.odd)
        return answer

    def _all(self, listing: ListQuery[R], url: str, filters: Mapping[str, str]) -> Rows[R]:
        """A whole list, page by page.

        A short page is not the end, since archives have limits of their own; a page without new rows is,
        since some archives ignore ``offset``.
        """
        found: dict[str, R] = {}
        n_received = n_invalid = 0
        while (page := self._page_at(listing, url, filters, None, n_received)).n_received:
            n_received += page.n_received
            n_invalid += page.n_received - len(page.rows)
            new = {key: row for row in page.rows if (key := getattr(row, listing.key)) not in found}
            if not new:
                break
            found |= new
            if len(found) > ROWS_AT_MOST:
                raise AnswerTooLarge(f"a list of more than {ROWS_AT_MOST} rows")
        return Rows(tuple(found.values()), len(found) + n_invalid)

    def _page_at(
        self, listing: ListQuery[R], url: str, filters: Mapping[str, str], limit: int | None, offset: int
    ) -> Rows[R]:
        """The page at an offset, empty past the end of the list."""
        try:
            return self._page(listing, url, filters, limit, offset)[0]
        except requests.HTTPError as error:
            if offset and error.response is not None and error.response.status_code in PAST_THE_END:
                return Rows((), 0)
            raise

    def _page(
        self, listing: ListQuery[R], url: str, filters: Mapping[str, str], limit: int | None, offset: int
    ) -> tuple[Rows[R], Mapping[str, str]]:
        """A page of a list and the response headers: the first complete one, else the first."""
        refused: requests.HTTPError | None = None
        best: tuple[int, Rows[R], Mapping[str, str]] | None = None
        for number, phrasing in enumerate(listing.candidates):
            try:
                value, headers = self._get_json(url, phrasing.query(filters, listing.tags, limit, offset))
            except requests.HTTPError as error:
                if error.response is None or error.response.status_code not in QUERY_REJECTED:
                    raise
                refused = refused or error
                continue
            rows = self._rows(listing, value)
            if best is None or rows.complete:
                best = number, rows, headers
            if rows.complete:
                break
        if best is None:
            raise refused or AnswerUnreadable("no answer")
        number, rows, headers = best
        if rows.rows:
            listing.learn(number)
        return rows, headers

    def _rows(self, listing: ListQuery[R], value: object) -> Rows[R]:
        values = [value] if isinstance(value, dict) else value  # some send a single row without a list
        if not isinstance(values, list):
            raise AnswerUnreadable("not a list")
        return Rows(tuple(parts(values, listing.row, self.odd, "qido")), len(values))

    def _get_json(self, url: str, query: Query) -> tuple[object, Mapping[str, str]]:
        """The JSON value and headers of a response; an empty list where there is no body (204)."""
        headers = {"Accept": JSON_TYPES}
        with self.session.get(
            url, params=query, headers=headers, timeout=self.timeout_s, stream=True
        ) as response:
            response.raise_for_status()
            body = body_of(response, self.limits.json_bytes)
            return parsed(body) if body.strip() else [], response.headers

    def _parts(self, url: str) -> Generator[bytearray, None, None]:
        """Parts of a response; the remaining media types are tried until the archive accepts one."""
        refused: requests.Response | None = None
        for number, accept in enumerate(self._accepted):
            response = self.session.get(url, headers={"Accept": accept}, timeout=self.timeout_s, stream=True)
            if response.ok:
                self._accepted = self._accepted[number:]
                yield from parts_of(response, self.limits.part_bytes)
                return
            response.close()
            refused = refused or response
            if response.status_code not in MEDIA_TYPE_REJECTED:
                response.raise_for_status()
        if refused is not None:
            refused.raise_for_status()


def _date(value: str) -> datetime | None:
    """A time with its zone, None where it is invalid."""
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
