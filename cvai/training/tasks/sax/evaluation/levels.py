"""Base, middle and apex of a short-axis stack."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import SAX_LABELS, Structure


class Level(StrEnum):
    """A third of the left ventricle along its axis."""

    BASE = "base"
    MID = "mid"
    APEX = "apex"


def slices_by_level(reference: NDArray[np.uint8]) -> dict[Level, NDArray[np.intp]]:
    """Indices of the slices of each level: thirds of those that hold left ventricle in the reference.

    Slices beyond the ventricle count to the level they lie next to, so that what is drawn where nothing
    should be has its place. The base is the end with more heart in it, whichever way the stack runs.

    Args:
        reference: (z, y, x) values of SAX_LABELS.

    Raises:
        ValueError: there is no left ventricle.
    """
    left = (SAX_LABELS[Structure.LV_CAVITY], SAX_LABELS[Structure.LV_MYOCARDIUM])
    holding = np.flatnonzero(np.isin(reference, left).any(axis=(1, 2)))
    if holding.size == 0:
        raise ValueError("the reference holds no left ventricle")
    first, last = int(holding[0]), int(holding[-1])
    z = np.arange(len(reference))
    from_base = z - first if _base_comes_first(reference[first : last + 1]) else last - z
    third = np.clip(3 * from_base // (last - first + 1), 0, 2)
    return {level: np.flatnonzero(third == k) for k, level in enumerate(Level)}


def _base_comes_first(reference: NDArray[np.uint8]) -> bool:
    area = np.count_nonzero(reference, axis=(1, 2))
    half = len(area) // 2
    return int(area[:half].sum()) >= int(area[len(area) - half :].sum())
