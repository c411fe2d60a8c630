"""The patients of each sex, vendor or disease, as far as the data state them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cvai.training.evaluation.agreement import Agreement, agreement
from cvai.training.evaluation.cases import Case, Quantity, pairs_of
from cvai.training.evaluation.coverage import coverage_of
from cvai.training.evaluation.gross import Flags, flags_of


@dataclass(frozen=True, slots=True)
class Subgroup:
    """Patients of whom the data state the same.

    Args:
        patients: how many there are.
        dice: mean by structure, over the patients that have it.
        agreement: by quantity.
        held: share of patients whose reference lies within the interval, by quantity.
        flags: gross errors, None where there are none to speak of or findings were not looked for.
    """

    patients: int
    dice: Mapping[str, float]
    agreement: Mapping[str, Agreement]
    held: Mapping[str, float]
    flags: Flags | None

    @property
    def mean_dice(self) -> float | None:
        """Over all structures; None where there is none."""
        return float(np.mean(list(self.dice.values()))) if self.dice else None

    def record(self) -> dict[str, Any]:
        """As in evaluation.json."""
        flags = self.flags
        return {
            "patients": self.patients,
            "dice": dict(self.dice),
            "agreement": {name: _short(found) for name, found in self.agreement.items()},
            "coverage": dict(self.held),
            "gross": None if flags is None else len(flags.gross),
            "missed": None if flags is None else [case.patient for case in flags.missed],
        }


Subgroups = Mapping[str, Mapping[str, Subgroup]]
"""By what is stated, then by its value."""


def subgroups_of(cases: Sequence[Case], quantities: Mapping[str, Quantity]) -> Subgroups:
    """Every value that is stated of a patient, in alphabetical order; data that state nothing have none."""
    facts = {fact: None for case in cases for fact in case.stated}
    return {
        fact: {
            value: subgroup([case for case in cases if case.stated.get(fact) == value], quantities)
            for value in sorted({case.stated[fact] for case in cases if fact in case.stated})
        }
        for fact in facts
    }


def subgroup(cases: Sequence[Case], quantities: Mapping[str, Quantity]) -> Subgroup:
    """Sum up some patients."""
    structures = {name: None for case in cases for name in case.dice}
    pairs = {name: pairs_of(cases, name) for name in quantities}
    return Subgroup(
        patients=len(cases),
        dice={name: float(np.mean([c.dice[name] for c in cases if name in c.dice])) for name in structures},
        agreement={name: agreement(found) for name, found in pairs.items() if found is not None},
        held=coverage_of(cases, tuple(quantities)).held,
        flags=flags_of(cases, quantities),
    )


def _short(found: Agreement) -> dict[str, Any]:
    return {"n": found.n, **{name: asdict(getattr(found, name)) for name in ("bias", "sd", "mae")}}
