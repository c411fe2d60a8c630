"""Shares of counted patients, with how far they may be from the share among all patients."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

NORMAL_95 = 1.96
"""Half-width that holds 95 % of a normal distribution, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many.

    Args:
        count: of those that are meant.
        of: all.

    Raises:
        ValueError: more than all, or fewer than none.
    """

    count: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.of:
            raise ValueError(f"{self.count} of {self.of} is no share")

    @property
    def value(self) -> float | None:
        """The share, 0 to 1; None of nothing."""
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % score interval (Wilson, J Am Stat Assoc 1927;22:209); None of nothing.

        >>> [round(bound, 3) for bound in Share(27, 30).interval]
        [0.744, 0.965]
        """
        if not self.of:
            return None
        z2 = NORMAL_95**2
        share, scale = self.count / self.of, 1 + z2 / self.of
        middle = (share + z2 / (2 * self.of)) / scale
        half = NORMAL_95 * sqrt(share * (1 - share) / self.of + z2 / (4 * self.of**2)) / scale
        return max(0.0, middle - half), min(1.0, middle + half)
