"""What a reader concludes from an analysis, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

LONGEST = 4000
"""Characters of an impression at most."""


@dataclass(frozen=True, slots=True)
class Impression:
    """The impression of a signed analysis.

    Args:
        text: its lines, ended by CR LF but for the last.
        author: DICOM person name of who wrote it; empty where the software's proposal was signed unaltered.
        at: when it was written, or signed where it was only proposed, with its time zone.

    Raises:
        ValueError: there is no text, it is too long, or the time has no zone.
    """

    text: str
    author: str
    at: datetime

    def __post_init__(self) -> None:
        if not self.text.strip() or len(self.text) > LONGEST:
            raise ValueError(f"an impression has 1 to {LONGEST} characters, got {len(self.text)}")
        if self.at.tzinfo is None:
            raise ValueError("the time of an impression must state its time zone")

    @property
    def lines(self) -> tuple[str, ...]:
        """The text line by line."""
        return tuple(self.text.split("\r\n"))
