"""Whose images they are: one patient a study, made from all of its objects and compared with each of them.

What an object does not state contradicts nothing; two values that are stated and differ do. Values are
compared in a normal form: identifiers as they are written but for padding, names without regard to case.
Names agree where every component that both state is the same: ``DOE^JOHN`` and ``DOE^JOHN^A`` may be one
patient, ``DOE^JOHN`` and ``DOE^JANE`` are two. Names of the same words in the same order agree too. The
groups of a name (alphabetic, ideographic, phonetic; PS3.5 section 6.2) are compared each with its own kind.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

from pydicom import Dataset
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EncapsulatedPDFStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SegmentationStorage,
)

from cvai.dicom.read.header.attributes import calendar_date, items, uid
from cvai.dicom.read.header.text import stated_text
from cvai.domain.message import Message, joined, say
from cvai.errors import StudyRefused

MANUFACTURER = "cvai"
"""Manufacturer of every object that cvai writes."""

RESULT_CLASSES = frozenset(
    {
        SegmentationStorage,
        Comprehensive3DSRStorage,
        ComprehensiveSRStorage,
        EncapsulatedPDFStorage,
        GrayscaleSoftcopyPresentationStateStorage,
        KeyObjectSelectionDocumentStorage,
        MultiFrameTrueColorSecondaryCaptureImageStorage,
    }
)
"""SOP classes of what cvai writes about images."""

SEXES = frozenset({"M", "F", "O"})
"""PS3.3 section C.7.1.1, Patient's Sex."""

_NAME_GROUPS = 3
_COUNTED_SIDES = 5
"""Values listed in a message; further ones are counted."""


@dataclass(frozen=True, slots=True)
class Patient:
    """Who was examined (PS3.3 section C.7.1.1); what is not stated is empty.

    ``name`` has all its groups, ``birth_date`` is a date of the calendar as YYYYMMDD, ``sex`` M, F or O.
    """

    patient_id: str = ""
    issuer: str = ""
    issuer_uid: str = ""
    issuer_uid_type: str = ""
    name: str = ""
    birth_date: str = ""
    sex: str = ""

    def __post_init__(self) -> None:
        if self.birth_date and not re.fullmatch(r"\d{8}", self.birth_date):
            raise ValueError("a birth date has eight digits")
        if self.sex and self.sex not in SEXES:
            raise ValueError("a sex is M, F or O")

    def contradicts(self, other: Patient) -> bool:
        """Whether something that both state differs; then they are two patients."""
        return any(not a.agree(a.of(self), a.of(other)) for a in _ATTRIBUTES)

    def is_surely(self, other: Patient) -> bool:
        """Whether both state the same PatientID, and a name or a birth date that goes with it."""
        named = (self.patient_id and other.patient_id) and (
            (self.name and other.name) or (self.birth_date and other.birth_date)
        )
        return bool(named) and not self.contradicts(other)


@dataclass(frozen=True, slots=True)
class StatedPatient:
    """A patient as some objects of a study state it, all of them alike."""

    patient: Patient
    n_objects: int


def patient_of(header: Dataset) -> Patient:
    """What one object states."""
    qualifiers = next(iter(items(header, "IssuerOfPatientIDQualifiersSequence")), Dataset())
    issuer_uid = _text(qualifiers, "UniversalEntityID")
    birth_date, sex = calendar_date(header, "PatientBirthDate"), _text(header, "PatientSex").upper()
    return Patient(
        patient_id=_text(header, "PatientID"),
        issuer=_text(header, "IssuerOfPatientID"),
        issuer_uid=issuer_uid,
        issuer_uid_type=_text(qualifiers, "UniversalEntityIDType") if issuer_uid else "",
        name=_text(header, "PatientName").rstrip("="),
        birth_date="" if birth_date is None else f"{birth_date:%Y%m%d}".zfill(8),
        sex=sex if sex in SEXES else "",
    )


def is_own_result(header: Dataset) -> bool:
    """Whether cvai wrote an object; never true of an image, a synthetic one included."""
    return uid(header, "SOPClassUID") in RESULT_CLASSES and header.get("Manufacturer") == MANUFACTURER


def stated_patients(headers: Iterable[Dataset]) -> tuple[StatedPatient, ...]:
    """What the objects of a study state, each once; cvai's own results are left out.

    Those were copied from images. Where the study has been corrected since, they still name the old patient.
    """
    stated = {(uid(h, "SOPInstanceUID"), patient_of(h)) for h in headers if not is_own_result(h)}
    counted = Counter(patient for _, patient in stated)
    return tuple(StatedPatient(patient, n) for patient, n in sorted(counted.items(), key=_most_first))


