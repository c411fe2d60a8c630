"""Numbers of an evaluation that decide about a promotion, and by how much each may be worse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DICE_MARGIN = 0.005
"""Of a mean Dice: half of what a changed image may cost (docs/reference/evaluation.md), a quarter of what two
readers differ by."""


@dataclass(frozen=True, slots=True)
class Number:
    """One number of one evaluation.

    Args:
        value: None where it has none.
        margin: by how much a candidate may be worse.
        higher_is_better: whether more is better.
    """

    value: float | None
    margin: float
    higher_is_better: bool = False


Numbers = Iterator[tuple[str, Number]]
"""With their names, for readers."""


def dice_numbers(by_phase: Mapping[str, Mapping[str, Mapping[str, Any]]], mean: str) -> Numbers:
    """The mean Dice of every structure in every phase, which the record has under ``mean``."""
    for phase, by_structure in by_phase.items():
        for structure, dice in by_structure.items():
            yield f"Dice {structure} {phase}", Number(dice[mean], DICE_MARGIN, higher_is_better=True)


def agreement_numbers(by_quantity: Mapping[str, Any], margins: Mapping[tuple[str, str], float]) -> Numbers:
    """Statistics of agreement with their margins by quantity and statistic.

    The worst difference counts by its size, whichever way it points. A bias counts by the size that its 95 %
    interval proves: over twenty patients whose differences spread by 11 points, a bias of 0 and one of 4
    are the same finding, and the 0 would bar every better model.
    """
    for (quantity, statistic), margin in margins.items():
        size = _size(by_quantity.get(quantity), statistic)
        yield f"{quantity} {_TITLES[statistic]}", Number(size, margin)


_TITLES = {"bias": "bias, proven size", "sd": "SD", "mae": "MAE", "worst": "worst, size of"}


def _size(agreement: Mapping[str, Any] | None, statistic: str) -> float | None:
    if agreement is None:
        return None
    value = agreement[statistic]
    if statistic == "bias":
        return _proven_size(value["interval"])
    number = value.get("value", value.get("error")) if isinstance(value, Mapping) else value
    return None if number is None else abs(float(number))


def _proven_size(interval: Sequence[float] | None) -> float | None:
    """The least size of what lies in an interval.

    >>> _proven_size((-4.5, 1.6)), _proven_size((0.5, 7.0)), _proven_size((-3.0, -1.0))
    (0.0, 0.5, 1.0)
    """
    if interval is None:
        return None
    low, high = interval
    return max(0.0, float(low), -float(high))
