"""Who was examined, as far as the headers of the images and reports of others tell it; nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import TypeVar

from pydicom import Dataset

from cvai.dicom.read.header.attributes import calendar_date, number, texts
from cvai.dicom.read.reports.documents import NO_REPORTS, Reports
from cvai.dicom.read.reports.quantities import BODY_ALONE
from cvai.dicom.read.values import AssembledCine
from cvai.domain.findings import Finding, Severity
from cvai.domain.message import say
from cvai.domain.subject import (
    AGES_YEARS,
    HEIGHTS_M,
    WEIGHTS_KG,
    Sex,
    Subject,
    go_together,
    is_within,
)

T = TypeVar("T")

_AGE = re.compile(r"(\d{3})([DWMY])")
"""An Age String, PS3.5 section 6.2."""

_DAYS_A_YEAR = 365.25

_SIZES = {"PatientSize": HEIGHTS_M, "PatientWeight": WEIGHTS_KG}

_ROUNDED_YEARS = 1
"""Between PatientAge and what a birth date gives: machines round, or count from the year alone."""

_LARGEST_USUAL_INDEX_KG_PER_M2 = 50.0
"""Pounds that are stated as kilograms make an index above this of a person of usual size."""

_ROUNDING = 0.01
"""Share by which reports in different units may differ."""


def subject_of(cine: AssembledCine, reports: Reports = NO_REPORTS) -> Subject:
    """Sex, age and body size (PS3.3 sections C.7.1.1 and C.7.2.2) that all images of the cine agree on.

    What is absent, contradicts itself or cannot be true is None: a PatientSize of 175 is no height in metres,
    and whether it is one in centimetres is not ours to say. Height and weight that no image states are those
    of the reports, and so is blood pressure, which images never state; where reports differ they are None.
    What neither states is what a reader has entered by hand.
    """
    return subject_of_headers(headers_of(cine), reports)


def headers_of(cine: AssembledCine) -> list[Dataset]:
    """The header of every instance of a cine, once."""
    planes = {plane.sop_instance_uid: plane for phase in cine.planes for plane in phase}
    return [plane.header for plane in planes.values()]


def subject_of_headers(headers: list[Dataset], reports: Reports = NO_REPORTS) -> Subject:
    """The same from any images of one study."""
    reported = {name: _reported(reports, name) for name in BODY_ALONE}
    height_m, weight_kg, from_report = _body_size(headers, reported["body_height"], reported["body_weight"])
    systolic_mmhg, diastolic_mmhg = reported["systolic_pressure"], reported["diastolic_pressure"]
    if systolic_mmhg is None or diastolic_mmhg is None or systolic_mmhg <= diastolic_mmhg:
        systolic_mmhg = diastolic_mmhg = None
    else:
        from_report = (*from_report, "blood pressure")
    stated = Subject(
        _sex(headers), _age_years(headers), height_m, weight_kg, systolic_mmhg, diastolic_mmhg, from_report
    )
    return stated.completed_by(reports.entered)


def subject_findings(headers: Sequence[Dataset], subject: Subject) -> tuple[Finding, ...]:
    """What images state of the person and is not used, and a body size that a reader should check.

    Args:
        headers: of the images measured.
        subject: what of it is used.
    """
    return (*_left_out_findings(list(headers)), *_size_findings(subject))


def _contradicted(headers: list[Dataset]) -> list[str]:
    """Keywords that images state different values of."""
    ages_years = _stated(headers, _patient_age_years) | _stated(headers, _age_from_dates_years)
    years = max(ages_years) - min(ages_years) if ages_years else 0
    differing = [keyword for keyword in ("PatientSex", *_SIZES) if len(_values(headers, keyword)) > 1]
    return [*differing, *(["PatientAge"] if years > _ROUNDED_YEARS else [])]


def _impossible(headers: list[Dataset]) -> list[str]:
    """Keywords that all images state one value of, which no person has."""
    agreed = {keyword: _agreed(_stated(headers, _positive(keyword))) for keyword in _SIZES}
    wrong = [k for k, value in agreed.items() if value is not None and not is_within(value, _SIZES[k])]
    height_m, weight_kg = agreed.values()
    if not wrong and height_m and weight_kg and not go_together(height_m, weight_kg):
        return list(_SIZES)
    return wrong


def _values(headers: list[Dataset], keyword: str) -> set[tuple[str, ...]]:
    return _stated(headers, lambda header: texts(header, keyword) or None)


def _left_out_findings(headers: list[Dataset]) -> Iterator[Finding]:
    if contradicted := _contradicted(headers):
        message = say(
            "The images contradict each other in {keywords}: not used. Look whether all are of one person.",
            keywords=", ".join(contradicted),
        )
        yield Finding("patient_values_contradicted", Severity.WARNING, message)
    if any(years < 0 for years in _stated(headers, _age_from_dates_years)):
        message = say(
            "The birth date is after the date of the study: one of them is wrong. Look whose images these "
            "are."
        )
        yield Finding("patient_values_contradicted", Severity.WARNING, message)
    if impossible := _impossible(headers):
        message = say(
            "{keywords} cannot be true, perhaps for the unit: not used. Metres and kilograms are expected.",
            keywords=", ".join(impossible),
        )
        yield Finding("patient_values_impossible", Severity.INFO, message)


def _size_findings(subject: Subject) -> Iterator[Finding]:
    height_m, weight_kg = subject.height_m, subject.weight_kg
    if height_m and weight_kg and weight_kg / height_m**2 > _LARGEST_USUAL_INDEX_KG_PER_M2:
        message = say(
            "Height and weight make a body mass index above {limit:.0f} kg/m2: check that they are metres "
            "and kilograms. Values by body surface follow them.",
            limit=_LARGEST_USUAL_INDEX_KG_PER_M2,
        )
        yield Finding("body_size_unusual", Severity.WARNING, message)


def _reported(reports: Reports, name: str) -> float | None:
    """What all reports say; None where none does, or they differ by more than rounding."""
    stated = sorted(value.value for value in reports.body if value.name == name)
    return stated[0] if stated and stated[-1] - stated[0] <= _ROUNDING * stated[-1] else None


def _stated(headers: Iterable[Dataset], read: Callable[[Dataset], T | None]) -> set[T]:
    """Every value that a header states."""
    return {value for value in map(read, headers) if value is not None}


def _agreed(stated: set[T]) -> T | None:
    return next(iter(stated)) if len(stated) == 1 else None


def _sex(headers: list[Dataset]) -> Sex | None:
    sex = _agreed(_values(headers, "PatientSex"))
    return sex[0] if sex in (("M",), ("F",)) else None


def _age_years(headers: list[Dataset]) -> int | None:
    """PatientAge, else what PatientBirthDate and StudyDate give; None where they are years apart."""
    stated, by_dates = _stated(headers, _patient_age_years), _stated(headers, _age_from_dates_years)
    age_years = _agreed(stated or by_dates)
    if age_years is None or not is_within(age_years, AGES_YEARS):
        return None
    return age_years if all(abs(age_years - other) <= _ROUNDED_YEARS for other in by_dates) else None


def _patient_age_years(header: Dataset) -> int | None:
    match = _AGE.fullmatch("".join(texts(header, "PatientAge")))
    if match is None:
        return None
    count, unit = int(match[1]), match[2]
    return int(count / {"D": _DAYS_A_YEAR, "W": _DAYS_A_YEAR / 7, "M": 12, "Y": 1}[unit])


def _age_from_dates_years(header: Dataset) -> int | None:
    born, studied = calendar_date(header, "PatientBirthDate"), calendar_date(header, "StudyDate")
    if born is None or studied is None:
        return None
    return _completed_years(born, studied)


def _completed_years(start: date, end: date) -> int:
    return end.year - start.year - ((end.month, end.day) < (start.month, start.day))


def _body_size(
    headers: list[Dataset], reported_m: float | None, reported_kg: float | None
) -> tuple[float | None, float | None, tuple[str, ...]]:
    """Height in metres, weight in kilograms, and which are reported; neither where they do not match."""
    heights_m, weights_kg = (_stated(headers, _positive(k)) for k in ("PatientSize", "PatientWeight"))
    height_m = _agreed(heights_m) if heights_m else reported_m
    weight_kg = _agreed(weights_kg) if weights_kg else reported_kg
    if height_m is not None and not is_within(height_m, HEIGHTS_M):
        height_m = None
    if weight_kg is not None and not is_within(weight_kg, WEIGHTS_KG):
        weight_kg = None
    if height_m is not None and weight_kg is not None and not go_together(height_m, weight_kg):
        return None, None, ()
    is_reported = {
        "height": not heights_m and height_m is not None,
        "weight": not weights_kg and weight_kg is not None,
    }
    return height_m, weight_kg, tuple(name for name, reported in is_reported.items() if reported)


def _positive(keyword: str) -> Callable[[Dataset], float | None]:
    """Reads a number; zero, which some machines write, states nothing."""

    def read(header: Dataset) -> float | None:
        value = number(header, keyword)
        return None if value == 0 else value

    return read
