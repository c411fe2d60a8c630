"""One measurement as content of a structured report: TID 300 with the properties of TID 310."""

from __future__ import annotations

from collections.abc import Iterable

from highdicom import sr
from pydicom.sr.coding import Code

from cvai.dicom.write import codes
from cvai.dicom.write.analysis import Analysed
from cvai.dicom.write.codes import CardiacPhase, MeasurementCoding, Qualifier
from cvai.domain.measurement import Measurement, RangeSource

SHOWN_DECIMALS = 2
"""Decimals of NumericValue, which viewers show as it stands; FloatingPointValue has the number in full."""


def number_items(
    analysis: Analysed, names: Iterable[str], phase: CardiacPhase | None = None
) -> list[sr.Measurement]:
    """Those of the named measurements that were made.

    Args:
        analysis: where they are taken from.
        names: as in result.json.
        phase: point of the cardiac cycle at which they were made, None where they span it.
    """
    found = (analysis.measurement(name) for name in names)
    return [_number_item(m, analysis.coding(m.name), phase) for m in found if m is not None]


def grade_items(analysis: Analysed, names: Iterable[str]) -> list[sr.QualitativeEvaluation]:
    """What the scores among the named measurements stand for, in codes."""
    found = [(m, analysis.coding(name)) for name in names if (m := analysis.measurement(name)) is not None]
    return [
        sr.QualitativeEvaluation(name=coding.name, value=coding.grades[score.value])
        for score, coding in found
        if coding.grades
    ]


def _number_item(
    measurement: Measurement, coding: MeasurementCoding, phase: CardiacPhase | None
) -> sr.Measurement:
    number = sr.Measurement(
        name=coding.name,
        value=round(measurement.value, SHOWN_DECIMALS),
        unit=codes.UNITS[measurement.unit],
        method=coding.method,
        finding_sites=[sr.FindingSite(anatomic_location=coding.site)],
        properties=_properties(measurement),
    )
    number[0].MeasuredValueSequence[0].FloatingPointValue = measurement.value
    at_phase = () if phase is None else ((codes.CARDIAC_CYCLE_POINT, codes.PHASE_CODES[phase]),)
    for qualifier in (*coding.qualifiers, *at_phase):
        number[0].ContentSequence.append(_modifier(qualifier))
    return number


def _modifier(qualifier: Qualifier) -> sr.CodeContentItem:
    name, value = qualifier
    return sr.CodeContentItem(
        name=name, value=value, relationship_type=sr.RelationshipTypeValues.HAS_CONCEPT_MOD
    )


def _properties(measurement: Measurement) -> sr.MeasurementProperties | None:
    """TID 310: normality, normal range, and uncertainty above and below."""
    if measurement.normal is None and measurement.interval is None:
        return None
    normality = measurement.normality
    properties = sr.MeasurementProperties(
        normality=None if normality is None else codes.NORMALITY_CODES[normality],
        normal_range_properties=_normal_range(measurement),
    )
    if measurement.interval is not None:
        low, high = measurement.interval
        above, below = high - measurement.value, measurement.value - low
        properties.append(_bound(codes.UPPER_UNCERTAINTY, above, measurement.unit))
        properties.append(_bound(codes.LOWER_UNCERTAINTY, below, measurement.unit))
    return properties


def _normal_range(measurement: Measurement) -> sr.NormalRangeProperties | None:
    """TID 312: the limits, whom they describe, and who says so."""
    if measurement.normal is None:
        return None
    low, high = measurement.normal
    source = measurement.normal_source
    return sr.NormalRangeProperties(
        values=[
            _bound(codes.NORMAL_LOWER_LIMIT, low, measurement.unit),
            _bound(codes.NORMAL_UPPER_LIMIT, high, measurement.unit),
        ],
        description=None if source is None else f"{source.population}. {source.caveat}".strip(),
        authority=None if source is None else _authority(source),
    )


def _authority(source: RangeSource) -> str:
    return f"{source.citation}, {source.table}, doi:{source.doi}"


def _bound(name: Code, value: float, unit: str) -> sr.NumContentItem:
    return sr.NumContentItem(
        name=name,
        value=round(value, SHOWN_DECIMALS),
        unit=codes.UNITS[unit],
        relationship_type=sr.RelationshipTypeValues.HAS_PROPERTIES,
    )
