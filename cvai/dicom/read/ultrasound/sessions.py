"""When images were acquired, and which of them belong to one examination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from pydicom import Dataset

from cvai.dicom.read.header.attributes import calendar_date, texts, time_of_day_s

APART_S = 3 * 3600.0
"""Images that follow each other after a longer pause are of two examinations."""

_DAY_S = 24 * 3600.0

_DATE_AND_TIME = (
    ("AcquisitionDate", "AcquisitionTime"),
    ("ContentDate", "ContentTime"),
    ("SeriesDate", "SeriesTime"),
)


@dataclass(frozen=True, slots=True)
class Acquired:
    """When an image was acquired.

    ``second`` is of the day, None where only the date is stated.
    """

    day: date
    second: float | None

    @property
    def order(self) -> tuple[date, float]:
        """What to sort by."""
        return self.day, -1.0 if self.second is None else self.second

    def is_long_before(self, later: Acquired) -> bool:
        """Whether another examination began in between; by the date alone where one has no time."""
        days = (later.day - self.day).days
        if self.second is None or later.second is None:
            return days > 0
        return days * _DAY_S + later.second - self.second > APART_S


def acquired(header: Dataset) -> Acquired | None:
    """AcquisitionDateTime, else date and time of acquisition, content or series, the first that is stated."""
    at_once = Dataset()
    written = (texts(header, "AcquisitionDateTime") or ("",))[0].split("+")[0].split("-")[0]
    at_once.AcquisitionDate, at_once.AcquisitionTime = written[:8], written[8:]
    for source, (day_keyword, time_keyword) in (
        (at_once, _DATE_AND_TIME[0]),
        *((header, k) for k in _DATE_AND_TIME),
    ):
        day = calendar_date(source, day_keyword)
        if day is not None:
            return Acquired(day, time_of_day_s(source, time_keyword))
    return None


def sessions_of(headers: Sequence[Dataset]) -> list[list[int]]:
    """Indices of images, one list an examination, the earliest first.

    Images that state no date come first and by themselves, unless there is only one examination for them.
    """
    at = [acquired(header) for header in headers]
    unknown = [index for index, one in enumerate(at) if one is None]
    known = sorted((one.order, index, one) for index, one in enumerate(at) if one is not None)
    sessions = [[index for _, index, _ in known[:1]]] if known else []
    for (_, _, before), (_, index, after) in pairwise(known):
        if before.is_long_before(after):
            sessions.append([])
        sessions[-1].append(index)
    if len(sessions) == 1:
        return [sorted([*unknown, *sessions[0]])]
    return [*([unknown] if unknown else []), *sessions]