def one_patient(stated: Sequence[StatedPatient]) -> Patient:
    """The one patient that all objects of a study state together, as fully as any of them does.

    Raises:
        StudyRefused: ``patients_differ``: they are of more than one.
    """
    differing = [(a.keyword, sides) for a in _ATTRIBUTES if len(sides := _sides(stated, a)) > 1]
    if differing:
        found = joined(
            ", ",
            (
                say("{keyword} differs ({counts})", keyword=keyword, counts=_against(sides))
                for keyword, sides in differing
            ),
        )
        raise StudyRefused(
            "patients_differ",
            say(
                "The {n_objects} images and other objects of the study are of more than one patient: "
                "{found}.",
                n_objects=sum(s.n_objects for s in stated),
                found=found,
            ),
            say("Find out whose images these are, and correct the study in the archive."),
        )
    sexes = {s.patient.sex for s in stated} - {""}
    return Patient(
        patient_id=_fullest(s.patient.patient_id for s in stated),
        issuer=_fullest(s.patient.issuer for s in stated),
        issuer_uid=_fullest(s.patient.issuer_uid for s in stated),
        issuer_uid_type=_fullest(s.patient.issuer_uid_type for s in stated),
        name=_fullest_name([s.patient.name for s in stated]),
        birth_date=_fullest(s.patient.birth_date for s in stated),
        sex=sexes.pop() if len(sexes) == 1 else "",
    )


@dataclass(frozen=True, slots=True)
class _Attribute:
    """Something that tells patients apart: its keyword, its value in normal form, and how values compare."""

    keyword: str
    of: Callable[[Patient], str]
    agree: Callable[[str, str], bool]


def _equal(first: str, second: str) -> bool:
    return not first or not second or first == second


def _names_agree(first: str, second: str) -> bool:
    groups = zip(first.split("="), second.split("="), strict=False)
    return all(_groups_agree(a, b) for a, b in groups)


def _groups_agree(first: str, second: str) -> bool:
    if first.replace("^", " ").split() == second.replace("^", " ").split():
        return True
    components = zip_longest(first.split("^"), second.split("^"), fillvalue="")
    return all(_equal(a, b) for a, b in components)


@lru_cache(maxsize=1024)
def _normal_name(name: str) -> str:
    """A name in upper and lower case alike, of one width, each component without padding."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    groups = (group.split("^") for group in folded.split("="))
    return "=".join("^".join(" ".join(c.split()) for c in components).rstrip("^") for components in groups)


def _normal(value: str) -> str:
    return unicodedata.normalize("NFC", value)


_ATTRIBUTES = (
    _Attribute("PatientID", lambda p: _normal(p.patient_id), _equal),
    _Attribute("IssuerOfPatientID", lambda p: _normal(p.issuer), _equal),
    _Attribute("UniversalEntityID of IssuerOfPatientIDQualifiersSequence", lambda p: p.issuer_uid, _equal),
    _Attribute("PatientName", lambda p: _normal_name(p.name), _names_agree),
    _Attribute("PatientBirthDate", lambda p: p.birth_date, _equal),
)


def _sides(stated: Iterable[StatedPatient], attribute: _Attribute) -> list[int]:
    """How many objects state each of the values that do not agree; one number or none where all agree."""
    counted: Counter[str] = Counter()
    for s in stated:
        counted[attribute.of(s.patient)] += s.n_objects
    sides: list[tuple[list[str], int]] = []
    others = 0
    for value, n in counted.most_common():
        if not value:
            continue
        place = next((i for i, (v, _) in enumerate(sides) if all(attribute.agree(value, o) for o in v)), None)
        if place is not None:
            sides[place] = ([*sides[place][0], value], sides[place][1] + n)
        elif len(sides) < _COUNTED_SIDES:
            sides.append(([value], n))
        else:
            others += n
    return [*sorted((n for _, n in sides), reverse=True), *([others] if others else [])]


def _against(sides: Sequence[int]) -> Message:
    return say("{most} against {others}", most=sides[0], others=joined(", ", sides[1:]))


def _most_first(counted: tuple[Patient, int]) -> tuple[int, str]:
    patient, n = counted
    return -n, repr(patient)


def _fullest(values: Iterable[str]) -> str:
    return next(filter(None, values), "")


def _fullest_name(names: Sequence[str]) -> str:
    """Of each group the first that states most components."""
    by_group = zip_longest(*(name.split("=")[:_NAME_GROUPS] for name in names), fillvalue="")
    return "=".join(max(groups, key=_stated_components) for groups in by_group).rstrip("=")


def _stated_components(group: str) -> int:
    return sum(bool(component.strip()) for component in group.split("^"))


def _text(header: Dataset, keyword: str) -> str:
    """A text as it is stated, without padding and controls."""
    return stated_text(header, keyword).strip()
