"""The measurements as an HL7 v2.5.1 message, ORU^R01, for systems that take results that way.

One order group (ORC, OBR) holds an OBX for the study, one for every measurement and one for every finding.
The message control ID (MSH-10) is derived from what the message says, so that a receiver that gets the same
message again can drop it. What only a site knows, such as MSH-3 to MSH-6 and how the report is attached, is
entered when the message is sent.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from pydicom import Dataset
from pydicom.sr.coding import Code

from cvai.dicom.read.header.attributes import items
from cvai.dicom.read.header.names import readable_name
from cvai.dicom.read.header.text import stated_text
from cvai.dicom.read.patient import Patient
from cvai.dicom.write import codes, er7
from cvai.dicom.write.analysis import AnyAnalysed
from cvai.dicom.write.codes import INDEXED_BY_BODY_SURFACE, MeasurementCoding
from cvai.dicom.write.entered import ENTERED_CODINGS, entered_by
from cvai.dicom.write.er7 import components, escaped, joined, segment, subcomponents
from cvai.dicom.write.fhir import CATEGORIES, INTERPRETATIONS, qualifier_texts, range_text
from cvai.dicom.write.impression import impression_origin
from cvai.dicom.write.instance import NOT_FOR_CLINICAL_USE, ResultContext
from cvai.dicom.write.objects.number import SHOWN_DECIMALS
from cvai.dicom.write.report.bounds import interval_note
from cvai.dicom.write.source import checked_value, header_uid
from cvai.dicom.write.uids import device_uid
from cvai.domain.findings import Finding
from cvai.domain.impression import Impression
from cvai.domain.measurement import Measurement
from cvai.domain.subject import Entered

MESSAGE_TYPE = "ORU^R01^ORU_R01"
CHARACTER_SET = "UNICODE UTF-8"
SENDING_APPLICATION = "CVAI"
PRODUCTION = "P"
"""Processing ID (table 0103)."""

LOCAL_CODES = "99CVAI"
"""Coding system of cvai's own names of measurements and findings (table 0396)."""

DICOM_STUDY = Code("113014", "DCM", "DICOM Study")
"""Observation that names the study by its UID, as in IHE's RAD-128."""

NAME_GROUPS = ("A", "I", "P")
"""Representation of each group of a DICOM name (table 0465): alphabetic, ideographic, phonetic."""

NAME_UNKNOWN = "~^^^^^^U"
"""PID-5 has to be valued; this is what section 3.4.2.5 recommends where the name is unknown."""

ORDER_NUMBERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "accession number": ("AccessionNumber", "IssuerOfAccessionNumberSequence"),
        "placer order number": ("PlacerOrderNumberImagingServiceRequest", "OrderPlacerIdentifierSequence"),
        "filler order number": ("FillerOrderNumberImagingServiceRequest", "OrderFillerIdentifierSequence"),
    }
)
"""Attributes of a number and of who issued it, by the name of the number."""

CONTROL_ID_LENGTH = 20
"""MSH-10 (2.5.1)."""


class ResultStatus(StrEnum):
    """Observation result status, of table 0085 and, where it has the code, of table 0123."""

    PRELIMINARY = "P"
    FINAL = "F"
    CORRECTED = "C"
    NOT_OBTAINED = "X"
    """A reader has rejected the results."""
    WRONG = "W"
    """Sent for another patient than the one of the images."""

    @property
    def of_order(self) -> str:
        """Result status of the whole order (OBR-25, table 0123), which has no code for a wrong result."""
        return str(ResultStatus.CORRECTED if self is ResultStatus.WRONG else self)


STUDY_STATUS = "O"
"""OBX-11 of the study's UID: a description of the order, no result."""


def oru_message(context: ResultContext[AnyAnalysed], rejected_because: str | None = None) -> str:
    """The message; see ``Hl7Destination.send`` for what checks it.

    Args:
        context: of the analysis; preliminary results unless a reader has signed.
        rejected_because: reason of the reader who rejects these results; the message then withdraws every
            value.
    """
    return _Writer(context, rejected_because).text()


