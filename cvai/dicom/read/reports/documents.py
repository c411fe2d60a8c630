"""The structured reports of other makers in a study: which are read, and what they state together.

Read are reports that follow TID 5200, TID 5300 or TID 1500 (PS3.16).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydicom import Dataset

from cvai.dicom.read.header.attributes import items, uid
from cvai.dicom.read.header.text import stated_text
from cvai.dicom.read.patient import MANUFACTURER, Patient, patient_of
from cvai.dicom.read.reports.content import Key, name_of, text_of
from cvai.dicom.read.reports.context import ReportOf
from cvai.dicom.read.reports.quantities import BODY_ALONE
from cvai.dicom.read.reports.values import LeftOut, values_of
from cvai.dicom.read.values import Document, Study
from cvai.domain.reported import ReportedValue, ReportSource, preferred
from cvai.domain.subject import Entered

SIMPLIFIED_ADULT_ECHO = "1.2.840.10008.5.1.4.1.1.88.72"
"""SOP class of TID 5300."""

_ECHO_TITLE: Key = ("DCM", "125200")
_TITLES: frozenset[Key] = frozenset(
    ("DCM", code) for code in ("125200", "126000", "126001", "126002", "126003")
)
"""Document titles of TID 5200 and 5300, and those of TID 1500 (CID 7021)."""

_EVIDENCE = ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")

LONGEST_MAKER = 64


@dataclass(frozen=True, slots=True)
class Reports:
    """What the reports of other makers in a study state, and what a reader has entered besides.

    Args:
        values: of the heart.
        body: height, weight, surface and blood pressure of the patient.
        left_out: values of known quantities that could not be taken.
        entered: what a reader has entered by hand, for what no report states.
    """

    values: tuple[ReportedValue, ...] = ()
    body: tuple[ReportedValue, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    entered: Entered | None = None


NO_REPORTS = Reports()


def reports_of(study: Study) -> Reports:
    """Read every report that is not cvai's own and was not replaced by another one of the study.

    Raises:
        StudyRefused: ``patients_differ``.
    """
    patient = study.patient()
    replaced = {instance for document in study.documents for instance in _predecessors(document.header)}
    found = [
        value
        for document in study.documents
        if document.sop_instance_uid not in replaced and _is_read(document, study.study_uid, patient)
        for value in values_of(document.header, _source(document), _whose(document, study, patient))
    ]
    taken = preferred(value for value in found if isinstance(value, ReportedValue))
    return Reports(
        values=tuple(value for value in taken if value.name not in BODY_ALONE),
        body=tuple(value for value in taken if value.name in BODY_ALONE),
        left_out=tuple(dict.fromkeys(value for value in found if isinstance(value, LeftOut))),
        entered=study.entered,
    )


def _is_read(document: Document, study_uid: str, patient: Patient) -> bool:
    header, title = document.header, name_of(document.header)
    is_known = document.sop_class_uid == SIMPLIFIED_ADULT_ECHO or (title is not None and title.key in _TITLES)
    is_ours = stated_text(header, "Manufacturer").strip() == MANUFACTURER
    studies = {uid(item, "StudyInstanceUID") for item in items(header, _EVIDENCE[0])}
    is_of_another = bool(studies) and study_uid not in studies
    return is_known and not (is_ours or is_of_another or patient_of(header).contradicts(patient))


def _source(document: Document) -> ReportSource:
    header, title = document.header, name_of(document.header)
    maker = (stated_text(header, keyword).strip() for keyword in ("Manufacturer", "ManufacturerModelName"))
    return ReportSource(
        document.series_uid,
        document.sop_instance_uid,
        "" if title is None else title.meaning,
        " ".join(filter(None, maker))[:LONGEST_MAKER],
        verified=text_of(header, "VerificationFlag") == "VERIFIED",
    )


def _whose(document: Document, study: Study, patient: Patient) -> ReportOf:
    title = name_of(document.header)
    is_echo = title is not None and title.key == _ECHO_TITLE
    modality = "US" if is_echo or document.sop_class_uid == SIMPLIFIED_ADULT_ECHO else ""
    evidence = (item for keyword in _EVIDENCE for item in items(document.header, keyword))
    others = (item for item in evidence if uid(item, "StudyInstanceUID") != study.study_uid)
    return ReportOf(study.study_uid, patient, frozenset(_instances(others)), modality)


def _predecessors(header: Dataset) -> Iterator[str]:
    return _instances(items(header, "PredecessorDocumentsSequence"))


def _instances(studies: Iterable[Dataset]) -> Iterator[str]:
    for study in studies:
        for series in items(study, "ReferencedSeriesSequence"):
            for instance in items(series, "ReferencedSOPSequence"):
                yield uid(instance, "ReferencedSOPInstanceUID")
