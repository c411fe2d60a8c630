"""Measured against reference, patient by patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.training.evaluation.bootstrap import Column, Estimate, correlation, estimate, mean, sd

LIMITS_SD = 1.96
"""95 % limits of agreement: bias +/- 1.96 SD (Bland and Altman, Lancet 1986;327:307)."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """One quantity in all patients that have it, measured beside reference.

    Args:
        patients: ids, sorted.
        groups: disease group of each.
        measured: (n,) from the model's labels.
        reference: (n,) from the reference's.
    """

    patients: tuple[str, ...]
    groups: tuple[str, ...]
    measured: NDArray[np.float64]
    reference: NDArray[np.float64]

    @property
    def difference(self) -> NDArray[np.float64]:
        """(n,) measured minus reference."""
        return self.measured - self.reference


@dataclass(frozen=True, slots=True)
class Agreement:
    """Measured against reference over patients, in the unit of the quantity.

    Args:
        n: patients in whom it was measured.
        bias: mean difference, measured minus reference.
        sd: standard deviation of the differences.
        mae: mean absolute difference.
        limit_low: lower 95 % limit of agreement.
        limit_high: upper 95 % limit of agreement.
        correlation: Pearson's r.
        worst: largest difference, with its sign.
        worst_patient: in whom.
    """

    n: int
    bias: Estimate
    sd: Estimate
    mae: Estimate
    limit_low: Estimate
    limit_high: Estimate
    correlation: Estimate
    worst: float
    worst_patient: str


def agreement(pairs: Pairs) -> Agreement:
    """Sum up one quantity; there must be at least one patient."""
    difference = pairs.difference
    worst = int(np.abs(difference).argmax())
    return Agreement(
        n=len(pairs.patients),
        bias=estimate(mean, difference),
        sd=estimate(sd, difference),
        mae=estimate(mean, np.abs(difference)),
        limit_low=estimate(_limit_low, difference),
        limit_high=estimate(_limit_high, difference),
        correlation=estimate(correlation, pairs.measured, pairs.reference),
        worst=float(difference[worst]),
        worst_patient=pairs.patients[worst],
    )


def _limit_low(difference: Column) -> Column:
    return mean(difference) - LIMITS_SD * sd(difference)


def _limit_high(difference: Column) -> Column:
    return mean(difference) + LIMITS_SD * sd(difference)
