"""Heartbeats in a loop: an ultrasound loop may hold several, and parts of others at its ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.signal import find_peaks

from cvai.heart.phases import KeyPhases

_SMOOTHED_MS = 40.0
"""Standard deviation of the smoothing under which extremes are looked for."""

_LEAST_SWING = 0.35
"""Share of the curve's whole range by which an end-systole lies below what surrounds it."""

_SHORTEST_BEAT_MS = 300.0
"""An R-R interval at 200 beats a minute."""


def beats_of(area: NDArray[np.float64], times_ms: NDArray[np.float64]) -> tuple[KeyPhases, ...]:
    """End-diastole and end-systole of every whole beat, in order of time; at least one.

    An end-systole is a trough of the curve; its end-diastole is the largest frame before it and after the
    last trough. A systole whose beginning lies before the loop is left out, unless there is no other.

    Args:
        area: (t,) area of the LV cavity, in any unit.
        times_ms: (t,) increasing.
    """
    step_ms = float(np.median(np.diff(times_ms))) if len(times_ms) > 1 else 1.0
    smooth = ndimage.gaussian_filter1d(area, _SMOOTHED_MS / step_ms, mode="nearest")
    swing = float(np.ptp(smooth))
    troughs, _ = find_peaks(
        -smooth, prominence=max(_LEAST_SWING * swing, 1e-9), distance=max(1, _SHORTEST_BEAT_MS / step_ms)
    )
    beats, start = [], 0
    for trough in troughs.tolist():
        end_diastole = start + int(smooth[start : trough + 1].argmax())
        if _is_whole(smooth, start, end_diastole, trough):
            beats.append(KeyPhases(end_diastole, trough))
        start = trough
    if beats:
        return tuple(beats)
    return (KeyPhases(int(smooth.argmax()), int(smooth.argmin())),)


def _is_whole(smooth: NDArray[np.float64], start: int, end_diastole: int, end_systole: int) -> bool:
    """Whether the systole begins within the loop: near the largest area, and not cut off in its fall."""
    drop = float(smooth[end_diastole] - smooth[end_systole])
    is_full = drop >= 0.7 * float(np.ptp(smooth))
    falls_from_the_start = start == 0 and end_diastole == 0 and smooth[0] < smooth.max() - 0.1 * drop
    return is_full and not falls_from_the_start
