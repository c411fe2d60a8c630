"""Client of a UPS-RS worklist (PS3.18 section 11): claims workitems and reports their outcome."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
from pydicom import Dataset
from pydicom.sr.coding import Code

from cvai.archive.dicomweb.dicom_json import InputItem, WorkitemRow
from cvai.archive.foreign_json import LARGEST_JSON_BYTES, AnswerUnreadable, body_of, parsed, parts
from cvai.archive.http import archive_errors
from cvai.archive.odd import OddAnswers
from cvai.archive.part10 import read_identity
from cvai.archive.port import Cursor

MEDIA_TYPE = "application/dicom+json"
PAGE, PAGES_AT_MOST = 50, 20
"""Workitems per query, and queries per poll."""

SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED = "SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED"
IMAGE_PROCESSING = Code("110001", "DCM", "Image Processing")
UNSPECIFIED_REASON = Code("110513", "DCM", "Discontinued for unspecified reason")
"""Of CID 9300; ReasonForCancellation has the details."""

NOT_OURS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE})
"""Claimed by another performer, canceled or removed."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A workitem claimed by this service.

    Args:
        workitem_uid: of the workitem.
        transaction_uid: secret that proves the claim.
        study_uid: StudyInstanceUID to analyse.
        begun: when it was claimed, as a DICOM date and time.
        announced: whether its job is in the database.
        cancel_reason: why it is to be canceled, empty where no reason was given; None where it is not.
    """

    workitem_uid: str
    transaction_uid: str
    study_uid: str
    begun: str
    announced: bool = False
    cancel_reason: str | None = None

    def to_json(self) -> Cursor:
        """The claim as JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


