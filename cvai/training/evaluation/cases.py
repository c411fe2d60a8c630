"""Patients of an evaluation in the one form that all tasks have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cvai.training.evaluation.agreement import Pairs


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number that is compared with the reference.

    Args:
        title: for readers, with its unit.
        gross: an error above this is gross, in the unit of the quantity; None where no error is.
        is_main: whether it has columns in the tables that have a line for each data set or subgroup.
    """

    title: str
    gross: float | None = None
    is_main: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One patient, or one image where the data name no patients.

    Args:
        patient: id in the data set.
        dice: by structure; 0 where a structure that was drawn was not found.
        measured: by quantity; empty where nothing was found.
        reference: by quantity.
        half_widths: of the stated intervals, by quantity.
        findings: codes that warn a reader of the numbers, None where they were not looked for.
        stated: what the data set states of the patient, such as ``{"sex": "F"}``.
    """

    patient: str
    dice: Mapping[str, float] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    reference: Mapping[str, float] = field(default_factory=dict)
    half_widths: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[str, ...] | None = None
    stated: Mapping[str, str] = field(default_factory=dict)

    @property
    def mean_dice(self) -> float | None:
        """Over all structures; None where there is none."""
        return float(np.mean(list(self.dice.values()))) if self.dice else None

    def error(self, quantity: str) -> float | None:
        """Measured minus reference; None where either is missing."""
        if quantity not in self.measured or quantity not in self.reference:
            return None
        return self.measured[quantity] - self.reference[quantity]

    def is_held(self, quantity: str) -> bool | None:
        """Whether the reference lies in the interval; None where there is no error or no interval."""
        error = self.error(quantity)
        if error is None or quantity not in self.half_widths:
            return None
        return abs(error) <= self.half_widths[quantity]


def case_from(record: Mapping[str, Any]) -> Case:
    """One of ``cases`` of an evaluation.json."""
    findings = record["findings"]
    return Case(**{**record, "findings": None if findings is None else tuple(findings)})


def pairs_of(cases: Sequence[Case], quantity: str) -> Pairs | None:
    """The patients that have a quantity, sorted; None where none has."""
    having = sorted((c for c in cases if c.error(quantity) is not None), key=lambda case: case.patient)
    if not having:
        return None
    return Pairs(
        tuple(case.patient for case in having),
        ("",) * len(having),
        np.array([case.measured[quantity] for case in having]),
        np.array([case.reference[quantity] for case in having]),
    )
