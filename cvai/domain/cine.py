"""A short-axis cine: one beating heart as (t, z, y, x) with its place in space and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvai.domain.geometry import StackGeometry

STORED_TYPES = frozenset(np.dtype(t) for t in (np.uint8, np.int8, np.uint16, np.int16, np.float32))
"""Types a cine is kept in; float32 holds every value of the others exactly."""

_ALL = slice(None)


@dataclass(frozen=True, slots=True, eq=False)
class CineStack:
    """Pixels of a cine with geometry and times.

    Pixels stay in the type they are stored in, mostly two bytes each: the intensities of a large cine in
    float32 would take twice as much. ``phase`` and ``frame`` rescale what is asked for.

    Args:
        stored: (t, z, y, x) stored values, of one of STORED_TYPES.
        geometry: where the slices lie; ``geometry.n_slices`` equals z.
        trigger_times_ms: (t, z) time after the R wave at which each frame was acquired, increasing along t;
            None where the study does not tell time (phases are then only ordered).
        heart_rate_bpm: heart rate during acquisition, None where the study does not tell.
        slopes: (t, z) RescaleSlope of every frame; None where all are 1.
        intercepts: (t, z) RescaleIntercept of every frame; None where all are 0.

    Raises:
        ValueError: shapes do not agree, the type is another one, or times do not increase.
    """

    stored: NDArray[np.number[Any]]
    geometry: StackGeometry
    trigger_times_ms: NDArray[np.float64] | None
    heart_rate_bpm: float | None
    slopes: NDArray[np.float32] | None = None
    intercepts: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.stored.ndim != 4:
            raise ValueError(f"stored must be (t, z, y, x), got shape {self.stored.shape}")
        if self.stored.dtype not in STORED_TYPES:
            raise ValueError(f"stored must be integers of up to 16 bits or float32, got {self.stored.dtype}")
        n_phases, n_slices = self.stored.shape[:2]
        if n_slices != self.geometry.n_slices:
            raise ValueError(f"{n_slices} slices of pixels, {self.geometry.n_slices} slice positions")
        for name in ("trigger_times_ms", "slopes", "intercepts"):
            values = getattr(self, name)
            if values is not None and values.shape != (n_phases, n_slices):
                raise ValueError(f"{name} must be (t, z), got {values.shape}")
        if self.trigger_times_ms is not None:
            if np.any(np.diff(self.trigger_times_ms, axis=0) <= 0):
                raise ValueError("trigger_times_ms must increase from phase to phase in every slice")
            self.trigger_times_ms.setflags(write=False)
        if self.heart_rate_bpm is not None and not 0 < self.heart_rate_bpm < 400:
            raise ValueError(f"heart_rate_bpm must be between 0 and 400, got {self.heart_rate_bpm}")
        self.stored.setflags(write=False)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Phases, slices, rows, columns."""
        n_phases, n_slices, rows, columns = self.stored.shape
        return n_phases, n_slices, rows, columns

    @property
    def n_phases(self) -> int:
        """Number of cardiac phases."""
        return self.shape[0]

    @property
    def pixels(self) -> NDArray[np.float32]:
        """(t, z, y, x) intensities of the whole cine, made anew each time: for small ones."""
        return np.stack([self.phase(t) for t in range(self.n_phases)])

    @property
    def phase_times_ms(self) -> NDArray[np.float64] | None:
        """(t,) time of every phase, the mean over its slices; None where the study does not tell time."""
        if self.trigger_times_ms is None:
            return None
        return np.asarray(self.trigger_times_ms.mean(axis=1), dtype=np.float64)

    def phase(
        self, t: int, slices: slice = _ALL, rows: slice = _ALL, columns: slice = _ALL
    ) -> NDArray[np.float32]:
        """(z, y, x) intensities of one phase, or of a part of it: stored values after the modality rescale,
        in an arbitrary unit."""
        values = self.stored[t, slices, rows, columns].astype(np.float32, copy=False)
        if self.slopes is not None:
            values = values * self.slopes[t, slices, np.newaxis, np.newaxis]
        if self.intercepts is not None:
            values = values + self.intercepts[t, slices, np.newaxis, np.newaxis]
        return values

    def frame(self, t: int, z: int, rows: slice = _ALL, columns: slice = _ALL) -> NDArray[np.float32]:
        """(y, x) intensities of one frame, or of a part of it."""
        return np.asarray(self.phase(t, slice(z, z + 1), rows, columns)[0])

    def stored_value(self, t: int, z: int, intensity: float) -> float:
        """The stored value of a frame that becomes an intensity; the inverse of its rescale."""
        slope = 1.0 if self.slopes is None else float(self.slopes[t, z])
        intercept = 0.0 if self.intercepts is None else float(self.intercepts[t, z])
        return (intensity - intercept) / slope

    def sample(self, step: int) -> NDArray[np.float32]:
        """(n,) intensities of every ``step``-th voxel, counted over the whole cine."""
        values = self.stored.reshape(-1)[::step].astype(np.float32)
        n_phases, n_slices, rows, columns = self.shape
        frames = np.arange(0, n_phases * n_slices * rows * columns, step) // (rows * columns)
        if self.slopes is not None:
            values *= self.slopes.reshape(-1)[frames]
        if self.intercepts is not None:
            values += self.intercepts.reshape(-1)[frames]
        return values

    def only(self, t: int) -> CineStack:
        """The stack of one phase, without times; it holds none of the others in memory."""
        slopes, intercepts = (
            None if values is None else values[t : t + 1] for values in (self.slopes, self.intercepts)
        )
        return CineStack(self.stored[t : t + 1].copy(), self.geometry, None, None, slopes, intercepts)
