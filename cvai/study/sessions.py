"""When images were acquired, and which of them belong to one examination."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from pydicom import Dataset

from cvai.study.header import calendar_date, texts, time_of_day_s

APART = timedelta(hours=3)
"""Images that follow each other after a longer pause are of two examinations."""

_DATE_AND_TIME = (
    ("AcquisitionDate", "AcquisitionTime"),
    ("ContentDate", "ContentTime"),
    ("SeriesDate", "SeriesTime"),
)


def acquired_at(header: Dataset) -> datetime | None:
    """Date and time of acquisition, content or series, the first that is stated; time zones are not read."""
    written = (texts(header, "AcquisitionDateTime") or ("",))[0].split(".")[0][:14]
    if len(written) == 14 and written.isdigit():
        try:
            return datetime.strptime(written, "%Y%m%d%H%M%S")
        except ValueError:
            return None
    for date_keyword, time_keyword in _DATE_AND_TIME:
        day, second = calendar_date(header, date_keyword), time_of_day_s(header, time_keyword)
        if day is not None and second is not None:
            return datetime(day.year, day.month, day.day) + timedelta(seconds=second)
    return None


def sessions_of(headers: Sequence[Dataset]) -> list[list[int]]:
    """Indices of images, one list an examination, the earliest first.

    Images that state no time come first and by themselves, unless there is only one examination for them.
    """
    known: list[tuple[datetime, int]] = []
    unknown: list[int] = []
    for index, header in enumerate(headers):
        at = acquired_at(header)
        if at is None:
            unknown.append(index)
        else:
            known.append((at, index))
    known.sort()
    sessions = [[index for _, index in known[:1]]] if known else []
    for (before, _), (at, index) in pairwise(known):
        if at - before > APART:
            sessions.append([])
        sessions[-1].append(index)
    if len(sessions) == 1:
        return [sorted([*unknown, *sessions[0]])]
    return [*([unknown] if unknown else []), *sessions]
