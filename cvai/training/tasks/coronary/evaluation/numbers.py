"""What promotion compares of two models for coronary angiograms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cvai.training.evaluation.numbers import Number, Numbers

MARGINS: Mapping[str, float] = {"vessel_dice": 0.005, "segment_f1": 0.01, "stenosis_f1": 0.02}
"""Of means over images."""


def measured_on(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every image with what is drawn on it."""
    return [(image["image"], image["image"].partition("/")[0]) for image in record["by_image"]]


def numbers(record: Mapping[str, Any]) -> Numbers:
    """Means over images."""
    for name, margin in MARGINS.items():
        yield name, Number(record[name]["value"], margin, higher_is_better=True)
