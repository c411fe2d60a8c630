"""Coded values of a header: items of the Code Sequence Macro (PS3.3 8.8)."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import Dataset

from cvai.dicom.read.header.attributes import texts

SNOMED_CT, SNOMED_RT, DICOM = "SCT", "SRT", "DCM"
"""CodingSchemeDesignator (PS3.16 8)."""

_SAME_SCHEME = {"SNM3": SNOMED_RT, "99SDM": SNOMED_RT}
"""Older designators of SNOMED RT (PS3.16 8.1)."""


@dataclass(frozen=True, slots=True)
class Coded:
    """One item of a code sequence, upper case; empty where not stated.

    The scheme has one name, whatever versions of the standard call it.
    """

    scheme: str
    value: str
    meaning: str


def coded_values(header: Dataset, keyword: str) -> tuple[Coded, ...]:
    """The items of a code sequence."""
    return tuple(_coded(item) for item in header.get(keyword) or ())


def _coded(item: Dataset) -> Coded:
    scheme, value, meaning = (
        " ".join(texts(item, keyword)) for keyword in ("CodingSchemeDesignator", "CodeValue", "CodeMeaning")
    )
    return Coded(_SAME_SCHEME.get(scheme, scheme), value, meaning)
