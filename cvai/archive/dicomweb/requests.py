"""The requests of DICOMweb (PS3.18), put as one archive wants them to be; how that is, its answers tell."""

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
from cvai.archive.dicomweb.phrasing import PHRASINGS, PHRASINGS_WITHOUT_LIMIT, AskedList, Query, R, Rows
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
"""Of a study's instances; a list that is longer has no end."""

NOT_PUT_THIS_WAY = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
NOTHING_BEHIND = NOT_PUT_THIS_WAY | {HTTPStatus.NOT_FOUND, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}
"""What some archives answer to an ``offset`` behind the end of a list."""

NOT_SENT_THIS_WAY = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_ACCEPTABLE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
)

ACCEPTED = (
    # Without transfer-syntax=* a server may transcode to Explicit VR Little Endian (PS3.18 8.7.3.5.2).
    'multipart/related; type="application/dicom"; transfer-syntax=*',
    'multipart/related; type="application/dicom"',
    "multipart/related; type=application/dicom",
)

STORED_OR_SAID_WHY = frozenset({HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT})
"""Answers of STOW-RS that tell of each object (PS3.18 table 10.5.3-1)."""


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """Sizes of answers: what is larger is given up while it is read.

    Args:
        json_bytes: of a list.
        part_bytes: of an instance.
    """

    json_bytes: int = LARGEST_JSON_BYTES
    part_bytes: int = LARGEST_PART_BYTES


