"""Windows for slices of unknown proportions: the heart fills the same share of both axes.

Training and inference share this file. Where pixel size and proportions are unknown, the heart is the only
scale there is: a window is stretched along each axis by itself until the heart's box has HEART_SHARE of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.models.intensity import HIGH_PERCENTILE, LOW_PERCENTILE
from cvai.models.resample import Window

HEART_SHARE = 0.58
"""Of a side of the window; what lies around the heart tells it from the rest of the body."""

LEVELS_SHARE = 0.55
"""Middle part of a window in which intensities are compared: the heart, and little fat or air."""

LOWEST_LEVEL, HIGHEST_LEVEL = -0.5, 1.5
"""Beyond, levels are clipped: fat and air are outside the range of the heart."""


@dataclass(frozen=True, slots=True)
class HeartBox:
    """Where the left ventricle with its wall lies in an image plane.

    Args:
        centre: (y, x) in pixels.
        extent: (rows, columns).
    """

    centre: tuple[float, float]
    extent: tuple[float, float]

    def __post_init__(self) -> None:
        if min(self.extent) <= 0:
            raise ValueError(f"a box has a positive extent, got {self.extent}")

    @classmethod
    def around(cls, labels: NDArray[np.uint8]) -> HeartBox:
        """The box of all that is labelled in any of (z, y, x) labels.

        Raises:
            ValueError: nothing is labelled.
        """
        rows, columns = (np.flatnonzero(labels.any(axis=axes)) for axes in ((0, 2), (0, 1)))
        if rows.size == 0:
            raise ValueError("where nothing is labelled there is no box")
        return cls(
            ((rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2),
            (float(rows[-1] - rows[0] + 1), float(columns[-1] - columns[0] + 1)),
        )

    def window(self, shape: tuple[int, int], size: int) -> Window:
        """A window of ``size`` x ``size`` into an image of ``shape``: HEART_SHARE of each axis is heart."""
        pixels = HEART_SHARE * size
        spacing = (pixels / self.extent[0], pixels / self.extent[1])
        return Window(shape, spacing, self.centre, (size, size), 1.0)


def levels(images: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """(n, 3, y, x) slices between their neighbours, scaled by what the middle of each slice shows.

    Args:
        images: intensities; a missing neighbour is zero throughout and stays so.
        share: of rows and columns, around the middle, whose percentiles become 0 and 1; 1 is all.
    """
    n, _, height, width = images.shape
    top, left = (round(side * (1 - share) / 2) for side in (height, width))
    middle = images[:, 1, top : height - top, left : width - left].reshape(n, -1)
    low, high = np.percentile(middle, (LOW_PERCENTILE, HIGH_PERCENTILE), axis=1).astype(np.float32)
    low, high = low[:, None, None, None], high[:, None, None, None]
    scaled = np.clip((images - low) / np.maximum(high - low, 1e-6), LOWEST_LEVEL, HIGHEST_LEVEL)
    there = images.any(axis=(2, 3), keepdims=True)
    return np.where(there, scaled, np.float32(0)).astype(np.float32)
