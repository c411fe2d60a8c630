"""Who was examined, as far as the headers of the cine tell it; nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date
from typing import TypeVar

from pydicom import Dataset

from cvai.dicom.read.header.attributes import calendar_date, number, texts
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


def subject_of(cine: AssembledCine) -> Subject:
    """Sex, age and body size (PS3.3 sections C.7.1.1 and C.7.2.2) that all images of the cine agree on.

    What is absent, contradicts itself or cannot be true is None: a PatientSize of 175 is no height in metres,
    and whether it is one in centimetres is not ours to say.
    """
    planes = {plane.sop_instance_uid: plane for phase in cine.planes for plane in phase}
    return subject_of_headers([plane.header for plane in planes.values()])


def subject_of_headers(headers: list[Dataset]) -> Subject:
    """The same from any images of one study."""
    height_m, weight_kg = _body_size(headers)
    return Subject(_sex(headers), _age_years(headers), height_m, weight_kg)


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


def _body_size(headers: list[Dataset]) -> tuple[float | None, float | None]:
    """Height in metres and weight in kilograms; neither where they do not go together."""
    height_m = _agreed(_stated(headers, lambda header: number(header, "PatientSize")))
    weight_kg = _agreed(_stated(headers, lambda header: number(header, "PatientWeight")))
    if height_m is not None and not is_within(height_m, HEIGHTS_M):
        height_m = None
    if weight_kg is not None and not is_within(weight_kg, WEIGHTS_KG):
        weight_kg = None
    if height_m is not None and weight_kg is not None and not go_together(height_m, weight_kg):
        return None, None
    return height_m, weight_kg
