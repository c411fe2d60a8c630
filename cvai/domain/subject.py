"""The person whose heart was measured, as far as normal ranges and body size need to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sex = Literal["M", "F"]

AGES_YEARS = (0, 120)
HEIGHTS_M = (0.4, 2.5)
WEIGHTS_KG = (2.0, 350.0)
BODY_MASS_INDICES_KG_PER_M2 = (7.0, 100.0)
"""Wide enough for every newborn and every adult who fits a scanner, narrow enough to tell metres from
centimetres or inches, kilograms from grams, and a height from a weight."""

SYSTOLIC_MMHG = (40.0, 300.0)
DIASTOLIC_MMHG = (15.0, 200.0)
"""Blood pressures of people who lie still to be examined."""

HEART_RATES_BPM = (20.0, 250.0)
"""Outside of these a stated heart rate is a placeholder; some machines write 0."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Sex, age, body size and blood pressure at the time of the study, None where not known.

    ``sex`` is ``M`` or ``F``, the only ones that published ranges are given for; ``age_years`` are completed
    years; ``from_report`` names what another report of the study states and the images do not: ``height``,
    ``weight``, ``blood pressure``.

    Raises:
        ValueError: a value that no person has, or height and weight that do not go together.
    """

    sex: Sex | None = None
    age_years: int | None = None
    height_m: float | None = None
    weight_kg: float | None = None
    systolic_mmhg: float | None = None
    diastolic_mmhg: float | None = None
    from_report: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value, bounds in (
            ("age_years", self.age_years, AGES_YEARS),
            ("height_m", self.height_m, HEIGHTS_M),
            ("weight_kg", self.weight_kg, WEIGHTS_KG),
            ("systolic_mmhg", self.systolic_mmhg, SYSTOLIC_MMHG),
            ("diastolic_mmhg", self.diastolic_mmhg, DIASTOLIC_MMHG),
        ):
            if value is not None and not is_within(value, bounds):
                raise ValueError(f"{name} must lie between {bounds[0]} and {bounds[1]}")
        if self.height_m and self.weight_kg and not go_together(self.height_m, self.weight_kg):
            raise ValueError("height and weight are not those of one person")


def is_within(value: float, bounds: tuple[float, float]) -> bool:
    """Whether ``value`` lies between the bounds, both included.

    >>> is_within(1.75, HEIGHTS_M), is_within(175.0, HEIGHTS_M)
    (True, False)
    """
    return bounds[0] <= value <= bounds[1]


def go_together(height_m: float, weight_kg: float) -> bool:
    """Whether one person can be so tall and so heavy.

    >>> go_together(height_m=1.75, weight_kg=70.0), go_together(height_m=0.70, weight_kg=175.0)
    (True, False)
    """
    return is_within(weight_kg / height_m**2, BODY_MASS_INDICES_KG_PER_M2)


def is_heart_rate(rate_bpm: float) -> bool:
    """Whether a heart can beat so."""
    return is_within(rate_bpm, HEART_RATES_BPM)
