"""A short-axis cine: one beating heart as (t, z, y, x) with its place in space and time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.heart.geometry import StackGeometry


@dataclass(frozen=True, slots=True, eq=False)
class CineStack:
    """Pixels of a cine with geometry and times.

    Args:
        pixels: (t, z, y, x) stored intensities after the modality rescale, float32, arbitrary unit.
        geometry: where the slices lie; ``geometry.n_slices`` equals z.
        trigger_times_ms: (t, z) time after the R wave at which each frame was acquired, increasing along t;
            None where the study does not tell time (phases are then only ordered).
        heart_rate_bpm: heart rate during acquisition, None where the study does not tell.

    Raises:
        ValueError: shapes do not agree, or times do not increase.
    """

    pixels: NDArray[np.float32]
    geometry: StackGeometry
    trigger_times_ms: NDArray[np.float64] | None
    heart_rate_bpm: float | None

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4:
            raise ValueError(f"pixels must be (t, z, y, x), got shape {self.pixels.shape}")
        n_phases, n_slices = self.pixels.shape[:2]
        if n_slices != self.geometry.n_slices:
            raise ValueError(f"{n_slices} slices of pixels, {self.geometry.n_slices} slice positions")
        if self.trigger_times_ms is not None:
            if self.trigger_times_ms.shape != (n_phases, n_slices):
                raise ValueError(f"trigger_times_ms must be (t, z), got {self.trigger_times_ms.shape}")
            if np.any(np.diff(self.trigger_times_ms, axis=0) <= 0):
                raise ValueError("trigger_times_ms must increase from phase to phase in every slice")
            self.trigger_times_ms.setflags(write=False)
        if self.heart_rate_bpm is not None and not 0 < self.heart_rate_bpm < 400:
            raise ValueError(f"heart_rate_bpm must be between 0 and 400, got {self.heart_rate_bpm}")
        self.pixels.setflags(write=False)

    @property
    def n_phases(self) -> int:
        """Number of cardiac phases."""
        return int(self.pixels.shape[0])

    @property
    def phase_times_ms(self) -> NDArray[np.float64] | None:
        """(t,) time of every phase, the mean over its slices; None where the study does not tell time."""
        if self.trigger_times_ms is None:
            return None
        return np.asarray(self.trigger_times_ms.mean(axis=1), dtype=np.float64)
