"""A measured value with everything needed to read it: unit, interval, normal range and who says so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Normality(StrEnum):
    """Where a value stands against its normal range."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class RangeSource:
    """Where a normal range was published, and for whom it holds.

    Args:
        citation: authors, journal, year, pages.
        doi: digital object identifier of the publication.
        table: where in it the range stands.
        population: what the limits are and whom they describe, such as
            ``95 % prediction interval, women of White ethnicity, 50 to 59 years``.
        caveat: sentences on what speaks against relying on it; empty where nothing is known.
    """

    citation: str
    doi: str
    table: str
    population: str
    caveat: str = ""


@dataclass(frozen=True, slots=True)
class IntervalOrigin:
    """Whose errors an interval was learnt from: those that the model's card states, or those of this site.

    Args:
        studies: of this site; None for the model's own.
        on: day on which the site calibrated it; None for the model's own.
        factor: half-width over the model's own.

    Raises:
        ValueError: the factor is not positive, or a site's interval lacks its studies or day.
    """

    studies: int | None = None
    on: date | None = None
    factor: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.factor) and self.factor > 0):
            raise ValueError(f"a factor of {self.factor} gives no interval")
        if (self.studies is None) is not (self.on is None):
            raise ValueError("a site's interval has a number of studies and a day")

    @property
    def is_of_site(self) -> bool:
        """Whether it comes from studies of this site."""
        return self.studies is not None


OF_MODEL = IntervalOrigin()
"""The interval is the one that the model's card states."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number about a heart, or about the body around it.

    Args:
        name: stable key of the result.json contract, such as ``lv_edv``.
        value: the number, finite.
        unit: UCUM code, such as ``mL``, ``%``, ``g``, ``L/min``.
        interval: (low, high) bounds that hold the truth with the stated probability, None where not known.
        normal: (low, high) normal range for this person, None where no matching source exists.
        normal_source: who published the normal range.
        interval_from: whose errors the interval was learnt from; None where it was not learnt from errors.

    Raises:
        ValueError: the value is not finite or lies outside its own interval, the normal range is upside down,
            or there is a source of no range, or an origin of no interval.
    """

    name: str
    value: float
    unit: str
    interval: tuple[float, float] | None = None
    normal: tuple[float, float] | None = None
    normal_source: RangeSource | None = None
    interval_from: IntervalOrigin | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"{self.name} must be finite, got {self.value}")
        if self.interval is not None and not self.interval[0] <= self.value <= self.interval[1]:
            raise ValueError(f"{self.name} {self.value} lies outside its interval {self.interval}")
        if self.normal is not None and not self.normal[0] < self.normal[1]:
            raise ValueError(f"{self.name} has a normal range that is upside down: {self.normal}")
        if self.normal is None and self.normal_source is not None:
            raise ValueError(f"{self.name} has a source of a normal range, but no normal range")
        if self.interval is None and self.interval_from is not None:
            raise ValueError(f"{self.name} has an origin of an interval, but no interval")

    @property
    def normality(self) -> Normality | None:
        """Whether the value lies below, in or above its normal range; None where there is no range.

        Limits are published in whole units and count as normal; so the value is rounded as they are, and what
        reads 47 on the page is not below a limit of 47.

        >>> Measurement("lv_ef", 46.6, "%", normal=(47.0, 72.0)).normality
        <Normality.NORMAL: 'normal'>
        """
        if self.normal is None:
            return None
        if round(self.value) < self.normal[0]:
            return Normality.LOW
        return Normality.HIGH if round(self.value) > self.normal[1] else Normality.NORMAL


def bounds_text(bounds: tuple[float, float], form: str) -> str:
    """Two bounds as one text, with an ellipsis where a dash would look like another minus.

    Args:
        bounds: lower, upper.
        form: how a number is formatted, such as ``.0f``.

    >>> bounds_text((49.6, 61.2), ".0f"), bounds_text((-24.6, -17.2), ".1f")
    ('50–61', '-24.6 … -17.2')
    """
    low, high = (format(bound, form) for bound in bounds)
    return f"{low} … {high}" if bounds[0] < 0 else f"{low}–{high}"
