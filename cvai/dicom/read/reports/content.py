"""Content items of a structured report (PS3.3 section C.17.3) as plain values, however broken they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom import Dataset

from cvai.dicom.read.header.attributes import items, number, uid
from cvai.dicom.read.header.coded import SNOMED_CT, SNOMED_RT
from cvai.dicom.read.header.text import stated_text

CONTAINS, CONCEPT_MODIFIER = "CONTAINS", "HAS CONCEPT MOD"
QUALIFYING = frozenset({CONCEPT_MODIFIER, "HAS OBS CONTEXT", "HAS ACQ CONTEXT", "HAS PROPERTIES"})
"""Relationships of items that say something about their parent (PS3.3 table C.17.3-8)."""

Key = tuple[str, str]
"""Scheme and value of a code."""

_ROUNDING = 0.05
"""Share by which a decimal string may differ from the number that stands beside it in full."""

_SCHEMES = {"SRT": SNOMED_RT, "SNM3": SNOMED_RT, "99SDM": SNOMED_RT, "SCT": SNOMED_CT}

_CT_OF_RT = {
    "F-00078": "277381004", "F-32010": "90892000", "F-32011": "416190007", "F-32020": "111973004",
    "F-008EC": "271649006", "F-008ED": "271650006", "F-01602": "128974000",
    "F-01604": "128975004", "F-32070": "70822001", "F-32100": "82799009", "F-32110": "54993008",
    "F-32120": "90096001", "G-0373": "399264008", "G-0383": "399235004", "G-0394": "399155008",
    "G-0396": "399139001", "G-03A2": "399064001", "G-A19B": "399232001", "G-A19C": "399214001",
    "G-A1F8": "106233006", "G-A437": "56851009", "G-C036": "370129005", "G-C0E3": "363698007",
    "G-C16B": "258214002", "G-D701": "118538004", "G-D705": "118565006", "G-D750": "118586006",
    "P0-02242": "426865009", "R-00317": "373098007", "R-002E1": "371912002", "R-404FB": "255605001",
    "R-40899": "272517003", "R-4089A": "272518008", "R-41D27": "258083009", "R-41D41": "258104002",
    "R-FAB5B": "416430001", "R-FAB5C": "416190007", "T-32000": "80891009", "T-32300": "82471001",
    "T-32410": "589001", "T-32500": "53085002", "T-32600": "87878005", "T-32620": "49848007",
    "T-32650": "13418002", "T-42110": "8128003",
}  # fmt: skip
"""SNOMED CT of the SNOMED RT codes that are read (as in pydicom's mapping).

F-32011 is what CID 3337 has for the end of diastole; elsewhere it is R-FAB5C."""


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value; SNOMED RT is said in SNOMED CT where it is known.

    Args:
        key: scheme and value.
        stated: scheme, value and meaning as they stand in the report.
    """

    key: Key
    stated: tuple[str, str, str]

    @property
    def meaning(self) -> str:
        """In words."""
        return self.stated[2]


@dataclass(frozen=True, slots=True)
class Qualifier:
    """An item that says something about its parent.

    ``value`` is a code, ``text`` a text, a name or a UID; whichever the item has.
    """

    name: Key
    is_modifier: bool
    value: Code | None
    text: str


def code_of(item: Dataset, keyword: str) -> Code | None:
    """The one code of a sequence; None where it is missing, incomplete or there are several."""
    codes = items(item, keyword)
    if len(codes) != 1:
        return None
    scheme, value, meaning = (
        stated_text(codes[0], part).strip() for part in ("CodingSchemeDesignator", "CodeValue", "CodeMeaning")
    )
    if not (scheme and value):
        return None
    known = _SCHEMES.get(scheme.upper(), scheme.upper())
    in_ct = _CT_OF_RT.get(value.upper()) if known == SNOMED_RT else None
    key = (known, value) if in_ct is None else (SNOMED_CT, in_ct)
    return Code(key, (scheme, value, meaning))


def name_of(item: Dataset) -> Code | None:
    """Concept name of an item."""
    return code_of(item, "ConceptNameCodeSequence")


def text_of(item: Dataset, keyword: str) -> str:
    """A coded string of an item, upper case; empty where it is missing."""
    return stated_text(item, keyword).strip().upper()


def children(item: Dataset, relationship: str) -> Iterator[Dataset]:
    """Items of one relationship below another."""
    for child in items(item, "ContentSequence"):
        if text_of(child, "RelationshipType") == relationship:
            yield child


def qualifiers_of(item: Dataset) -> Iterator[Qualifier]:
    """What is said about an item; what has no name, or neither code nor text, is left out."""
    for child in items(item, "ContentSequence"):
        relationship, name = text_of(child, "RelationshipType"), name_of(child)
        if relationship not in QUALIFYING or name is None:
            continue
        value, text = code_of(child, "ConceptCodeSequence"), _text(child)
        if value is not None or text or relationship == CONCEPT_MODIFIER:
            yield Qualifier(name.key, relationship == CONCEPT_MODIFIER, value, text)


def _text(item: Dataset) -> str:
    named = (stated_text(item, keyword).strip() for keyword in ("TextValue", "PersonName"))
    return next(filter(None, named), uid(item, "UID"))


def number_of(item: Dataset) -> tuple[float, Code] | None:
    """Value and unit of a NUM item; None where either is missing or ambiguous, or two values contradict."""
    measured = items(item, "MeasuredValueSequence")
    unit = code_of(measured[0], "MeasurementUnitsCodeSequence") if len(measured) == 1 else None
    if unit is None:
        return None
    stated, precise = number(measured[0], "NumericValue"), number(measured[0], "FloatingPointValue")
    if stated is None or (precise is not None and abs(precise - stated) > _ROUNDING * abs(precise)):
        return None
    return stated if precise is None else precise, unit
