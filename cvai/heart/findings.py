"""What makes a number doubtful, said in words a reader understands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters to the person who reads the number."""

    INFO = "info"
    WARNING = "warning"
    WITHHELD = "withheld"
    """The numbers it speaks of are not given."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a reader should know before trusting the numbers.

    Args:
        code: stable snake_case identifier.
        severity: how much it matters.
        message: one sentence with what was measured; no patient data.
    """

    code: str
    severity: Severity
    message: str
