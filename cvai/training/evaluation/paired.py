"""Two models on the same patients: which one errs less, and whether that may be chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cvai.domain.segmentation import ModelIdentity
from cvai.training.evaluation.bootstrap import FEWEST_PATIENTS, Estimate, estimate, mean
from cvai.training.evaluation.cases import Case


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """One score of both models over the patients in whom both have it.

    Args:
        n: patients.
        this: mean of the evaluated model.
        other: mean of the model that it is compared with.
        difference: mean of this minus other, with its 95 % bootstrap interval over patients.
        p: two-sided Wilcoxon signed-rank test; None for fewer than five patients, or where none differs.
    """

    n: int
    this: float
    other: float
    difference: Estimate
    p: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """This model minus another one.

    Args:
        model: the other one.
        patients: evaluated with both.
        absolute_error: by quantity; negative where this model errs less.
        dice: by structure; positive where this model overlaps more.
    """

    model: ModelIdentity
    patients: int
    absolute_error: Mapping[str, PairedDifference]
    dice: Mapping[str, PairedDifference]

    def record(self) -> dict[str, Any]:
        """As in evaluation.json."""
        return asdict(self)


def compared_with(
    this: Sequence[Case], other: Sequence[Case], model: ModelIdentity, quantities: Sequence[str]
) -> Comparison:
    """Pair the patients of two evaluations.

    Args:
        this: patients of the evaluated model.
        other: the same patients with ``model``.
        model: the other one.
        quantities: whose absolute errors are compared.
    """
    theirs = {case.patient: case for case in other}
    pairs = [(case, theirs[case.patient]) for case in this if case.patient in theirs]
    structures = {name: None for case in this for name in case.dice}
    return Comparison(
        model=model,
        patients=len(pairs),
        absolute_error=_differences(pairs, quantities, _absolute_error),
        dice=_differences(pairs, tuple(structures), lambda case, name: case.dice.get(name)),
    )


def paired_difference(this: NDArray[np.float64], other: NDArray[np.float64]) -> PairedDifference:
    """Compare (n,) scores of the same patients."""
    apart = this - other
    return PairedDifference(
        n=len(apart),
        this=float(this.mean()),
        other=float(other.mean()),
        difference=estimate(mean, apart),
        p=float(stats.wilcoxon(apart).pvalue) if len(apart) >= FEWEST_PATIENTS and apart.any() else None,
    )


def _differences(
    pairs: Sequence[tuple[Case, Case]],
    names: Sequence[str],
    score: Callable[[Case, str], float | None],
) -> dict[str, PairedDifference]:
    both = {name: [(score(a, name), score(b, name)) for a, b in pairs] for name in names}
    columns = {
        name: [(a, b) for a, b in rows if a is not None and b is not None] for name, rows in both.items()
    }
    return {name: paired_difference(*np.array(rows).T) for name, rows in columns.items() if rows}


def _absolute_error(case: Case, quantity: str) -> float | None:
    error = case.error(quantity)
    return None if error is None else abs(error)
