"""How often intervals hold, by quantity and difficulty, and the error without the widest of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.training.evaluation.cases import Case

FIFTHS = 5
RISK_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)

Rows = NDArray[np.float64]
"""(n, 2) half-width and absolute error of each patient, the narrowest interval first."""


@dataclass(frozen=True, slots=True)
class Fifth:
    """Patients of alike half-widths: how many, the median half-width, and the share that hold."""

    n: int
    half_width: float
    held: float


@dataclass(frozen=True, slots=True)
class Risk:
    """Absolute errors of the share of patients with the narrowest intervals: their mean and the largest."""

    share: float
    mae: float
    largest: float


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """Intervals against the reference, by quantity.

    Args:
        rows: of every quantity with intervals.
    """

    rows: Mapping[str, Rows]

    @property
    def held(self) -> dict[str, float]:
        """Share of patients whose reference lies within the interval."""
        return {name: _held(rows) for name, rows in self.rows.items()}

    @property
    def graded(self) -> dict[str, Rows]:
        """Quantities whose intervals differ between patients: the others say nothing of difficulty."""
        return {name: rows for name, rows in self.rows.items() if np.ptp(rows[:, 0]) > 0}

    @property
    def by_difficulty(self) -> dict[str, tuple[Fifth, ...]]:
        """The same in each fifth of the half-widths, the narrowest first; from five patients on."""
        return {
            name: tuple(_fifth(part) for part in np.array_split(rows, FIFTHS))
            for name, rows in self.graded.items()
            if len(rows) >= FIFTHS
        }

    @property
    def risk(self) -> dict[str, tuple[Risk, ...]]:
        """Error over the share of patients that is kept."""
        return {name: _risk(rows[:, 1]) for name, rows in self.graded.items()}


def coverage_of(cases: Sequence[Case], quantities: Sequence[str]) -> Coverage:
    """Compare the intervals of every patient with the reference."""
    columns = {
        name: sorted(
            (case.half_widths[name], abs(error))
            for case in cases
            if (error := case.error(name)) is not None and name in case.half_widths
        )
        for name in quantities
    }
    return Coverage({name: np.array(rows) for name, rows in columns.items() if rows})


def _held(rows: Rows) -> float:
    return float((rows[:, 1] <= rows[:, 0]).mean())


def _fifth(rows: Rows) -> Fifth:
    return Fifth(len(rows), float(np.median(rows[:, 0])), _held(rows))


def _risk(errors: NDArray[np.float64]) -> tuple[Risk, ...]:
    kept = [max(1, round(share * len(errors))) for share in RISK_SHARES]
    return tuple(
        Risk(share, float(errors[:n].mean()), float(errors[:n].max()))
        for share, n in zip(RISK_SHARES, kept, strict=True)
    )
