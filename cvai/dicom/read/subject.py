"""Who was examined, as far as the headers of the images and reports of others tell it; nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date
from typing import TypeVar

from pydicom import Dataset

from cvai.dicom.read.header.attributes import calendar_date, number, texts
from cvai.dicom.read.reports.documents import NO_REPORTS, Reports
from cvai.dicom.read.reports.quantities import BODY_ALONE
from cvai.dicom.read.values import AssembledCine
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

_ROUNDING = 0.01
"""Share by which reports in different units may differ."""


def subject_of(cine: AssembledCine, reports: Reports = NO_REPORTS) -> Subject:
    """Sex, age and body size (PS3.3 sections C.7.1.1 and C.7.2.2) that all images of the cine agree on.

    What is absent, contradicts itself or cannot be true is None: a PatientSize of 175 is no height in metres,
    and whether it is one in centimetres is not ours to say. Height and weight that no image states are those
    of the reports, and so is blood pressure, which images never state; where reports differ they are None.
    What neither states is what a reader has entered by hand.
    """
    planes = {plane.sop_instance_uid: plane for phase in cine.planes for plane in phase}
    return subject_of_headers([plane.header for plane in planes.values()], reports)


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


def _reported(reports: Reports, name: str) -> float | None:
    """What all reports say; None where none does, or they differ by more than rounding."""
    stated = sorted(value.value for value in reports.body if value.name == name)
    return stated[0] if stated and stated[-1] - stated[0] <= _ROUNDING * stated[-1] else None


def _stated(headers: Iterable[Dataset], read: Callable[[Dataset], T | None]) -> set[T]:
    """Every value that a header states."""
    return {value for value in map(read, headers) if value is not None}


def _agreed(stated: set[T]) -> T | None:
    return next(iter(stated)) if len(stated) == 1 else None


def _sex(headers: Iterable[Dataset]) -> Sex | None:
    sex = _agreed(_stated(headers, lambda header: texts(header, "PatientSex") or None))
    return sex[0] if sex in (("M",), ("F",)) else None


def _age_years(headers: list[Dataset]) -> int | None:
    """PatientAge, else what PatientBirthDate and StudyDate give."""
    age_years = _agreed(_stated(headers, _patient_age_years) or _stated(headers, _age_from_dates_years))
    return age_years if age_years is not None and is_within(age_years, AGES_YEARS) else None


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