class _Writer:
    """Writes the segments of one message."""

    def __init__(self, context: ResultContext[AnyAnalysed], rejected_because: str | None) -> None:
        self._context = context
        self._analysis = context.analysis
        self._header = context.first_header
        self._rejected_because = rejected_because
        verification = self._analysis.verification
        self._made_at = context.created if verification is None else verification.at
        self._observed_at = _study_time(self._header)
        self._status = (
            ResultStatus.NOT_OBTAINED
            if rejected_because is not None
            else ResultStatus.PRELIMINARY
            if verification is None
            else ResultStatus.FINAL
        )

    def text(self) -> str:
        now = _timestamp(self._made_at)
        # When an unsigned result was made is no part of what it says: made again, it is the same.
        said = self._content("" if self._analysis.verification is None else now)
        said.append(self._analysis.content)
        return er7.message([self._header_segment(now, control_id(said)), *self._content(now)])

    def _content(self, status_time: str) -> list[str]:
        return [*self._patient(), *self._order(status_time), *self._observations()]

    def _header_segment(self, now: str, control: str) -> str:
        fields = {2: er7.ENCODING_CHARACTERS, 3: SENDING_APPLICATION, 7: now, 9: MESSAGE_TYPE, 10: control}
        fields |= {11: PRODUCTION, 12: er7.VERSION, 18: CHARACTER_SET}
        # MSH-1 is the separator itself: MSH-2 is the first field behind a bar.
        return segment("MSH", {number - 1: value for number, value in fields.items()})

    def _patient(self) -> Iterator[str]:
        patient = self._analysis.patient
        identity = {1: "1", 3: patient_identifier(patient), 5: _names(patient.name) or NAME_UNKNOWN}
        yield segment("PID", {**identity, 7: patient.birth_date, 8: patient.sex})
        referring = _person(stated_text(self._header, "ReferringPhysicianName"))
        visit = _numbered(self._header, "AdmissionID", "IssuerOfAdmissionIDSequence")
        if referring or visit:
            number = joined(visit[0], "", "", visit[1]) if visit else ""
            yield segment("PV1", {1: "1", 2: "U", 8: referring, 19: number})

    def _order(self, status_time: str) -> Iterator[str]:
        numbers = {name: _order_number(self._header, *keywords) for name, keywords in ORDER_NUMBERS.items()}
        accession, placer, filler = numbers.values()
        yield segment("ORC", {1: "RE", 2: placer, 3: filler})
        yield segment(
            "OBR",
            {
                1: "1",
                2: placer,
                3: filler,
                4: components(*_service(self._header), *self._kind()),
                7: self._observed_at,
                16: _person(stated_text(self._header, "RequestingPhysician")),
                18: accession.partition("^")[0],
                22: status_time,
                24: CATEGORIES.get(str(self._header.get("Modality") or ""), ("",))[0],
                25: self._status.of_order,
                32: self._interpreter(),
            },
        )
        if missing := [name for name, number in numbers.items() if not number]:
            yield _note(
                1, f"Not stated by the images, or not the same in all requests: {', '.join(missing)}."
            )

    def _kind(self) -> tuple[str, str, str]:
        """Which analysis this is: those of one study share everything else in OBR."""
        return self._analysis.kind, self._context.plan.title, LOCAL_CODES

    def _interpreter(self) -> str:
        """NDL: the reader's name as its first component, which has parts of its own."""
        verification = self._analysis.verification
        if verification is None:
            return ""
        family, given, middle, prefix, suffix = _name_parts(verification.name.partition("=")[0])
        return subcomponents("", family, given, middle, suffix, prefix)

    def _observations(self) -> Iterator[str]:
        for number, (fields, notes) in enumerate(self._all_observations(), start=1):
            yield segment("OBX", {1: str(number), **fields})
            yield from (_note(n, text) for n, text in enumerate(notes, start=1))

    def _all_observations(self) -> Iterator[tuple[dict[int, str], list[str]]]:
        """Fields of every OBX but its number, with the notes behind it."""
        study_uid = header_uid(self._header, "StudyInstanceUID") or ""
        yield {2: "ST", 3: _coded(DICOM_STUDY), 5: escaped(study_uid), 11: STUDY_STATUS}, []
        remark = {2: "TX", 3: _coded(codes.COMMENT), 5: escaped(self._remark()), 11: STUDY_STATUS}
        yield remark, self._drawn()
        seen: Counter[str] = Counter()
        for measurement in self._analysis.measurements:
            coding = self._analysis.coding(measurement.name)
            fields = self._measured(measurement, coding)
            # The sub-ID tells observations with the same identifier apart, such as those of wall segments.
            identifier = fields[3].split("^")[0]
            seen[identifier] += 1
            yield fields | {4: str(seen[identifier])}, self._notes(measurement, coding)
        if self._status is not ResultStatus.NOT_OBTAINED and self._analysis.subject.entered is not None:
            yield from self._entered(self._analysis.subject.entered)
        if self._analysis.impression is not None:
            yield self._concluded(self._analysis.impression)
        if self._status is not ResultStatus.NOT_OBTAINED:
            yield from ((self._found(finding), []) for finding in self._analysis.findings)

    def _remark(self) -> str:
        """What a person has to know first: who made this, and what became of it."""
        model, verification = self._analysis.model, self._analysis.verification
        drew = (
            "within a reader's contours"
            if model.is_hand
            else f"with the AI model {model.name} {model.version}"
        )
        made = f"Measured by cvai {self._analysis.cvai_version} {drew}"
        if verification is None:
            return f"{NOT_FOR_CLINICAL_USE}. {made}; not verified by a reader."
        reader = f"{readable_name(verification.name)}, {verification.organization}"
        if self._rejected_because is not None:
            return f"{NOT_FOR_CLINICAL_USE}. {made}; rejected by {reader}: {self._rejected_because}"
        done = "corrected and signed" if verification.changed and not model.is_hand else "signed"
        return f"{NOT_FOR_CLINICAL_USE}. {made}; {done} by {reader}."

    def _drawn(self) -> list[str]:
        """How contours are drawn, where values come from them."""
        convention = self._analysis.model.convention_sentence
        return [] if convention is None or self._status is ResultStatus.NOT_OBTAINED else [convention]

    def _measured(self, measurement: Measurement, coding: MeasurementCoding) -> dict[int, str]:
        fields = {2: "NM", 3: _measured_identifier(measurement.name, coding), 11: str(self._status)}
        if self._status is ResultStatus.NOT_OBTAINED:
            return fields
        return fields | {
            5: _number(measurement.value),
            6: _unit(measurement.unit),
            7: "" if measurement.normal is None else "-".join(map(_number, measurement.normal)),
            8: "" if measurement.normality is None else INTERPRETATIONS[measurement.normality][0],
            14: self._observed_at,
            16: self._responsible(),
            17: "" if coding.method is None else _coded(coding.method),
            18: self._equipment(),
        }

    def _notes(self, measurement: Measurement, coding: MeasurementCoding) -> list[str]:
        if self._status is ResultStatus.NOT_OBTAINED:
            return []
        said = [f"Site: {coding.site.meaning}", *qualifier_texts(coding)]
        if coding.grades:
            said.append(coding.grades[measurement.value].meaning)
        if measurement.interval is not None:
            low, high = map(_number, measurement.interval)
            said.append(f"Range of measurement uncertainty: {low} to {high} {measurement.unit}")
            said.extend(filter(None, [interval_note([measurement])]))
        if measurement.normal_source is not None:
            said.append(f"Reference range: {range_text(measurement.normal_source)}")
        return said

    def _found(self, finding: Finding) -> dict[int, str]:
        identifier = components(*_parts(codes.QUALITY_FINDING), finding.code, "", LOCAL_CODES)
        return {2: "TX", 3: identifier, 5: escaped(finding.message), 11: str(self._status)}

    def _entered(self, entered: Entered) -> Iterator[tuple[dict[int, str], list[str]]]:
        """What a reader has entered by hand about the patient."""
        for name, value in entered.values.items():
            coding = ENTERED_CODINGS[name]
            fields = {2: "NM", 3: _coded(coding.code), 5: _number(value), 6: _coded(coding.unit)}
            said = {4: "by hand", 11: str(self._status), 14: self._observed_at, 16: _person(entered.by)}
            yield fields | said, [f"{entered_by(entered)}."]

    def _concluded(self, impression: Impression) -> tuple[dict[int, str], list[str]]:
        """The impression, its lines as repetitions (2.5.1, section 2.A.78), and who wrote it."""
        text = "~".join(map(escaped, impression.lines))
        fields = {2: "TX", 3: _coded(codes.IMPRESSION), 5: text, 11: str(self._status)}
        return fields | {16: self._responsible()}, [impression_origin(impression)]

    def _responsible(self) -> str:
        verification = self._analysis.verification
        return "" if verification is None else _person(verification.name)

    def _equipment(self) -> str:
        model = self._analysis.model
        return components(f"{model.name} {model.version}", "cvai", device_uid(model.sha256), "ISO")


