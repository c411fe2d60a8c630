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
    if lv_volume_ml.size <= 3:
        smooth_ml = lv_volume_ml
    else:
        smooth_ml = (np.roll(lv_volume_ml, 1) + 2 * lv_volume_ml + np.roll(lv_volume_ml, -1)) / 4
    return KeyPhases(end_diastole=int(np.argmax(smooth_ml)), end_systole=int(np.argmin(smooth_ml)))
