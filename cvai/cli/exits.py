"""What the process ends with, beside 0."""

from __future__ import annotations

FAILED, USAGE, REFUSED, UNDECIDED = 1, 2, 3, 4