class Worklist:
    """A UPS-RS worklist.

    Args:
        url: root of the service; workitems are below ``/workitems``.
        session: carries the credentials.
        timeout_s: for connecting and between two pieces of a response.
        station: code value of the station whose workitems are claimed.
        largest_json_bytes: of a response.
        odd: counts invalid workitems.
    """

    def __init__(
        self,
        url: str,
        session: requests.Session,
        timeout_s: float,
        station: str,
        *,
        largest_json_bytes: int = LARGEST_JSON_BYTES,
        odd: OddAnswers | None = None,
    ) -> None:
        self._url = f"{url.rstrip('/')}/workitems"
        self._session = session
        self._timeout_s = timeout_s
        self._station = station
        self._largest_json_bytes = largest_json_bytes
        self._odd = odd or OddAnswers()

    def scheduled(self) -> Iterator[tuple[str, str]]:
        """(workitem, study) UIDs of scheduled workitems; the study is empty where it is not named uniquely.

        Pages are queried lazily; one without new workitems is the last.

        Raises:
            TemporarilyUnavailable, ArchiveRejected: see ``Archive``; also all below.
        """
        seen: set[str] = set()
        offset = 0
        for _ in range(PAGES_AT_MOST):
            with archive_errors("list workitems"):
                found = self._page(offset)
            offset += len(found)
            rows = parts(found, WorkitemRow, self._odd, "ups")
            new = {row.workitem_uid: row for row in rows if row.workitem_uid not in seen}
            if not new:
                return
            seen |= new.keys()
            yield from ((uid, self._study_of(row)) for uid, row in new.items())

    def _page(self, offset: int) -> list[object]:
        query = {
            "ProcedureStepState": SCHEDULED,
            "ScheduledStationNameCodeSequence.CodeValue": self._station,
            "includefield": "InputInformationSequence",
            "limit": str(PAGE),
            **({"offset": str(offset)} if offset else {}),
        }
        headers = {"Accept": MEDIA_TYPE}
        with self._session.get(
            self._url, params=query, headers=headers, timeout=self._timeout_s, stream=True
        ) as response:
            response.raise_for_status()
            body = body_of(response, self._largest_json_bytes)
        found = parsed(body) if body.strip() else []
        if not isinstance(found, list):
            raise AnswerUnreadable("not a list")
        return found

    def _study_of(self, row: WorkitemRow) -> str:
        """The study of a workitem, empty unless exactly one is named."""
        inputs = parts(row.inputs, InputItem, self._odd, "ups", workitem=row.workitem_uid)
        studies = {item.study_uid or "" for item in inputs}
        return studies.pop() if len(studies) == 1 else ""

    def claim(self, claim: Claim) -> bool:
        """Claim a workitem; False when it is no longer available (PS3.18 section 11.7)."""
        return self._change_state(claim, IN_PROGRESS)

    def progress(self, claim: Claim, percent: int, words: str) -> bool:
        """Report progress; False when the claim is not valid."""
        information = Dataset()
        information.ProcedureStepProgress = str(percent)
        information.ProcedureStepProgressDescription = words
        return self._update(claim, ProcedureStepProgressInformationSequence=[information])

    def complete(self, claim: Claim, objects: Sequence[Path]) -> bool:
        """Report the output objects, then close as completed."""
        performed = _performed(claim, objects)
        return self._update(
            claim, UnifiedProcedureStepPerformedProcedureSequence=[performed]
        ) and self._change_state(claim, COMPLETED)

    def cancel(self, claim: Claim, reason: str) -> bool:
        """Report the reason, then close as canceled."""
        information = Dataset()
        information.ReasonForCancellation = reason
        information.ProcedureStepDiscontinuationReasonCodeSequence = [_code_item(UNSPECIFIED_REASON)]
        return self._update(
            claim, ProcedureStepProgressInformationSequence=[information]
        ) and self._change_state(claim, CANCELED)

    def _change_state(self, claim: Claim, state: str) -> bool:
        change = Dataset()
        change.ProcedureStepState = state
        change.TransactionUID = claim.transaction_uid
        return self._sent("PUT", f"{self._url}/{claim.workitem_uid}/state", {}, change)

    def _update(self, claim: Claim, **attributes: Any) -> bool:
        """Change attributes of a claimed workitem (PS3.18 section 11.6)."""
        change = Dataset()
        for keyword, value in attributes.items():
            setattr(change, keyword, value)
        where = {"transaction": claim.transaction_uid}
        return self._sent("POST", f"{self._url}/{claim.workitem_uid}", where, change)

    def _sent(self, method: str, url: str, query: Mapping[str, str], change: Dataset) -> bool:
        with (
            archive_errors("change a workitem"),
            self._session.request(
                method,
                url,
                params=query,
                json=[change.to_json_dict()],
                headers={"Content-Type": MEDIA_TYPE},
                timeout=self._timeout_s,
                stream=True,
            ) as response,
        ):
            if response.status_code in NOT_OURS:
                return False
            response.raise_for_status()
        return True


def _performed(claim: Claim, objects: Iterable[Path]) -> Dataset:
    """Performed procedure with station, times and output (PS3.4 table CC.2.5-3)."""
    performed = Dataset()
    performed.PerformedStationNameCodeSequence = [_code_item(Code("CVAI", "99CVAI", "cvai"))]
    performed.PerformedWorkitemCodeSequence = [_code_item(IMAGE_PROCESSING)]
    performed.PerformedProcedureStepStartDateTime = claim.begun
    performed.PerformedProcedureStepEndDateTime = datetime.now().strftime("%Y%m%d%H%M%S")
    performed.OutputInformationSequence = [_output(path) for path in objects]
    return performed


def _output(path: Path) -> Dataset:
    """An object by its UIDs (PS3.3 table 10.-3b, Referenced Instances and Access Macro)."""
    identity = read_identity(path)
    if identity is None:
        raise ValueError(f"{path.name} is not a DICOM object")
    reference = Dataset()
    reference.ReferencedSOPClassUID = identity.sop_class_uid
    reference.ReferencedSOPInstanceUID = identity.sop_instance_uid
    output = Dataset()
    output.TypeOfInstances = "DICOM"
    output.StudyInstanceUID = identity.study_uid
    output.SeriesInstanceUID = identity.series_uid
    output.ReferencedSOPSequence = [reference]
    return output


def _code_item(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = (
        code.value,
        code.scheme_designator,
        code.meaning,
    )
    return item
