"""Two evaluations of the same patients side by side: which number got worse, and by how much it may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cvai.errors import ModelInvalid
from cvai.training.evaluation.numbers import Number
from cvai.training.tasks.registry import task_of_record


@dataclass(frozen=True, slots=True)
class Compared:
    """One number of both evaluations.

    Args:
        name: what it is, for readers.
        before: of the model in place, None where it has none.
        after: of the candidate, None where it has none.
        margin: by how much the candidate may be worse.
        higher_is_better: whether more is better.
    """

    name: str
    before: float | None
    after: float | None
    margin: float
    higher_is_better: bool

    @property
    def gain(self) -> float | None:
        """By how much the candidate is better, negative where it is worse; None where there is nothing."""
        if self.before is None or self.after is None:
            return None
        return self.after - self.before if self.higher_is_better else self.before - self.after

    @property
    def is_worse(self) -> bool:
        """Whether it is worse by more than the margin, or lost a number that there was."""
        if self.gain is None:
            return self.before is not None
        return self.gain < -self.margin


def compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Compared, ...]:
    """Every number that decides about a promotion.

    Args:
        before: evaluation.json of the model in place.
        after: evaluation.json of the candidate, for the same kind of image.

    Raises:
        ModelInvalid: they are not evaluations of the same patients.
    """
    plan = task_of_record(before).evaluation
    if before["schema"] != after["schema"] or sorted(plan.measured_on(before)) != sorted(
        plan.measured_on(after)
    ):
        raise ModelInvalid(
            "evaluations_not_comparable",
            f"The model in place was evaluated on {before['patients']} patients of {before['split']}, "
            f"the candidate on {after['patients']} of {after['split']}.",
            "Evaluate both on the same patients.",
        )
    old, new = dict(plan.numbers(before)), dict(plan.numbers(after))
    missing = Number(None, 0.0)
    return tuple(
        Compared(name, number.value, new.get(name, missing).value, number.margin, number.higher_is_better)
        for name, number in old.items()
    )
