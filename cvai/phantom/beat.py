"""The volume-time curve of a heartbeat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

_R_WAVE_TO_CONTRACTION_MS = 50.0
"""A scanner triggers on the R wave, the interval below counts from the Q wave."""


def systole_fraction(heart_rate_bpm: float) -> float:
    """Share of the heartbeat from the R wave to the smallest ventricle.

    Electromechanical systole lasts 546 - 2.1 x heart rate milliseconds: Weissler, Harris, Schoenfeld,
    Circulation 1968;37:149-159, regression for QS2.

    >>> round(systole_fraction(60.0), 2)
    0.37
    """
    systole_ms = 546.0 - 2.1 * heart_rate_bpm - _R_WAVE_TO_CONTRACTION_MS
    return systole_ms * heart_rate_bpm / 60_000.0


def ejected_share(fraction: NDArray[np.float64], heart_rate_bpm: float) -> NDArray[np.float64]:
    """Share of the stroke volume that is outside the ventricle, 0 at end-diastole, 1 at end-systole.

    Isovolumic contraction, ejection, isovolumic relaxation, rapid filling of 70 %, diastasis, atrial kick.

    Args:
        fraction: (t,) time since the R wave in heartbeats, 0 up to but not including 1, starting at 0.
        heart_rate_bpm: decides how long systole lasts.

    Returns:
        (t,) scaled so that the latest sampled phase of systole reaches exactly 1.
    """
    end_systole = systole_fraction(heart_rate_bpm)
    filling = end_systole + 0.05
    rest = 0.97 - filling
    knots = [0.0, 0.04, end_systole, filling, filling + 0.40 * rest, filling + 0.72 * rest, 0.97, 1.0]
    share = PchipInterpolator(knots, [0.0, 0.0, 1.0, 1.0, 0.30, 0.24, 0.0, 0.0])(fraction)
    return np.asarray(share / share.max(), dtype=np.float64)
