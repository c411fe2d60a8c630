"""Normal ranges by modality, sex and age, from sources that draw the ventricle as cvai's models do.

``normals.csv`` beside this file holds one range a row, with its source, table and DOI;
docs/explanation/normals.md says how it came about. No row that matches, no range.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Literal, cast, get_args

from cvai.domain.anatomy import SAX_PAPILLARY_MUSCLES
from cvai.domain.measurement import Measurement, RangeSource
from cvai.domain.message import Message, joined, say, term
from cvai.domain.subject import Sex, Subject

Modality = Literal["MR", "US"]

PEOPLE: Mapping[Sex, Message] = MappingProxyType({"F": say("women"), "M": say("men")})


@dataclass(frozen=True, slots=True)
class NormalRange:
    """One row of the table.

    Ages are completed years, ``age_to_years`` None where the band is open; both ``limits`` are normal.

    Raises:
        ValueError: limits or ages are upside down.
    """

    measurement: str
    unit: str
    sex: Sex
    age_from_years: int
    age_to_years: int | None
    limits: tuple[float, float]
    source: RangeSource

    def __post_init__(self) -> None:
        if not self.limits[0] < self.limits[1]:
            raise ValueError(f"limits of {self.measurement} are upside down: {self.limits}")
        if self.age_to_years is not None and self.age_to_years < self.age_from_years:
            raise ValueError(f"ages of {self.measurement} are upside down: {self.age_from_years} and after")

    def describes(self, measurement: Measurement, subject: Subject) -> bool:
        """Whether this is the range of the measurement for a person of this sex and age."""
        age_years = subject.age_years
        return (
            (measurement.name, measurement.unit, subject.sex) == (self.measurement, self.unit, self.sex)
            and age_years is not None
            and self.age_from_years <= age_years
            and (self.age_to_years is None or age_years <= self.age_to_years)
        )


def with_normal_ranges(
    measurements: Iterable[Measurement], subject: Subject, modality: Modality = "MR"
) -> tuple[Measurement, ...]:
    """The measurements, each with its normal range where one is published for such a person.

    Args:
        measurements: what was measured.
        subject: whose heart it is.
        modality: what it was measured by; ranges of one say nothing about the other.
    """
    return tuple(_with_normal_range(measurement, subject, modality) for measurement in measurements)


def _with_normal_range(measurement: Measurement, subject: Subject, modality: Modality) -> Measurement:
    for known in normal_ranges(modality):
        if known.describes(measurement, subject):
            return replace(measurement, normal=known.limits, normal_source=known.source)
    return measurement


def range_of_all_adults(measurement: Measurement, modality: str) -> tuple[float, float] | None:
    """Lowest and highest limit of all published ranges: what lies beyond is abnormal whatever sex and age.

    What lies within may still be abnormal for its sex. None where nothing is published, or not in this unit.

    >>> range_of_all_adults(Measurement("lv_ef", 40.0, "%"), "MR")
    (46.0, 75.0)
    """
    if modality not in get_args(Modality):
        return None
    known = [
        row.limits
        for row in normal_ranges(cast(Modality, modality))
        if (row.measurement, row.unit) == (measurement.name, measurement.unit)
    ]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None


@cache
def normal_ranges(modality: Modality = "MR") -> tuple[NormalRange, ...]:
    """Every range of a modality; of MR those whose source counts papillary muscles as the models do."""
    table = resources.files("cvai.domain").joinpath("normals.csv").read_text("utf-8")
    rows = csv.DictReader(table.splitlines())
    return tuple(_normal_range(row) for row in rows if row["modality"] == modality and _is_comparable(row))


def _is_comparable(row: Mapping[str, str]) -> bool:
    """Discs across an apical view take papillary muscles into the cavity, whoever draws them."""
    return row["modality"] == "US" or row["papillary"] == SAX_PAPILLARY_MUSCLES


def _normal_range(row: Mapping[str, str]) -> NormalRange:
    return NormalRange(
        measurement=row["measurement"],
        unit=row["unit"],
        sex=cast(Sex, row["sex"]),
        age_from_years=int(row["age_from_years"]),
        age_to_years=int(row["age_to_years"]) if row["age_to_years"] else None,
        limits=(float(row["low"]), float(row["high"])),
        source=_source(row),
    )


def _source(row: Mapping[str, str]) -> RangeSource:
    people, ethnicity = PEOPLE[cast(Sex, row["sex"])], row["ethnicity"]
    limits, caveat = row["limits"], row["caveat"]
    if ethnicity:
        people = say("{people} of {ethnicity} ethnicity", people=people, ethnicity=term(ethnicity))
    ages = say("{low} to {high} years", low=row["age_from_years"], high=row["age_to_years"])
    if not row["age_to_years"]:
        ages = say("{low} years and older", low=row["age_from_years"])
    return RangeSource(
        citation=row["source"],
        doi=row["doi"],
        table=row["table"],
        population=joined(", ", (term(limits), people, ages)),
        caveat=term(caveat),
    )
