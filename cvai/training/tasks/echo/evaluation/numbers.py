"""What promotion compares of two models for apical views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cvai.training.evaluation.numbers import Number, Numbers, agreement_numbers, dice_numbers

ECHO_MARGINS: Mapping[tuple[str, str], float] = {
    ("biplane", "bias"): 0.5,
    ("biplane", "sd"): 0.3,
    ("biplane", "mae"): 0.3,
    ("biplane", "worst"): 2.0,
    ("a4c", "mae"): 0.5,
    ("a2c", "mae"): 0.5,
}
"""Of ejection fractions in points, by method and statistic. One view alone is off by more than 30 points in
single patients, who make its SD what it is: the mean error decides there."""

VIEW_MARGIN = 0.005
"""Of the share of images whose view is named rightly."""


def measured_on(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every patient with the methods there are of the reference."""
    return [
        (patient["patient"], method) for patient in record["by_patient"] for method in patient["reference"]
    ]


def numbers(record: Mapping[str, Any]) -> Numbers:
    """Dice, ejection fractions, views, and hearts that were not found."""
    yield from dice_numbers(record["dice"], "value")
    yield from agreement_numbers(record["ejection_fraction"], ECHO_MARGINS)
    yield "view named rightly", Number(record["view"]["accuracy"], VIEW_MARGIN, higher_is_better=True)
    yield "hearts not found", Number(len(record["refused"]), 0.0)
