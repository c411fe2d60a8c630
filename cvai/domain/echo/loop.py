"""A beating heart in one plane: an ultrasound loop as (t, y, x), and its labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.views import EchoView


@dataclass(frozen=True, slots=True, eq=False)
class EchoLoop:
    """Frames of an ultrasound loop, cut free from what is written around the sector.

    Args:
        frames: (t, y, x) brightness 0..255, the transducer at the top; black outside ``sector``.
        sector: (y, x) where there is ultrasound.
        spacing_mm: (between rows, between columns); None where the study does not tell a size that can be
            trusted. Volumes are then not known, and what is a ratio holds if the pixels are square.
        times_ms: (t,) time of every frame, increasing from 0; None where the study does not tell.
        heart_rate_bpm: as stated, None where not.

    Raises:
        ValueError: shapes do not agree, a spacing is not positive, or times do not increase.
    """

    frames: NDArray[np.uint8]
    sector: NDArray[np.bool_]
    spacing_mm: tuple[float, float] | None
    times_ms: NDArray[np.float64] | None
    heart_rate_bpm: float | None

    def __post_init__(self) -> None:
        if self.frames.ndim != 3 or self.frames.shape[1:] != self.sector.shape:
            raise ValueError(f"frames {self.frames.shape} and sector {self.sector.shape} differ")
        if not self.sector.any():
            raise ValueError("the sector is empty")
        if self.spacing_mm is not None and not min(self.spacing_mm) > 0:
            raise ValueError(f"pixel spacing must be positive, got {self.spacing_mm}")
        if self.times_ms is not None:
            if self.times_ms.shape != self.frames.shape[:1] or np.any(np.diff(self.times_ms) <= 0):
                raise ValueError("times_ms must be (t,) and increase")
            self.times_ms.setflags(write=False)
        self.frames.setflags(write=False)
        self.sector.setflags(write=False)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.frames)


@dataclass(frozen=True, slots=True, eq=False)
class LoopSegmentation:
    """One label per pixel and frame of a loop, and which view it shows.

    Args:
        labels: (t, y, x) values of ECHO_LABELS, 0 is background.
        view: the view most of the frames show.
        view_probability: how sure the network is of it, 0..1, averaged over the frames.
        doubts: (t,) what the network leaves open of the left ventricle's cavity, as a share of it; None where
            labels are a reader's, or come from elsewhere.

    Raises:
        ValueError: wrong shape, or a label without a name.
    """

    labels: NDArray[np.uint8]
    view: EchoView
    view_probability: float
    doubts: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.labels.ndim != 3:
            raise ValueError(f"labels must be (t, y, x), got shape {self.labels.shape}")
        if self.labels.size and int(self.labels.max()) > max(ECHO_LABELS.values()):
            raise ValueError(f"label {int(self.labels.max())} has no name")
        if not 0 <= self.view_probability <= 1:
            raise ValueError(f"view_probability must be within 0..1, got {self.view_probability}")
        if self.doubts is not None and self.doubts.shape != self.labels.shape[:1]:
            raise ValueError(f"doubts must be (t,), got shape {self.doubts.shape}")
        self.labels.setflags(write=False)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.labels)

    def area_curve_px(self, structure: Structure) -> NDArray[np.float64]:
        """(t,) number of pixels of ``structure`` in every frame."""
        mask = self.labels == ECHO_LABELS[structure]
        return np.asarray(np.count_nonzero(mask, axis=(1, 2)), dtype=np.float64)
