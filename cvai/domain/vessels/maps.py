"""What a network finds in one frame of an angiogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class VesselMaps:
    """The coronary tree in a frame, on the frame's own pixels; the arrays are read-only.

    Args:
        labels: (y, x) values of CORONARY_LABELS, 0 for background.
        vessel: (y, x) probability of a coronary artery, 0..1.
        stenosis: (y, x) probability of a narrowed stretch, 0..1.

    Raises:
        ValueError: the shapes differ, or they are not (y, x).
    """

    labels: NDArray[np.uint8]
    vessel: NDArray[np.float32]
    stenosis: NDArray[np.float32]

    def __post_init__(self) -> None:
        shapes = {values.shape for values in (self.labels, self.vessel, self.stenosis)}
        if len(shapes) != 1 or self.labels.ndim != 2:
            raise ValueError(f"maps must share one shape (y, x), got {sorted(shapes)}")
        for values in (self.labels, self.vessel, self.stenosis):
            values.setflags(write=False)
