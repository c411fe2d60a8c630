"""An angiography run: a film of one view while contrast medium passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PERCENTILES = (0.5, 99.5)
"""Of the grey values within the field that become 0 and 1."""


@dataclass(frozen=True, slots=True)
class PixelSize:
    """What a pixel measures in the plane of the vessels.

    Args:
        mm: side of a pixel.
        uncertainty: share by which it may be off, such as 0.07.
        source: in words.
    """

    mm: float
    uncertainty: float
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class AngiographyRun:
    """Frames of a run, vessels dark.

    Args:
        frames: (t, y, x) of an unsigned type; where more contrast medium absorbs, values are lower.
        field: (y, x) within collimator and shutters.
        is_logarithmic: whether values fall with the thickness of contrast medium, or its exponential.
        pixel_size: None where the study does not tell one that can be trusted.
        times_ms: (t,) increasing from 0; None where the study does not tell.
        r_waves: 0-based frames of R waves, empty where they are not known.

    Raises:
        ValueError: shapes do not agree, the field is empty, or a frame does not exist.
    """

    frames: NDArray[np.unsignedinteger[Any]]
    field: NDArray[np.bool_]
    is_logarithmic: bool
    pixel_size: PixelSize | None
    times_ms: NDArray[np.float64] | None
    r_waves: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.frames.ndim != 3 or self.frames.shape[1:] != self.field.shape:
            raise ValueError(f"frames {self.frames.shape} and field {self.field.shape} differ")
        if not self.field.any():
            raise ValueError("the field is empty")
        if self.times_ms is not None and self.times_ms.shape != self.frames.shape[:1]:
            raise ValueError(f"{self.times_ms.shape} times of {len(self.frames)} frames")
        if any(not 0 <= frame < len(self.frames) for frame in self.r_waves):
            raise ValueError(f"R waves at {self.r_waves} of {len(self.frames)} frames")
        self.frames.setflags(write=False)
        self.field.setflags(write=False)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.frames)

    def grey(self, t: int) -> NDArray[np.float32]:
        """(y, x) frame as grey values 0..1, vessels dark; black outside the field."""
        inside = self.frames[t][self.field]
        low, high = (float(p) for p in np.percentile(inside, _PERCENTILES))
        grey = (self.frames[t].astype(np.float32) - low) / max(high - low, 1.0)
        return np.asarray(np.where(self.field, grey.clip(0.0, 1.0), 0.0), dtype=np.float32)

    def absorption(self, t: int) -> NDArray[np.float32]:
        """(y, x) proportional to the thickness of contrast medium, besides what else absorbs.

        Where values are the intensity of the beam this is their negative logarithm (Beer and Lambert).
        """
        values = self.frames[t].astype(np.float32)
        if self.is_logarithmic:
            return np.asarray(-values, dtype=np.float32)
        floor = max(1.0, 0.02 * float(self.frames[t].max()))
        return np.asarray(-np.log(np.maximum(values, floor)), dtype=np.float32)
