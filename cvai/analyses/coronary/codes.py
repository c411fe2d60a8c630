"""Coded concepts of coronary angiography, as data: segments of CID 3014 and 3015, and their measurements."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from types import MappingProxyType

from pydicom.sr.coding import Code

from cvai.dicom.write.codes import MeasurementCoding, Qualifier
from cvai.domain.vessels.segments import CoronarySegment

X_RAY_ANGIOGRAPHY = Code("XA", "DCM", "X-Ray Angiography")
CORONARY_ANGIOGRAPHY = Code("33367005", "SCT", "Coronary angiography")
CORONARY_ARTERY = Code("41801008", "SCT", "Coronary artery")

_STENOSIS = Code("408715008", "SCT", "Lumen Diameter Stenosis")
_DIAMETER = Code("397413000", "SCT", "Vessel lumen diameter")
_LENGTH = Code("408716009", "SCT", "Stenotic Lesion Length")
_MINIMUM: Qualifier = (Code("121401", "DCM", "Derivation"), Code("255605001", "SCT", "Minimum"))
_REFERENCE: Qualifier = (
    Code("122430", "DCM", "Reference Method"),
    Code("122490", "DCM", "Interpolated Local Reference"),
)
"""CID 3465, of quantitative arteriography."""
_DRAWN: Qualifier = (Code("121404", "DCM", "Selection Status"), Code("121410", "DCM", "User chosen value"))
_MAXIMUM: Qualifier = (Code("121401", "DCM", "Derivation"), Code("56851009", "SCT", "Maximum"))

_CODES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "1": ("91083009", "Proximal Right Coronary Artery"),
        "2": ("450960006", "Mid Right Coronary Artery"),
        "3": ("41879009", "Distal Right Coronary Artery"),
        "4": ("53655008", "Posterior Descending Right Coronary Artery"),
        "5": ("3227004", "Left Main Coronary Artery"),
        "6": ("68787002", "Proximal Left Anterior Descending Coronary Artery"),
        "7": ("91748002", "Mid Left Anterior Descending Coronary Artery"),
        "8": ("36672000", "Distal Left Anterior Descending Coronary Artery"),
        "9": ("91750005", "1st Diagonal Coronary Artery"),
        "9a": ("91750005", "1st Diagonal Coronary Artery"),
        "10": ("91751009", "2nd Diagonal Coronary Artery"),
        "10a": ("91751009", "2nd Diagonal Coronary Artery"),
        "11": ("52433000", "Proximal Circumflex Coronary Artery"),
        "12": ("244252004", "Intermediate Artery (Ramus)"),
        "12a": ("91754001", "1st Marginal Coronary Artery"),
        "12b": ("91755000", "2nd Marginal Coronary Artery"),
        "13": ("6511003", "Distal Circumflex Coronary Artery"),
        "14": ("91757008", "1st Left Posterolateral Coronary Artery"),
        "14a": ("91758003", "2nd Left Posterolateral Coronary Artery"),
        "14b": ("91759006", "3rd Left Posterolateral Coronary Artery"),
        "15": ("91760001", "Left Posterior Descending Circumflex Coronary Artery"),
        "16": ("17269004", "Posterolateral Branch of Right Coronary Artery"),
        "16a": ("91761002", "1st Right posterolateral Coronary Artery"),
        "16b": ("91762009", "2nd Right posterolateral Coronary Artery"),
        "16c": ("91763004", "3rd Right posterolateral Coronary Artery"),
    }
)
"""SNOMED CT code and meaning of CID 3015, by SYNTAX number. 9a and 10a have no code of their own."""

SEGMENT_CODES: Mapping[CoronarySegment, Code] = MappingProxyType(
    {s: Code(_CODES[s.number][0], "SCT", _CODES[s.number][1]) for s in CoronarySegment}
)

_NAME = re.compile(r"lesion_(\d+)_(stenosis|minimal_diameter|reference_diameter|length)")


def coronary_coding(
    name: str, segments: Mapping[int, CoronarySegment], drawn: Container[int] = ()
) -> MeasurementCoding:
    """Coding of a measurement.

    Args:
        name: ``max_stenosis``, or ``lesion_1_stenosis``, ``_minimal_diameter``, ``_reference_diameter`` and
            ``_length``.
        segments: by the number of their lesion.
        drawn: numbers of the lesions whose reference diameter a reader has drawn.

    Raises:
        ValueError: there is no such measurement.
    """
    if name == "max_stenosis":
        return MeasurementCoding(_STENOSIS, CORONARY_ARTERY, qualifiers=(_MAXIMUM,), words="largest")
    match = _NAME.fullmatch(name)
    if match is None or int(match[1]) not in segments:
        raise ValueError(f"measurement {name} has no code")
    segment = segments[int(match[1])]
    site, words = SEGMENT_CODES[segment], f"lesion {match[1]}, {segment.display_name}"
    if match[2] == "stenosis":
        return MeasurementCoding(_STENOSIS, site, words=words)
    if match[2] == "length":
        return MeasurementCoding(_LENGTH, site, words=words)
    if match[2] == "reference_diameter":
        method = _DRAWN if int(match[1]) in drawn else _REFERENCE
        return MeasurementCoding(_DIAMETER, site, qualifiers=(method,), words=f"{words}, reference")
    return MeasurementCoding(_DIAMETER, site, qualifiers=(_MINIMUM,), words=f"{words}, narrowest")
