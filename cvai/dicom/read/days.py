"""Whether images that are measured together were made on one day, as far as headers tell."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from pydicom import Dataset

from cvai.dicom.read.header.attributes import calendar_date, texts
from cvai.domain.findings import Finding, Severity
from cvai.domain.message import say

_DATES = ("StudyDate", "SeriesDate", "AcquisitionDate")
_ONE_NIGHT_DAYS = 1


def day_findings(headers: Iterable[Dataset]) -> list[Finding]:
    """What a reader has to look at: days between the images, else between the study and its images.

    Args:
        headers: of every instance measured.
    """
    headers = list(headers)
    for keyword in _DATES:
        n_days = _apart({calendar_date(header, keyword) for header in headers})
        if n_days > _ONE_NIGHT_DAYS:
            message = say(
                "The {keyword} of the images measured differs by up to {n_days} days: look whether they are "
                "of one examination and of one person.",
                keyword=keyword,
                n_days=n_days,
            )
            return [Finding("days_differ", Severity.WARNING, message)]
    n_days = max((_apart({calendar_date(h, "StudyDate"), _acquired(h)}) for h in headers), default=0)
    if n_days > _ONE_NIGHT_DAYS:
        message = say(
            "StudyDate and the date of acquisition are {n_days} days apart: look when the images were made, "
            "and of whom.",
            n_days=n_days,
        )
        return [Finding("days_differ", Severity.WARNING, message)]
    return []


def _acquired(header: Dataset) -> date | None:
    """The day of acquisition, by AcquisitionDate or AcquisitionDateTime."""
    at_once = Dataset()
    at_once.AcquisitionDate = (texts(header, "AcquisitionDateTime") or ("",))[0][:8]
    return calendar_date(header, "AcquisitionDate") or calendar_date(at_once, "AcquisitionDate")


def _apart(days: set[date | None]) -> int:
    """Days from the first to the last one."""
    stated = sorted(day for day in days if day is not None)
    return (stated[-1] - stated[0]).days if stated else 0
