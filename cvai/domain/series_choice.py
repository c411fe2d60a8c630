"""A person's choice of the series that is measured, in the place of the one that the software preferred."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SeriesChoice:
    """Which series a person wants measured.

    Args:
        series_uid: SeriesInstanceUID.
        by: DICOM person name or account of who chose it.
        at: when, with its time zone.

    Raises:
        ValueError: nobody chose it, or the time has no zone.
    """

    series_uid: str
    by: str
    at: datetime

    def __post_init__(self) -> None:
        if not (self.series_uid and self.by.strip()):
            raise ValueError("a choice names a series and a person")
        if self.at.tzinfo is None:
            raise ValueError("the time of a choice must state its time zone")

    def to_text(self) -> str:
        """JSON on one line, the same for the same choice."""
        values = {"series_uid": self.series_uid, "by": self.by, "at": self.at.isoformat()}
        return json.dumps(values, sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> SeriesChoice:
        """Inverse of ``to_text``."""
        values = json.loads(text)
        return cls(**{**values, "at": datetime.fromisoformat(values["at"])})