def control_id(said: Iterable[str]) -> str:
    """MSH-10 of a message that says this: the same for the same, and at most 20 characters."""
    digest = hashlib.sha256(er7.message(said).encode()).digest()
    return base64.b32encode(digest).decode()[:CONTROL_ID_LENGTH]


def patient_identifier(patient: Patient) -> str:
    """PID-3 as the images name the patient; empty where they state no identifier."""
    if not patient.patient_id:
        return ""
    issuer = subcomponents(patient.issuer, patient.issuer_uid, patient.issuer_uid_type)
    return joined(escaped(patient.patient_id), "", "", issuer, "PI")


def _names(name: str) -> str:
    """PID-5: every group of a DICOM name, with its representation where there are several."""
    stated = zip(NAME_GROUPS, name.split("="), strict=False)
    groups = [(code, group) for code, group in stated if group.strip("^ ")]
    said = [(_name_parts(group), code if len(groups) > 1 or code != "A" else "") for code, group in groups]
    return "~".join(
        components(family, given, middle, suffix, prefix, "", "L", code)
        for (family, given, middle, prefix, suffix), code in said
    )


def _name_parts(group: str) -> tuple[str, str, str, str, str]:
    """Family, given, middle, prefix and suffix of one group of a DICOM name (PS3.5 section 6.2)."""
    family, given, middle, prefix, suffix = [*(c.strip() for c in group.split("^")), *[""] * 5][:5]
    return family, given, middle, prefix, suffix


