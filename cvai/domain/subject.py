"""The person whose heart was measured, as far as normal ranges and body size need to know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
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

HAEMATOCRITS_PERCENT = (10.0, 75.0)
"""From the severest anaemia to the severest polycythaemia, narrow enough to tell percent from a fraction."""


@dataclass(frozen=True, slots=True)
class Entered:
    """What a reader has entered by hand, None where nothing.

    Args:
        by: DICOM person name of the reader.
        at: when, with its time zone.

    Raises:
        ValueError: a value that no person has, height and weight that do not go together, one pressure
            without the other or a diastolic one that is not the lower, or a time without zone.
    """

    by: str
    at: datetime
    height_m: float | None = None
    weight_kg: float | None = None
    systolic_mmhg: float | None = None
    diastolic_mmhg: float | None = None
    haematocrit_percent: float | None = None
    heart_rate_bpm: float | None = None

    def __post_init__(self) -> None:
        for name, bounds in ENTERED.items():
            value = getattr(self, name)
            if value is not None and not is_within(value, bounds):
                raise ValueError(f"{name} must lie between {bounds[0]:g} and {bounds[1]:g}")
        if self.height_m and self.weight_kg and not go_together(self.height_m, self.weight_kg):
            raise ValueError("height and weight are not those of one person")
        if (self.systolic_mmhg is None) != (self.diastolic_mmhg is None):
            raise ValueError("a blood pressure is a systolic and a diastolic one")
        if self.systolic_mmhg and self.diastolic_mmhg and self.systolic_mmhg <= self.diastolic_mmhg:
            raise ValueError("the systolic pressure must be above the diastolic one")
        if self.at.tzinfo is None:
            raise ValueError("the time of an entry must state its time zone")

    @property
    def values(self) -> dict[str, float]:
        """What was entered, by name of the field."""
        found = {name: getattr(self, name) for name in ENTERED}
        return {name: value for name, value in found.items() if value is not None}

    def without(self, names: Iterable[str]) -> Entered:
        """The same without some fields; of a blood pressure both go."""
        gone = set(names)
        if gone & {"systolic_mmhg", "diastolic_mmhg"}:
            gone |= {"systolic_mmhg", "diastolic_mmhg"}
        return Entered(self.by, self.at, **{n: v for n, v in self.values.items() if n not in gone})


@dataclass(frozen=True, slots=True)
class Subject:
    """Sex, age, body size and blood pressure at the time of the study, None where not known.

    ``sex`` is ``M`` or ``F``, the only ones that published ranges are given for; ``age_years`` are completed
    years; ``from_report`` names what another report of the study states and the images do not: ``height``,
    ``weight``, ``blood pressure``. ``entered`` is what of it a reader entered by hand; haematocrit and
    ``heart_rate_bpm`` are stated nowhere else.

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
    haematocrit_percent: float | None = None
    heart_rate_bpm: float | None = None
    entered: Entered | None = None

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

    def completed_by(self, entered: Entered | None) -> Subject:
        """With what a reader has entered and nothing else states, without sizes that do not match."""
        if entered is None:
            return self
        used = entered.without(name for name in ENTERED if getattr(self, name) is not None)
        height_m = self.height_m or used.height_m
        weight_kg = self.weight_kg or used.weight_kg
        if height_m is not None and weight_kg is not None and not go_together(height_m, weight_kg):
            used = used.without(("height_m", "weight_kg"))
        if not used.values:
            return self
        return replace(
            self,
            height_m=self.height_m or used.height_m,
            weight_kg=self.weight_kg or used.weight_kg,
            systolic_mmhg=self.systolic_mmhg or used.systolic_mmhg,
            diastolic_mmhg=self.diastolic_mmhg or used.diastolic_mmhg,
            haematocrit_percent=used.haematocrit_percent,
            heart_rate_bpm=used.heart_rate_bpm,
            entered=used,
        )


ENTERED: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "height_m": HEIGHTS_M,
        "weight_kg": WEIGHTS_KG,
        "systolic_mmhg": SYSTOLIC_MMHG,
        "diastolic_mmhg": DIASTOLIC_MMHG,
        "haematocrit_percent": HAEMATOCRITS_PERCENT,
        "heart_rate_bpm": HEART_RATES_BPM,
    }
)
"""Fields that may be entered by hand, and their bounds."""


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
