"""What a reader has entered by hand about the patient, as results state it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydicom.sr.coding import Code

from cvai.dicom.read.header.names import readable_name
from cvai.dicom.write.report.document import readable_time
from cvai.domain.message import Message, joined, say, term
from cvai.domain.subject import Entered


@dataclass(frozen=True, slots=True)
class EnteredCoding:
    """How an entry is stated: title for readers, code, unit, and digits after the point."""

    title: str
    code: Code
    unit: Code
    decimals: int = 0


_PRESSURE = Code("mm[Hg]", "UCUM", "millimeter of mercury")
ENTERED_CODINGS: Mapping[str, EnteredCoding] = MappingProxyType(
    {
        "height_m": EnteredCoding(
            "height", Code("8302-2", "LN", "Patient Height"), Code("m", "UCUM", "meter"), 2
        ),
        "weight_kg": EnteredCoding(
            "weight", Code("29463-7", "LN", "Patient Weight"), Code("kg", "UCUM", "kilogram"), 1
        ),
        "systolic_mmhg": EnteredCoding(
            "systolic blood pressure", Code("8480-6", "LN", "Systolic Blood Pressure"), _PRESSURE
        ),
        "diastolic_mmhg": EnteredCoding(
            "diastolic blood pressure", Code("8462-4", "LN", "Diastolic Blood Pressure"), _PRESSURE
        ),
        "haematocrit_percent": EnteredCoding(
            "haematocrit", Code("20570-8", "LN", "Hematocrit"), Code("%", "UCUM", "percent"), 1
        ),
        "heart_rate_bpm": EnteredCoding(
            "heart rate", Code("8867-4", "LN", "Heart rate"), Code("/min", "UCUM", "per minute")
        ),
    }
)
"""Of every field that may be entered; codes as in PS3.16 TID 3602 and CID 3627."""


def entered_by(entered: Entered) -> Message:
    """Who has entered it, and when."""
    return say(
        "Entered by hand by {who}, {when}", who=readable_name(entered.by), when=readable_time(entered.at)
    )


def entered_text(entered: Entered) -> Message:
    """All of it in a sentence."""
    values = [
        joined(
            " ",
            (
                term(coding.title),
                f"{value:.{coding.decimals}f}",
                coding.unit.value.replace("mm[Hg]", "mmHg"),
            ),
        )
        for name, value in entered.values.items()
        for coding in [ENTERED_CODINGS[name]]
    ]
    return say("{by}: {values}.", by=entered_by(entered), values=joined(", ", values))