def _person(name: str) -> str:
    """XCN of a person of whom only the name is known; empty without one."""
    family, given, middle, prefix, suffix = _name_parts(name.partition("=")[0])
    return components("", family, given, middle, suffix, prefix)


def _order_number(header: Dataset, keyword: str, issuer_keyword: str) -> str:
    """EI of a number of the order; empty where no request states it, or several state different ones."""
    requests = (
        header,
        *items(header, "RequestAttributesSequence"),
        *items(header, "ReferencedRequestSequence"),
    )
    found = {_numbered(request, keyword, issuer_keyword) for request in requests} - {None}
    numbers, issuers = ({pair[n] for pair in found if pair is not None} - {""} for n in (0, 1))
    if len(numbers) != 1:
        return ""
    issuer = issuers.pop() if len(issuers) == 1 else ""
    return joined(numbers.pop(), *issuer.split("&"))


def _numbered(item: Dataset, keyword: str, issuer_keyword: str) -> tuple[str, str] | None:
    """A number, and who issued it as parts of a component; None where it is not stated."""
    number = escaped(stated_text(item, keyword).strip())
    if not number:
        return None
    issuer = next(iter(items(item, issuer_keyword)), Dataset())
    keywords = ("LocalNamespaceEntityID", "UniversalEntityID", "UniversalEntityIDType")
    return number, subcomponents(*(stated_text(issuer, k).strip() for k in keywords))


def _service(header: Dataset) -> tuple[str, str, str]:
    """Code of OBR-4: the procedure as the images name it, else what kind of report this is."""
    requests = items(header, "RequestAttributesSequence")
    stated = (
        *items(header, "ProcedureCodeSequence"),
        *items(header, "RequestedProcedureCodeSequence"),
        *(code for request in requests for code in items(request, "RequestedProcedureCodeSequence")),
    )
    for item in stated:
        keywords = ("CodeValue", "CodeMeaning", "CodingSchemeDesignator")
        value, meaning, scheme = (stated_text(item, keyword).strip() for keyword in keywords)
        if value and scheme:
            return value, meaning, scheme
    return _parts(codes.DIAGNOSTIC_IMAGING_REPORT)


def _measured_identifier(name: str, coding: MeasurementCoding) -> str:
    """OBX-3: the standard code, and cvai's own name.

    An index has no code of its own, and its volume's code would be a wrong one.
    """
    local = (name, coding.meaning, LOCAL_CODES)
    if INDEXED_BY_BODY_SURFACE in coding.qualifiers:
        return components(*local)
    return components(coding.name.value, coding.name.meaning, coding.name.scheme_designator, *local)


def _parts(code: Code) -> tuple[str, str, str]:
    return code.value, code.meaning, code.scheme_designator


def _coded(code: Code) -> str:
    return components(*_parts(code))


def _unit(unit: str) -> str:
    return _coded(codes.UNITS[unit])


def _number(value: float) -> str:
    """NM: digits with at most SHOWN_DECIMALS decimals.

    >>> _number(62.0), _number(-0.001), _number(18.456)
    ('62', '0', '18.46')
    """
    return f"{round(value, SHOWN_DECIMALS) + 0.0:.{SHOWN_DECIMALS}f}".rstrip("0").rstrip(".")


def _note(number: int, text: str) -> str:
    return segment("NTE", {1: str(number), 3: escaped(text)})


def _study_time(header: Dataset) -> str:
    """Date and time of the study as they are stated, in the scanner's time zone; empty without a date."""
    day, time = checked_value(header, "StudyDate"), checked_value(header, "StudyTime")
    return "" if day is None else f"{day}{str(time or '')[:6]}".strip()


def _timestamp(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y%m%d%H%M%S%z")
