"""Percentiles of a cine's intensities, without the cine in float32."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvai.domain.cine import CineStack


def intensity_percentiles(
    stack: CineStack, slices: NDArray[np.intp], percentages: Sequence[float]
) -> NDArray[np.float64]:
    """What ``np.percentile`` says of the intensities of some slices in all phases.

    Integers are counted value by value, frame after frame; float32 is sorted.

    Args:
        stack: the cine.
        slices: indices of slices, at least one.
        percentages: between 0 and 100.
    """
    if stack.stored.dtype.kind == "f":
        intensities = [stack.phase(t)[slices] for t in range(stack.n_phases)]
        return np.percentile(np.stack(intensities), percentages, overwrite_input=True)
    values, counts = _counted(stack, slices)
    last = np.cumsum(counts) - 1  # (n,) rank of the last pixel of each value
    ranks = last[-1] * (np.asarray(percentages, dtype=np.float64) / 100)
    before = np.floor(ranks).astype(np.intp)
    after = np.minimum(before + 1, last[-1])
    low, high = (values[np.searchsorted(last, rank)] for rank in (before, after))
    share = ranks - before
    # As numpy does: from the nearer side.
    between = np.where(share < 0.5, low + (high - low) * share, high - (high - low) * (1 - share))
    return np.asarray(between, dtype=np.float64)


def _counted(stack: CineStack, slices: NDArray[np.intp]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The intensities that occur, in ascending order, and in how many pixels."""
    limits = np.iinfo(str(stack.stored.dtype))
    n_values = int(limits.max) - int(limits.min) + 1
    counts: defaultdict[tuple[float, float], NDArray[Any]] = defaultdict(lambda: np.zeros(n_values, np.int64))
    for t in range(stack.n_phases):
        for z in slices:
            shifted = stack.stored[t, z].ravel().astype(np.int64) - int(limits.min)
            counts[_rescale(stack, t, int(z))] += np.bincount(shifted, minlength=n_values)
    stored = np.arange(limits.min, int(limits.max) + 1).astype(np.float32)
    values = np.concatenate([stored * np.float32(s) + np.float32(i) for s, i in counts])
    of_values = np.concatenate(list(counts.values()))
    order = np.argsort(values, kind="stable")
    order = order[of_values[order] > 0]
    return values[order], of_values[order]


def _rescale(stack: CineStack, t: int, z: int) -> tuple[float, float]:
    """Slope and intercept of a frame."""
    slope = 1.0 if stack.slopes is None else float(stack.slopes[t, z])
    return slope, 0.0 if stack.intercepts is None else float(stack.intercepts[t, z])
