"""What the items around a value say about it, and whether it is of this patient and study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydicom import Dataset

from cvai.dicom.read.header.attributes import items, uid
from cvai.dicom.read.patient import MANUFACTURER, Patient
from cvai.dicom.read.reports.content import Key, Qualifier, qualifiers_of

SITE, METHOD, MODE = ("SCT", "363698007"), ("SCT", "370129005"), ("SCT", "399264008")
PHASE, VIEW = ("SCT", "272518008"), ("DCM", "111031")
DERIVATION, SELECTION = ("DCM", "121401"), ("DCM", "121404")
INDEX, DIVISOR = ("DCM", "121425"), ("DCM", "125308")
PROPERTY, TYPE = ("DCM", "125307"), ("DCM", "125306")

_STAGES = (("LN", "18139-6"), ("SCT", "258214002"), ("DCM", "109054"))
_AT_REST = frozenset({("SCT", "128975004"), ("SCT", "128974000"), ("DCM", "121079")})
"""Resting State and baselines (CID 3262, 3602)."""

_SUBJECT_CLASS, _PATIENT_CLASS = ("DCM", "121024"), ("DCM", "121025")
_SUBJECT_ID, _SUBJECT_NAME = ("DCM", "121030"), ("DCM", "121029")
_STUDY: Key = ("DCM", "121018")
_ALGORITHM: Key = ("DCM", "111001")

_READ = frozenset({SITE, METHOD, MODE, PHASE, VIEW, DERIVATION, SELECTION, INDEX, DIVISOR, PROPERTY, TYPE})
_SINGLE = (_READ | {_SUBJECT_ID, _SUBJECT_NAME, _STUDY, *_STAGES}) - {VIEW, MODE}
"""What contradicts itself where it is said twice of one item."""

_HARMLESS = frozenset(
    {
        *(("DCM", code) for code in ("121045", "121046", "121047", "121048", "121049")),  # language
        *(("DCM", code) for code in ("111000", "111001", "111002", "111003", "122405")),  # algorithm
        ("DCM", "121058"),  # Procedure reported
        ("DCM", "125203"),  # Acquisition Protocol
        ("DCM", "125305"),  # Finding Observation Type
        ("DCM", "125309"),  # Short Label
        ("SCT", "272517003"),  # Respiratory Cycle Point
    }
)
"""Modifiers that change no quantity."""

_MOST_DEEP = 4
"""Levels below a value in which it may refer to images: a coordinate, and the image that it is in."""


@dataclass(frozen=True, slots=True)
class ReportOf:
    """Whose report it is.

    Args:
        study_uid: of the study that it stands in.
        patient: of the study.
        foreign: instances of other studies that it refers to.
        modality: of the images that its template is about; empty where it is about any.
    """

    study_uid: str
    patient: Patient
    foreign: frozenset[str] = frozenset()
    modality: str = ""

    def refers_elsewhere(self, item: Dataset, depth: int = _MOST_DEEP) -> bool:
        """Whether an item was measured in images of another study."""
        return depth > 0 and any(
            any(
                uid(i, "ReferencedSOPInstanceUID") in self.foreign
                for i in items(child, "ReferencedSOPSequence")
            )
            or self.refers_elsewhere(child, depth - 1)
            for child in items(item, "ContentSequence")
        )


@dataclass(frozen=True, slots=True)
class Context:
    """The qualifiers of an item and of the containers that it is in; of each concept the nearest counts."""

    qualifiers: Mapping[Key, Qualifier] = field(default_factory=dict)
    is_understood: bool = True

    def of(self, item: Dataset) -> Context:
        """The context of an item that stands in this one."""
        own = list(qualifiers_of(item))
        single = {(q.name, q.value, q.text) for q in own if q.name in _SINGLE}
        is_unique = len({name for name, _, _ in single}) == len(single)
        understood = is_unique and all(_is_understood(qualifier) for qualifier in own)
        return Context({**self.qualifiers, **{q.name: q for q in own}}, self.is_understood and understood)

    def key(self, name: Key) -> Key | None:
        """Code of a qualifier; None where it is not stated."""
        qualifier = self.qualifiers.get(name)
        return None if qualifier is None or qualifier.value is None else qualifier.value.key

    def words(self, name: Key) -> str:
        """Meaning of a qualifier; empty where it is not stated."""
        qualifier = self.qualifiers.get(name)
        return "" if qualifier is None or qualifier.value is None else qualifier.value.meaning

    def is_of(self, report: ReportOf) -> bool:
        """Whether nothing says that it is about another person, study or stage, or that cvai measured it."""
        subject = Patient(patient_id=self._text(_SUBJECT_ID), name=self._text(_SUBJECT_NAME))
        return (
            self.key(_SUBJECT_CLASS) in (None, _PATIENT_CLASS)
            and all(self.key(stage) in _AT_REST for stage in _STAGES if stage in self.qualifiers)
            and not subject.contradicts(report.patient)
            and self._text(_STUDY) in ("", report.study_uid)
            and not self._text(_ALGORITHM).startswith(f"{MANUFACTURER} ")
        )

    def _text(self, name: Key) -> str:
        qualifier = self.qualifiers.get(name)
        return "" if qualifier is None else qualifier.text


def _is_understood(qualifier: Qualifier) -> bool:
    """Whether a modifier is one that is read, or that changes nothing."""
    if not qualifier.is_modifier or qualifier.name in _HARMLESS or qualifier.name in _STAGES:
        return True
    return qualifier.name in _READ and qualifier.value is not None
