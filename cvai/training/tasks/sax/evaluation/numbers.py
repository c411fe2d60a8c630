"""What promotion compares of two short-axis models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cvai.training.evaluation.numbers import Number, Numbers, agreement_numbers, dice_numbers

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
"""By quantity and statistic, in points and grams: about a tenth of what a model may be off at all."""


def measured_on(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every patient and phase."""
    return [(volume["patient"], volume["phase"]) for volume in record["volumes"]]


def numbers(record: Mapping[str, Any]) -> Numbers:
    """Dice, agreement, and hearts that were not found."""
    yield from dice_numbers(record["dice"], "mean")
    yield from agreement_numbers(record["agreement"], AGREEMENT_MARGINS)
    yield "hearts not found", Number(len(record["refused"]), 0.0)
