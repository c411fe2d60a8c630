"""Intervals in proportion to a doubt that a network shows, and how often they hold other patients."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvai.domain.uncertainty import conformal_half_width
from cvai.training.evaluation.calibrate import CONFIDENCE

LEAST_DOUBT_QUANTILE = 0.25
"""Of the doubts, what counts as the least: less is luck."""

FEWEST_PATIENTS = 9
"""Fewer have no error that nine in ten of the next ones stay within."""

THIRDS = 3

Values = NDArray[np.float64]


def least_doubt(doubts: Sequence[float]) -> float:
    """The least doubt that is believed."""
    return round(float(np.quantile(doubts, LEAST_DOUBT_QUANTILE)), 4)


def doubt_factor(errors: Values, doubts: Values) -> float:
    """What doubts are multiplied by for a half-width, rounded up so that the rank still holds.

    Args:
        errors: (n,) absolute.
        doubts: (n,) none less than the least that is believed.

    Raises:
        ValueError: too few patients.

    >>> doubt_factor(np.arange(1.0, 11.0), np.full(10, 2.0))
    5.0
    """
    return ceil(1000 * conformal_half_width((errors / doubts).tolist(), CONFIDENCE)) / 1000


def held_by_others(errors: Values, unit: Values) -> dict[str, Any]:
    """How often the interval that the other patients give holds a patient (jackknife); {} for too few.

    Args:
        errors: (n,) absolute.
        unit: (n,) what half-widths are in proportion to: doubts, or ones.

    Returns:
        Shares held and median half-widths, over all patients and by third of ``unit``, the least first.
    """
    n = len(errors)
    if n <= FEWEST_PATIENTS:
        return {}
    factors = [conformal_half_width(np.delete(errors / unit, i).tolist(), CONFIDENCE) for i in range(n)]
    halves = np.array(factors) * unit
    holds = errors <= halves
    found = {"held": _share(holds), "median_half_width": _median(halves)}
    if np.ptp(unit) == 0:
        return found
    thirds = np.array_split(np.argsort(unit, kind="stable"), THIRDS)
    return {
        **found,
        "held_by_third": [_share(holds[third]) for third in thirds],
        "median_half_width_by_third": [_median(halves[third]) for third in thirds],
    }


def _share(holds: NDArray[np.bool_]) -> float:
    return round(float(holds.mean()), 3)


def _median(halves: Values) -> float:
    return round(float(np.median(halves)), 3)