@dataclass
class DicomwebRequests:
    """Asks one archive. Every method raises what ``requests`` does, ``AnswerUnreadable`` and its like too.

    Args:
        url: root of the service, without a slash at its end.
        session: carries the credentials.
        timeout_s: how long to wait for a connection and between two pieces of an answer.
        limits: of answers.
        odd: told of rows that make no sense.
    """

    url: str
    session: requests.Session
    timeout_s: float
    limits: AnswerLimits = AnswerLimits()
    odd: OddAnswers = field(default_factory=OddAnswers)

    def __post_init__(self) -> None:
        self._accepted: tuple[str, ...] = ACCEPTED
        self._studies = AskedList(StudyRow, "study_uid", [dicom_json.STUDY_RELATED_INSTANCES], PHRASINGS)
        self._series = AskedList(SeriesRow, "series_uid", list(TRAIT_TAGS), PHRASINGS_WITHOUT_LIMIT)
        tags = [dicom_json.SOP_CLASS_UID, dicom_json.SERIES_INSTANCE_UID]
        self._instances = AskedList(InstanceRow, "sop_instance_uid", tags, PHRASINGS_WITHOUT_LIMIT)

    def studies(self, filters: Mapping[str, str], limit: int, offset: int) -> Rows[StudyRow]:
        """A page of the studies that match."""
        return self._page_behind(self._studies, f"{self.url}/studies", filters, limit, offset)

    def series(self, study_uid: str) -> Rows[SeriesRow]:
        """All series of a study, each once."""
        return self._all(self._series, f"{self.url}/studies/{study_uid}/series", {})

    def instances(self, study_uid: str, filters: Mapping[str, str]) -> Rows[InstanceRow]:
        """All instances of a study that match, each once."""
        return self._all(self._instances, f"{self.url}/studies/{study_uid}/instances", filters)

    def metadata(self, study_uid: str) -> Rows[InstanceRow]:
        """All instances of a study as their headers name them; dear, since all of a header comes along."""
        told, _ = self._get_json(f"{self.url}/studies/{study_uid}/metadata", [])
        return self._rows(self._instances, told)

    def server_time(self) -> datetime | None:
        """Ask for one study; the server's time where it tells."""
        _, headers = self._page(self._studies, f"{self.url}/studies", {}, 1, 0)
        return _date(headers.get("Date", ""))

    def study_parts(self, study_uid: str) -> Generator[bytearray, None, None]:
        """Every instance of a study, in the transfer syntax it is kept in where the archive does that."""
        return self._parts(f"{self.url}/studies/{study_uid}")

    def instance_parts(
        self, study_uid: str, series_uid: str, instance_uid: str
    ) -> Generator[bytearray, None, None]:
        """One instance; an archive may send others along."""
        return self._parts(f"{self.url}/studies/{study_uid}/series/{series_uid}/instances/{instance_uid}")

    def store(self, study_uid: str, objects: Sequence[bytes]) -> StowAnswer:
        """Store encoded data sets, in halves where they are too large for one request.

        The body goes out with its length: some archives take none that comes in chunks (411).
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
        """What the answer tells; a success that cannot be read tells nothing.

        Neither does a conflict that names no object: some archives mean by it that they have them all.
        """
        if response.status_code not in STORED_OR_SAID_WHY:
            response.raise_for_status()
        try:
            answer = StowAnswer.of(json_of(response, self.limits.json_bytes), self.odd)
        except (AnswerUnreadable, AnswerTooLarge):
            answer = StowAnswer.of(None, self.odd)
        return answer

    def _all(self, asked: AskedList[R], url: str, filters: Mapping[str, str]) -> Rows[R]:
        """A whole list, page after page.

        Archives have limits of their own, so that a short page is not the last; and there are archives that
        do not know ``offset``, so that a page without anything new is.
        """
        found: dict[str, R] = {}
        n_received = n_senseless = 0
        while (page := self._page_behind(asked, url, filters, None, n_received)).n_received:
            n_received += page.n_received
            n_senseless += page.n_received - len(page.rows)
            fresh = {key: row for row in page.rows if (key := getattr(row, asked.key)) not in found}
            if not fresh:
                break
            found |= fresh
            if len(found) > ROWS_AT_MOST:
                raise AnswerTooLarge(f"a list of more than {ROWS_AT_MOST} rows")
        return Rows(tuple(found.values()), len(found) + n_senseless)

    def _page_behind(
        self, asked: AskedList[R], url: str, filters: Mapping[str, str], limit: int | None, offset: int
    ) -> Rows[R]:
        """The page at an offset, without rows where the list has come to its end."""
        try:
            return self._page(asked, url, filters, limit, offset)[0]
        except requests.HTTPError as error:
            if offset and error.response is not None and error.response.status_code in NOTHING_BEHIND:
                return Rows((), 0)
            raise

    def _page(
        self, asked: AskedList[R], url: str, filters: Mapping[str, str], limit: int | None, offset: int
    ) -> tuple[Rows[R], Mapping[str, str]]:
        """A page of a list and the headers of its answer: the first complete one, else the first of all."""
        refused: requests.HTTPError | None = None
        best: tuple[int, Rows[R], Mapping[str, str]] | None = None
        for number, phrasing in enumerate(asked.to_be_tried):
            try:
                told, headers = self._get_json(url, phrasing.query(filters, asked.tags, limit, offset))
            except requests.HTTPError as error:
                if error.response is None or error.response.status_code not in NOT_PUT_THIS_WAY:
                    raise
                refused = refused or error
                continue
            rows = self._rows(asked, told)
            if best is None or rows.complete:
                best = number, rows, headers
            if rows.complete:
                break
        if best is None:
            raise refused or AnswerUnreadable("no answer")
        number, rows, headers = best
        if rows.rows:
            asked.learn(number)
        return rows, headers

    def _rows(self, asked: AskedList[R], told: object) -> Rows[R]:
        values = [told] if isinstance(told, dict) else told  # some send a single row bare
        if not isinstance(values, list):
            raise AnswerUnreadable("not a list")
        return Rows(tuple(parts(values, asked.row, self.odd, "qido")), len(values))

    def _get_json(self, url: str, query: Query) -> tuple[object, Mapping[str, str]]:
        """The JSON value and the headers of an answer; an empty list where there is no body (204)."""
        headers = {"Accept": JSON_TYPES}
        with self.session.get(
            url, params=query, headers=headers, timeout=self.timeout_s, stream=True
        ) as response:
            response.raise_for_status()
            body = body_of(response, self.limits.json_bytes)
            return parsed(body) if body.strip() else [], response.headers

    def _parts(self, url: str) -> Generator[bytearray, None, None]:
        """Parts of an answer, asked for in each way that is left until the archive sends it."""
        refused: requests.Response | None = None
        for number, accept in enumerate(self._accepted):
            response = self.session.get(url, headers={"Accept": accept}, timeout=self.timeout_s, stream=True)
            if response.ok:
                self._accepted = self._accepted[number:]
                yield from parts_of(response, self.limits.part_bytes)
                return
            response.close()
            refused = refused or response
            if response.status_code not in NOT_SENT_THIS_WAY:
                response.raise_for_status()
        if refused is not None:
            refused.raise_for_status()


def _date(told: str) -> datetime | None:
    """A time with its zone, None where it is none."""
    try:
        at = parsedate_to_datetime(told)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
