"""What a site adds to an HL7 v2 message before it is sent, and how a message is withdrawn."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from cvai.dicom.write import er7
from cvai.dicom.write.codes import DIAGNOSTIC_IMAGING_REPORT
from cvai.dicom.write.er7 import components, joined
from cvai.dicom.write.hl7 import DICOM_STUDY, STUDY_STATUS, ResultStatus, control_id

Fields = tuple[str, ...]

REPORT_CODE = (
    DIAGNOSTIC_IMAGING_REPORT.value,
    DIAGNOSTIC_IMAGING_REPORT.meaning,
    DIAGNOSTIC_IMAGING_REPORT.scheme_designator,
)


@dataclass(frozen=True, slots=True)
class Addressing:
    """What sender and receiver are called, and other conventions of a site.

    Args:
        sending_application, sending_facility, receiving_application, receiving_facility: MSH-3 to MSH-6,
            encoded.
        processing_id: MSH-11.
        accession_is_filler: the accession number is the filler order number where the images state none.
    """

    sending_application: str = "CVAI"
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    processing_id: str = "P"
    accession_is_filler: bool = False


@dataclass(frozen=True, slots=True)
class OruMessage:
    """A message of ``cvai.dicom.write.hl7``, its segments as ``er7.split_message`` gives them."""

    segments: tuple[Fields, ...]

    @classmethod
    def of(cls, text: str) -> Self:
        """The message of this text."""
        return cls(tuple(tuple(fields) for fields in er7.split_message(text)))

    @classmethod
    def read(cls, path: Path) -> Self:
        """The message in a file; read as bytes, or the ends of its segments would be changed."""
        return cls.of(path.read_bytes().decode())

    @property
    def text(self) -> str:
        """The message as it is sent."""
        return er7.rejoined(self.segments)

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return _field(self._first("MSH"), 9)

    @property
    def patient(self) -> str:
        """PID-3, empty where the images state no identifier."""
        return _field(self._first("PID"), 3)

    @property
    def status(self) -> ResultStatus:
        """Of its results, which all have the same; that of the order cannot tell what is wrong."""
        stated = (_field(s, 11) for s in self.segments if s[0] == "OBX" and _field(s, 11) != STUDY_STATUS)
        return ResultStatus(next(stated, _field(self._first("OBR"), 25)))

    @property
    def study_uid(self) -> str:
        """StudyInstanceUID of what was measured."""
        named = (s for s in self.segments if _field(s, 3).startswith(f"{DICOM_STUDY.value}^"))
        return _field(next(named), 5)

    def with_status(self, status: ResultStatus) -> Self:
        """The same results with another status, as a message of its own."""

        def changed(fields: Fields) -> Fields:
            if fields[0] == "OBR":
                return _with(fields, {25: status.of_order})
            if fields[0] == "OBX" and _field(fields, 11) != STUDY_STATUS:
                return _with(fields, {11: str(status)})
            return fields

        return self._each(changed)._each(_for("MSH", {9: control_id([self.control_id, status])}))

    def addressed(self, addressing: Addressing) -> Self:
        """The message with what the site has set."""
        a = addressing
        names = (a.sending_application, a.sending_facility, a.receiving_application, a.receiving_facility)
        named = self._each(_for("MSH", {**dict(enumerate(names, start=2)), 10: a.processing_id}))
        accession = _field(self._first("OBR"), 18)
        if not a.accession_is_filler or _field(self._first("OBR"), 3) or not accession:
            return named
        return named._each(_for("OBR", {3: accession}))._each(_for("ORC", {3: accession}))

    def with_pdf(self, pdf: bytes) -> Self:
        """The message with the report as an encapsulated document (data type ED)."""
        return self._with_report("ED", joined("", "AP", "PDF", "Base64", base64.b64encode(pdf).decode()))

    def with_link(self, url: str) -> Self:
        """The message with the address of the report or of a viewer (data type RP)."""
        return self._with_report("RP", components(url, "cvai", "TEXT", "HTML"))

    def _with_report(self, kind: str, value: str) -> Self:
        number = sum(fields[0] == "OBX" for fields in self.segments) + 1
        said = {1: str(number), 2: kind, 3: components(*REPORT_CODE), 4: "1", 5: value, 11: str(self.status)}
        report = tuple(er7.segment("OBX", said).split("|"))
        return replace(self, segments=(*self.segments, report))

    def _first(self, name: str) -> Fields:
        return next(fields for fields in self.segments if fields[0] == name)

    def _each(self, change: Callable[[Fields], Fields]) -> Self:
        return replace(self, segments=tuple(map(change, self.segments)))


def _for(name: str, values: dict[int, str]) -> Callable[[Fields], Fields]:
    """Sets fields of the segments of this name."""
    return lambda fields: _with(fields, values) if fields[0] == name else fields


def _with(fields: Fields, values: dict[int, str]) -> Fields:
    padded = [*fields, *[""] * (max(values) + 1 - len(fields))]
    for number, value in values.items():
        padded[number] = value
    return tuple(padded)


def _field(fields: Fields, number: int) -> str:
    return fields[number] if number < len(fields) else ""
