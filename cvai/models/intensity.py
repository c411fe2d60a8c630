"""Intensities and neighbouring slices as the networks take them; training and inference share this file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LOW_PERCENTILE, HIGH_PERCENTILE = 1.0, 99.5
"""MR intensities have no unit; these percentiles of the whole stack become 0 and 1."""

_SAMPLES = 500_000
"""Percentiles of a cine are read off a regular subsample of about this many voxels."""


def normalised(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """``pixels`` of any shape scaled to 0..1 between its low and high percentile, clipped."""
    return scaled(pixels, *intensity_range(pixels))


def intensity_range(pixels: NDArray[np.number[Any]]) -> tuple[float, float]:
    """The low and the high percentile of ``pixels``."""
    flat = pixels.reshape(-1)
    low, high = np.percentile(flat[:: sampling_step(flat.size)], (LOW_PERCENTILE, HIGH_PERCENTILE))
    return float(low), float(high)


def sampling_step(n_voxels: int) -> int:
    """Every how many voxels one is looked at; 1 for samples already taken."""
    return max(1, n_voxels // _SAMPLES)


def scaled(pixels: NDArray[np.number[Any]], low: float, high: float) -> NDArray[np.float32]:
    """``pixels`` with ``low`` as 0 and ``high`` as 1, clipped."""
    scale = np.float32(1.0 / max(high - low, 1e-6))
    unclipped = (pixels - np.float32(low)) * scale
    return np.asarray(np.clip(unclipped, 0.0, 1.0, out=unclipped), dtype=np.float32)


def with_neighbours(volume: NDArray[np.float32]) -> NDArray[np.float32]:
    """(..., z, y, x) -> (..., z, 3, y, x): each slice between the one before and the one after it.

    Where there is no neighbour the channel is zero.
    """
    before, after = np.zeros_like(volume), np.zeros_like(volume)
    before[..., 1:, :, :] = volume[..., :-1, :, :]
    after[..., :-1, :, :] = volume[..., 1:, :, :]
    return np.stack([before, volume, after], axis=-3)
