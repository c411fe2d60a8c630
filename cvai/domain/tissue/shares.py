"""How much of the myocardium is infarcted, from labels of late enhancement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import LGE_LABELS, Structure

CAVITY, HEALTHY, INFARCT, NO_REFLOW = (
    LGE_LABELS[s]
    for s in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM, Structure.INFARCT, Structure.NO_REFLOW)
)

WALL = (HEALTHY, INFARCT, NO_REFLOW)
"""The whole myocardium."""

WHOLE_INFARCT = (INFARCT, NO_REFLOW)
"""No-reflow lies within the infarct and belongs to it."""


def share_percent(labels: NDArray[np.uint8], values: tuple[int, ...]) -> float:
    """Share of the myocardium that has one of ``values``, in percent; 0 where there is no myocardium.

    >>> share_percent(np.array([0, 1, 2, 2, 2, 3, 3, 4], dtype=np.uint8), WHOLE_INFARCT)
    50.0
    """
    wall = int(np.count_nonzero(np.isin(labels, WALL)))
    return 100.0 * int(np.count_nonzero(np.isin(labels, values))) / wall if wall else 0.0


def infarct_share_percent(labels: NDArray[np.uint8]) -> float:
    """Share of the myocardium that is infarct, no-reflow included."""
    return share_percent(labels, WHOLE_INFARCT)


def without_specks(
    labels: NDArray[np.uint8], least_infarct_percent: float, least_no_reflow_percent: float
) -> NDArray[np.uint8]:
    """Labels of one heart without an infarct or no-reflow too small to be one.

    Args:
        labels: (z, y, x) values of LGE_LABELS.
        least_infarct_percent: of the myocardium; what is smaller in total becomes healthy myocardium.
        least_no_reflow_percent: of the infarct; what is smaller in total becomes infarct.
    """
    if infarct_share_percent(labels) < least_infarct_percent:
        return np.where(np.isin(labels, WHOLE_INFARCT), np.uint8(HEALTHY), labels)
    n_infarct, n_no_reflow = (
        int(np.count_nonzero(np.isin(labels, values))) for values in (WHOLE_INFARCT, (NO_REFLOW,))
    )
    if 100 * n_no_reflow < least_no_reflow_percent * n_infarct:
        return np.where(labels == NO_REFLOW, np.uint8(INFARCT), labels)
    return labels
