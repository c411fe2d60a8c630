"""What result objects take over from the source images: references, identity, frame of reference.

Real headers break rules: UIDs with leading zeros, dates such as ``20120000``. A UID is an identity and is
taken over letter by letter, valid or not, or the result would not stand in its study; the same holds for the
texts that identify the study. A date or an age says something, and a value outside its rules says nothing: it
is left empty. Who the patient is comes from ``Patient`` alone, which was made from all images.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydicom import DataElement, Dataset
from pydicom.config import IGNORE, RAISE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.multival import MultiValue
from pydicom.sr.coding import Code
from pydicom.valuerep import validate_value

from cvai.dicom.read.header.text import stated_text
from cvai.dicom.read.patient import Patient
from cvai.dicom.read.values import ImagePlane
from cvai.dicom.write.analysis import Analysed
from cvai.dicom.write.objects.encoded import (
    encoded,
    encoded_dataset,
    encoded_item,
    encoded_sequence,
    put_sequence,
)

STUDY_TYPE_2 = ("AccessionNumber", "StudyID", "ReferringPhysicianName")
STUDY_TYPE_3 = ("StudyDescription",)
CHECKED_TYPE_2 = ("StudyDate", "StudyTime")
CHECKED_TYPE_3 = ("PatientAge", "PatientSize", "PatientWeight", "PositionReferenceIndicator")


def verbatim_element(keyword: str, value: Any) -> DataElement:
    """Data element that holds ``value`` as it is, whether or not it keeps the rules of its VR."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"{keyword} is not a DICOM keyword")
    return DataElement(tag, dictionary_VR(tag), value, validation_mode=IGNORE)


def header_uid(header: Dataset, keyword: str) -> str | None:
    """A UID as it stands in the header, without checking it; None where absent, empty or several."""
    value = header.get(keyword)
    return None if isinstance(value, MultiValue) else str(value or "").strip() or None


def is_valid(keyword: str, value: Any) -> bool:
    """Whether ``value`` keeps the rules of its VR; a date must be in the calendar, a text printable.

    >>> is_valid("StudyDate", "20240229"), is_valid("StudyDate", "20120000")
    (True, False)
    """
    vr, text = dictionary_VR(keyword), str(value).strip()
    try:
        validate_value(vr, text, RAISE)
        if vr == "DA":
            date.fromisoformat(text)
    except ValueError:
        return False
    return bool(text) and text.isprintable()


def checked_value(header: Dataset, keyword: str) -> Any | None:
    """Value of an attribute; None where absent, empty, several, or against the rules of its VR."""
    value = header.get(keyword)
    if value is None or isinstance(value, MultiValue):
        return None
    return value if is_valid(keyword, value) else None


def add_patient(patient: Patient, target: Dataset) -> None:
    """Say whose study it is (PS3.3 section C.7.1.1)."""
    for keyword, value in (
        ("PatientName", patient.name),
        ("PatientID", patient.patient_id),
        ("PatientBirthDate", patient.birth_date),
        ("PatientSex", patient.sex),
    ):
        target.add(verbatim_element(keyword, value))
    if patient.issuer:
        target.add(verbatim_element("IssuerOfPatientID", patient.issuer))
    if patient.issuer_uid:
        qualifiers = Dataset()
        qualifiers.add(verbatim_element("UniversalEntityID", patient.issuer_uid))
        qualifiers.add(verbatim_element("UniversalEntityIDType", patient.issuer_uid_type))
        target.IssuerOfPatientIDQualifiersSequence = [qualifiers]


def copy_study(header: Dataset, target: Dataset) -> None:
    """Copy what identifies the study, and what describes study and patient as far as it is valid."""
    target.add(verbatim_element("StudyInstanceUID", header_uid(header, "StudyInstanceUID")))
    for keyword in (*STUDY_TYPE_2, *STUDY_TYPE_3):
        if keyword in header or keyword in STUDY_TYPE_2:
            target.add(verbatim_element(keyword, stated_text(header, keyword)))
    for keyword in (*CHECKED_TYPE_2, *CHECKED_TYPE_3):
        value = checked_value(header, keyword)
        if value is not None or keyword in CHECKED_TYPE_2:
            setattr(target, keyword, value)


@dataclass(frozen=True, slots=True)
class SourceImage:
    """One image that a result refers to.

    UIDs are as they are stated, letter by letter; ``frame_number`` counts from 1, and is None for a single-
    frame instance.
    """

    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str
    frame_number: int | None

    @classmethod
    def of(cls, plane: ImagePlane) -> SourceImage:
        """Reference to an image plane of the study."""
        series_uid = header_uid(plane.header, "SeriesInstanceUID") or ""
        return cls(plane.sop_class_uid, plane.sop_instance_uid, series_uid, plane.frame_number)

    def reference(self) -> Dataset:
        """Item of a sequence that references this image (PS3.3 table 10-3, Image SOP Instance Reference)."""
        item = instance_reference(self.sop_class_uid, self.sop_instance_uid)
        if self.frame_number is not None:
            item.ReferencedFrameNumber = self.frame_number
        return item

    def encoded_reference(self) -> bytes:
        """The elements of ``reference``, encoded."""
        frame = () if self.frame_number is None else (encoded("ReferencedFrameNumber", self.frame_number),)
        return b"".join((encoded_instance_reference(self.sop_class_uid, self.sop_instance_uid), *frame))


def instance_reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    """Item that references a whole instance (PS3.3 table 10-11, SOP Instance Reference)."""
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.add(verbatim_element("ReferencedSOPInstanceUID", sop_instance_uid))
    return item


def encoded_instance_reference(sop_class_uid: str, sop_instance_uid: str) -> bytes:
    """The elements of ``instance_reference``, encoded."""
    return encoded("ReferencedSOPClassUID", sop_class_uid) + encoded(
        "ReferencedSOPInstanceUID", sop_instance_uid
    )


def series_references(
    sources: Iterable[SourceImage], keyword: str = "ReferencedInstanceSequence"
) -> list[Dataset]:
    """Items of a Referenced Series Sequence: every source instance once, grouped by series.

    Args:
        sources: what is referenced.
        keyword: of the references: as images have it (PS3.3 section C.12.2); in documents
            ``ReferencedSOPSequence`` (table C.17-3).
    """
    by_series: dict[str, dict[str, str]] = {}
    for source in sources:
        by_series.setdefault(source.series_uid, {})[source.sop_instance_uid] = source.sop_class_uid
    items = []
    for series_uid, instances in by_series.items():
        item = Dataset()
        item.add(verbatim_element("SeriesInstanceUID", series_uid))
        references = (encoded_instance_reference(c, uid) for uid, c in instances.items())
        put_sequence(item, keyword, map(encoded_item, references))
        items.append(item)
    return items


def source_images(analysis: Analysed) -> list[list[SourceImage]]:
    """(t)(z) reference to the source of every frame."""
    return [[SourceImage.of(plane) for plane in phase] for phase in analysis.images.planes]


def shared_frame_of_reference(analysis: Analysed) -> str | None:
    """FrameOfReferenceUID that all images state; None where they do not agree."""
    stated = {
        header_uid(plane.header, "FrameOfReferenceUID") for phase in analysis.images.planes for plane in phase
    }
    return stated.pop() if len(stated) == 1 else None


def code_item(code: Code) -> Dataset:
    """Item of a code sequence (PS3.3 table 8.8-1)."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def encoded_code(keyword: str, code: Code) -> bytes:
    """A sequence of one code, encoded; its meaning is ASCII."""
    return encoded_sequence(keyword, [encoded_dataset(code_item(code))])
