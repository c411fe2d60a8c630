"""A measured value with everything needed to read it: unit, interval, normal range."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number about a heart.

    Args:
        name: stable key of the result.json contract, such as ``lv_edv``.
        value: the number, finite.
        unit: UCUM code, such as ``mL``, ``%``, ``g``, ``L/min``.
        interval: (low, high) bounds that hold the truth with the stated probability, None where not known.
        normal: (low, high) normal range for this person, None where no matching source exists.

    Raises:
        ValueError: the value is not finite or lies outside its own interval.
    """

    name: str
    value: float
    unit: str
    interval: tuple[float, float] | None = None
    normal: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"{self.name} must be finite, got {self.value}")
        if self.interval is not None and not self.interval[0] <= self.value <= self.interval[1]:
            raise ValueError(f"{self.name} {self.value} lies outside its interval {self.interval}")
