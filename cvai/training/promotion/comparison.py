"""Two evaluations of the same patients side by side: which number got worse, and by how much it may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cvai.errors import ModelInvalid
from cvai.training.tasks.echo.record import SCHEMA as ECHO_SCHEMA

DICE_MARGIN = 0.005
"""Of a mean Dice: half of what a changed image may cost (docs/reference/evaluation.md), a quarter of what two
readers differ by."""

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


ECHO_MARGINS: Mapping[tuple[str, str], float] = {
    ("biplane", "bias"): 0.5,
    ("biplane", "sd"): 0.3,
    ("biplane", "mae"): 0.3,
    ("biplane", "worst"): 2.0,
    ("a4c", "mae"): 0.5,
    ("a2c", "mae"): 0.5,
}
"""The same of ejection fractions by ultrasound, by method. One view alone is off by more than 30 points in
single patients, who make its SD what it is: the mean error decides there."""

VIEW_MARGIN = 0.005
"""Of the share of images whose view is named rightly."""


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


@dataclass(frozen=True, slots=True)
class _Figure:
    """One number of one evaluation."""

    value: float | None
    margin: float
    higher_is_better: bool = False


_Figures = Iterator[tuple[str, _Figure]]
"""With their names."""


def compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Compared, ...]:
    """Every number that decides about a promotion.

    Args:
        before: evaluation.json of the model in place.
        after: evaluation.json of the candidate, for the same kind of image.

    Raises:
        ModelInvalid: they are not evaluations of the same patients.
    """
    if before["schema"] != after["schema"] or _measured_on(before) != _measured_on(after):
        raise ModelInvalid(
            "evaluations_not_comparable",
            f"The model in place was evaluated on {len(_measured_on(before))} volumes of {before['split']}, "
            f"the candidate on {len(_measured_on(after))} of {after['split']}.",
            "Evaluate both on the same patients.",
        )
    old, new = dict(_figures(before)), dict(_figures(after))
    missing = _Figure(None, 0.0)
    return tuple(
        Compared(name, figure.value, new.get(name, missing).value, figure.margin, figure.higher_is_better)
        for name, figure in old.items()
    )


def _is_echo(record: Mapping[str, Any]) -> bool:
    return bool(record["schema"] == ECHO_SCHEMA)


def _measured_on(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Patients, with their phases or the measurements there are of them."""
    if _is_echo(record):
        return sorted((p["patient"], m) for p in record["by_patient"] for m in p["reference"])
    return sorted((volume["patient"], volume["phase"]) for volume in record["volumes"])


def _figures(record: Mapping[str, Any]) -> _Figures:
    yield from _dice(record)
    if _is_echo(record):
        yield from _agreement(record["ejection_fraction"], ECHO_MARGINS)
        yield "view named rightly", _Figure(record["view"]["accuracy"], VIEW_MARGIN, higher_is_better=True)
    else:
        yield from _agreement(record["agreement"], AGREEMENT_MARGINS)
    yield "hearts not found", _Figure(len(record["refused"]), 0.0)


def _dice(record: Mapping[str, Any]) -> _Figures:
    mean = "value" if _is_echo(record) else "mean"
    for phase, by_structure in record["dice"].items():
        for structure, dice in by_structure.items():
            yield f"Dice {structure} {phase}", _Figure(dice[mean], DICE_MARGIN, higher_is_better=True)


def _agreement(by_quantity: Mapping[str, Any], margins: Mapping[tuple[str, str], float]) -> _Figures:
    for (quantity, statistic), margin in margins.items():
        size = _size(by_quantity.get(quantity), statistic)
        yield f"{quantity} {_TITLES[statistic]}", _Figure(size, margin)


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
