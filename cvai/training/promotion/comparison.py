"""Two evaluations of the same patients side by side: which number got worse, and by how much it may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cvai.errors import ModelInvalid

DICE_MARGIN = 0.005
"""Of a mean Dice: half of what a changed image may cost (docs/evaluation.md), a quarter of what two readers
differ by."""

AGREEMENT_MARGINS: Mapping[tuple[str, str], float] = {
    ("lv_ef", "bias"): 0.5,
    ("lv_ef", "sd"): 0.3,
    ("lv_ef", "mae"): 0.3,
    ("lv_ef", "worst"): 2.0,
    ("rv_ef", "bias"): 1.0,
    ("rv_ef", "sd"): 0.5,
    ("rv_ef", "mae"): 0.5,
    ("lv_mass", "bias"): 1.0,
    ("lv_mass", "sd"): 0.7,
}
"""By quantity and statistic, in points and grams: about a tenth of what a model may be off at all. The worst
difference counts by its size, whichever way it points.

A bias counts by the size that its 95 % interval proves: over twenty patients whose differences spread by
11 points, a bias of nought and one of four are the same finding; the nought would bar every better model."""


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
        after: evaluation.json of the candidate.

    Raises:
        ModelInvalid: they are not evaluations of the same patients.
    """
    if _volumes(before) != _volumes(after):
        raise ModelInvalid(
            "evaluations_not_comparable",
            f"The model in place was evaluated on {len(_volumes(before))} volumes of {before['split']}, the "
            f"candidate on {len(_volumes(after))} of {after['split']}.",
            "Evaluate both on the same patients.",
        )
    return (*_dice(before, after), *_agreement(before, after), _refused(before, after))


def _volumes(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    return sorted((volume["patient"], volume["phase"]) for volume in record["volumes"])


def _dice(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Compared]:
    for phase, by_structure in before["dice"].items():
        for structure, mean in by_structure.items():
            new = after["dice"].get(phase, {}).get(structure, {"mean": None})
            yield Compared(
                f"Dice {structure} {phase}", mean["mean"], new["mean"], DICE_MARGIN, higher_is_better=True
            )


def _agreement(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Compared]:
    for (quantity, statistic), margin in AGREEMENT_MARGINS.items():
        old, new = (_size(record["agreement"].get(quantity), statistic) for record in (before, after))
        yield Compared(f"{quantity} {_TITLES[statistic]}", old, new, margin, higher_is_better=False)


_TITLES = {"bias": "bias, proven size", "sd": "SD", "mae": "MAE", "worst": "worst, size of"}


def _size(agreement: Mapping[str, Any] | None, statistic: str) -> float | None:
    if agreement is None:
        return None
    value = agreement[statistic]
    if statistic == "bias":
        return _proven_size(value["interval"])
    number = value["value"] if isinstance(value, Mapping) else value
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


def _refused(before: Mapping[str, Any], after: Mapping[str, Any]) -> Compared:
    counts = len(before["refused"]), len(after["refused"])
    return Compared("hearts not found", *counts, margin=0.0, higher_is_better=False)
