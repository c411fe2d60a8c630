"""How much a number would vary with other patients: percentile bootstrap over patients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
SEED = 20261124
CONFIDENCE_PERCENT = 95.0
FEWEST_PATIENTS = 5
"""Below this, drawing patients again says nothing about other patients; no interval is given."""

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number over patients.

    Args:
        value: None where it is not defined, such as a standard deviation of one patient.
        interval: (low, high) 95 % bootstrap interval, None for fewer than FEWEST_PATIENTS.
    """

    value: float | None
    interval: tuple[float, float] | None


def estimate(statistic: Callable[..., Column], *columns: Column) -> Estimate:
    """``statistic`` of the patients, with its interval.

    Args:
        statistic: reduces the last axis of one array a column; NaN where it is not defined.
        columns: (n,) values in the same order of patients, which are drawn together.
    """
    value = float(statistic(*columns))
    if np.isnan(value):
        return Estimate(None, None)
    n = len(columns[0])
    if n < FEWEST_PATIENTS:
        return Estimate(value, None)
    # The same draws for every number of one set of patients: the numbers then vary together, as they do.
    draws = np.random.default_rng(SEED).integers(n, size=(RESAMPLES, n))
    outside = (100.0 - CONFIDENCE_PERCENT) / 2
    resampled = statistic(*(column[draws] for column in columns))
    low, high = np.nanpercentile(resampled, (outside, 100.0 - outside))
    return Estimate(value, (float(low), float(high)))


def mean(values: Column) -> Column:
    """Mean along the last axis; NaN of nothing."""
    return values.mean(axis=-1) if values.shape[-1] else np.full(values.shape[:-1], np.nan)


def sd(values: Column) -> Column:
    """Sample standard deviation along the last axis; NaN of fewer than two."""
    return values.std(axis=-1, ddof=1) if values.shape[-1] > 1 else np.full(values.shape[:-1], np.nan)


def correlation(a: Column, b: Column) -> Column:
    """Pearson's r along the last axis; NaN where either does not vary."""
    a, b = (values - values.mean(axis=-1, keepdims=True) for values in (a, b))
    scale = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    varies = scale > 0
    return np.where(varies, (a * b).sum(axis=-1) / np.where(varies, scale, 1.0), np.nan)
