"""How often intervals hold, by quantity and difficulty, and the error without the widest of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.domain.uncertainty import Uncertainty
from cvai.training.tasks.sax.evaluation.judged import Judged

FIFTHS = 5
RISK_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)


@dataclass(frozen=True, slots=True)
class Fifth:
    """Patients of alike half-widths: how many, the median half-width, and the share that hold."""

    n: int
    half_width: float
    held: float


@dataclass(frozen=True, slots=True)
class Risk:
    """Mean absolute error of the share of patients with the narrowest intervals."""

    share: float
    mae: float


@dataclass(frozen=True, slots=True)
class Coverage:
    """Intervals against the reference.

    Args:
        held: share of patients whose reference lies within the interval, by quantity.
        by_difficulty: the same in each fifth of the half-widths, the narrowest first; from five patients on.
        risk: error over the share of patients that is kept, by quantity.
    """

    held: Mapping[str, float]
    by_difficulty: Mapping[str, tuple[Fifth, ...]]
    risk: Mapping[str, tuple[Risk, ...]]


def coverage_of(patients: Sequence[Judged], known: Uncertainty) -> Coverage:
    """Compare the intervals of every patient with the reference."""
    columns: dict[str, list[tuple[float, float]]] = {}
    for patient in patients:
        intervals = known.of_patient(patient.ed, patient.es, patient.measured)
        for name, error in patient.errors().items():
            half = intervals.half_width(name, patient.measured[name])
            if half is not None:
                columns.setdefault(name, []).append((half, abs(error)))
    sorted_columns = {name: np.array(sorted(rows)) for name, rows in columns.items()}
    return Coverage(
        held={name: _held(rows) for name, rows in sorted_columns.items()},
        by_difficulty={
            name: tuple(_fifth(part) for part in np.array_split(rows, FIFTHS))
            for name, rows in sorted_columns.items()
            if len(rows) >= FIFTHS
        },
        risk={name: _risk(rows[:, 1]) for name, rows in sorted_columns.items()},
    )


def _held(rows: NDArray[np.float64]) -> float:
    return float((rows[:, 1] <= rows[:, 0]).mean())


def _fifth(rows: NDArray[np.float64]) -> Fifth:
    return Fifth(len(rows), float(np.median(rows[:, 0])), _held(rows))


def _risk(errors: NDArray[np.float64]) -> tuple[Risk, ...]:
    kept = [max(1, round(share * len(errors))) for share in RISK_SHARES]
    return tuple(Risk(s, float(errors[:n].mean())) for s, n in zip(RISK_SHARES, kept, strict=True))
