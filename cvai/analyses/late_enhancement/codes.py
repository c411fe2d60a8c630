"""Coded concepts of late enhancement: no code stands for an infarct's share, so they are post-coordinated."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydicom.sr.coding import Code

from cvai.dicom.write.codes import (
    APICAL_CAP,
    LEFT_VENTRICLE_MYOCARDIUM,
    MICROVASCULAR_OBSTRUCTION,
    MYOCARDIAL_INFARCTION,
    WALL_SEGMENT_CODES,
    MeasurementCoding,
    Qualifier,
    measurement_coding,
)
from cvai.domain.tissue.segments import CAP_SHARE, share_name, transmurality_name
from cvai.domain.ventricles.segments import WALL_SEGMENTS, Level, WallSegment

_VOLUME_RATIO = Code("113288", "DCM", "Volume Ratio")
_RATIO = Code("118586006", "SCT", "Ratio")
_MASS = Code("118538004", "SCT", "Mass")
_FINDING = Code("121071", "DCM", "Finding")
_EXTENT = Code("260858005", "SCT", "Extent")
_TRANSMURAL = Code("103354007", "SCT", "Transmural")
_DEPTH = Code("131197000", "SCT", "Depth")
_LATE_ENHANCEMENT = Code("122664", "DCM", "Late Contrast Enhancement")


def _coding(name: Code, words: str, *qualifiers: Qualifier) -> MeasurementCoding:
    return MeasurementCoding(name, LEFT_VENTRICLE_MYOCARDIUM, qualifiers=qualifiers, words=words)


def _of_segment(segment: WallSegment) -> Mapping[str, MeasurementCoding]:
    """Share and depth of an infarct in one segment."""
    site, infarct = WALL_SEGMENT_CODES[segment.number], (_FINDING, MYOCARDIAL_INFARCTION)
    return {
        share_name(segment): MeasurementCoding(
            _VOLUME_RATIO, site, qualifiers=(infarct,), words=f"infarct, {segment.display_name}"
        ),
        transmurality_name(segment): MeasurementCoding(
            _RATIO,
            site,
            qualifiers=(infarct, (_EXTENT, _DEPTH)),
            words=f"depth of the infarct through the wall, {segment.display_name}",
        ),
    }


_CODINGS: Mapping[str, MeasurementCoding] = MappingProxyType(
    {
        "infarct_share": _coding(_VOLUME_RATIO, "infarct", (_FINDING, MYOCARDIAL_INFARCTION)),
        "no_reflow_share": _coding(_VOLUME_RATIO, "no-reflow", (_FINDING, MICROVASCULAR_OBSTRUCTION)),
        "infarct_mass": _coding(_MASS, "infarct", (_FINDING, MYOCARDIAL_INFARCTION)),
        "transmural_share": _coding(
            _RATIO,
            "circumference with half or more of the wall infarcted",
            (_FINDING, MYOCARDIAL_INFARCTION),
            (_EXTENT, _TRANSMURAL),
        ),
        "enhanced_share_5sd": _coding(
            _VOLUME_RATIO, "enhanced by 5 SD above remote", (_FINDING, _LATE_ENHANCEMENT)
        ),
        "enhanced_share_fwhm": _coding(
            _VOLUME_RATIO, "enhanced by full width at half maximum", (_FINDING, _LATE_ENHANCEMENT)
        ),
        **{
            share_name(level): _coding(
                _VOLUME_RATIO, f"infarct, {level} slices", (_FINDING, MYOCARDIAL_INFARCTION)
            )
            for level in Level
        },
        CAP_SHARE: MeasurementCoding(
            _VOLUME_RATIO,
            APICAL_CAP,
            qualifiers=((_FINDING, MYOCARDIAL_INFARCTION),),
            words="infarct, apical cap",
        ),
        **{name: coding for segment in WALL_SEGMENTS for name, coding in _of_segment(segment).items()},
    }
)
"""Shares are of the left ventricular myocardium. Thresholds and levels have no codes: the titles of their
groups tell them apart."""


def enhancement_coding(name: str) -> MeasurementCoding:
    """Coding of a measurement by its name in result.json.

    Raises:
        ValueError: this measurement has no code.
    """
    return _CODINGS.get(name) or measurement_coding(name)
