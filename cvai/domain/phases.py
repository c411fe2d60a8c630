"""End-diastole and end-systole from the volume curve of the left ventricle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class KeyPhases:
    """Indices into the cine, 0-based, in order of time."""

    end_diastole: int
    end_systole: int


def key_phases(lv_volume_ml: NDArray[np.float64]) -> KeyPhases:
    """Phases of the largest and the smallest left ventricle.

    The choice is made on a curve smoothed over three neighbouring phases of the closed cycle, so that a
    single badly segmented phase is not taken for an extreme; volumes are read at the chosen phases from the
    curve as it is.

    Args:
        lv_volume_ml: (t,) volume of the LV cavity in every phase of one heartbeat.

    >>> key_phases(np.array([98.0, 100.0, 70.0, 40.0, 55.0, 90.0]))
    KeyPhases(end_diastole=0, end_systole=3)
    """
    smooth_ml = _smooth(lv_volume_ml)
    return KeyPhases(end_diastole=int(np.argmax(smooth_ml)), end_systole=int(np.argmin(smooth_ml)))


def possible_key_phases(first_volumes: NDArray[np.float64]) -> set[int]:
    """Which of the first phases of a heartbeat may turn out to be end-diastole or end-systole.

    Smoothing joins the last phase to the first and each to the next, so the first one and the latest one stay
    open; of those between, only the largest and the smallest so far can still be chosen.

    Args:
        first_volumes: (n,) volume of the LV cavity in the first n phases, in any unit.

    >>> sorted(possible_key_phases(np.array([98.0, 100.0, 70.0, 40.0, 55.0, 90.0])))
    [0, 1, 3, 5]
    """
    n = first_volumes.size
    if n <= 3:
        return set(range(n))
    between = _smooth(first_volumes)[1:-1]
    return {0, n - 1, int(np.argmax(between)) + 1, int(np.argmin(between)) + 1}


def _smooth(volumes: NDArray[np.float64]) -> NDArray[np.float64]:
    if volumes.size <= 3:
        return volumes
    return np.asarray((np.roll(volumes, 1) + 2 * volumes + np.roll(volumes, -1)) / 4)
