"""Which frame of a run shows the coronary tree best: filled with contrast medium, near end-diastole.

Thin dark structures are what a closing removes (a bottom hat). How much of the field they cover, over time,
is the contrast curve: a catheter, ribs and clips are there in every frame, and do not change it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.vessels.run import AngiographyRun

LEAST_FILLING = 0.012
"""Share of the field by which thin dark structures must grow; a tree covers 2 to 8 %."""

_ACROSS_PX = 128
"""Runs are looked at as pictures of about this many pixels on a side: a vessel is one to four wide."""
_THIN = 7
"""Size of the closing in these pixels; wider structures are no coronary vessels."""
_LEAST_HAT = 0.05
"""Depth of a vessel in shares of the brightness around it."""
_WIDE = 13
"""Size of the opening that vessels do not pass: a ventricle or the aorta does."""
_LEAST_SHADOW = 0.12
_LEAST_WIDE = 0.03
"""Share of the field that a filled ventricle or aorta covers at least."""
_WELL_FILLED = 0.85
"""Of the fullest frame: among these frames the phase of the heartbeat decides."""


@dataclass(frozen=True, slots=True, eq=False)
class Filling:
    """What passes through a run.

    Args:
        curve: (t,) share of the field that thin dark structures cover.
        wide: largest share of the field that a wide structure darkens, such as a filled ventricle.
        motion: (t,) mean change to the neighbouring frames.
        bright: how much more thin bright structures grow than dark ones; above 1 the picture is inverted.
    """

    curve: NDArray[np.float64]
    wide: float
    motion: NDArray[np.float64]
    bright: float

    @property
    def rise(self) -> float:
        """Share of the field that was filled, of a run; of a single frame what is thin and dark."""
        if self.curve.size < 3:
            return float(self.curve.max())
        low, high = np.percentile(self.curve, (5, 95))
        return float(high - low)

    @property
    def has_vessels(self) -> bool:
        """Whether vessels were filled at all."""
        return self.rise >= LEAST_FILLING

    @property
    def is_chamber(self) -> bool:
        """Whether it was a ventricle or the aorta that was filled."""
        return self.wide >= _LEAST_WIDE and self.wide > self.rise


def filling_of(run: AngiographyRun) -> Filling:
    """Look at every frame of a run, coarsely."""
    step = max(1, round(max(run.field.shape) / _ACROSS_PX))
    field = _coarse(run.field.astype(np.float32), step) > 0.99
    field = ndimage.binary_erosion(field, iterations=2)
    if not field.any():
        return Filling(np.zeros(run.n_frames), 0.0, np.zeros(run.n_frames), 0.0)
    frames = np.stack([_coarse(run.frames[t].astype(np.float32), step) for t in range(run.n_frames)])
    level = float(np.median(frames[:, field]))
    frames /= max(level, 1e-6)
    dark = np.array([_thin_share(frame, field) for frame in frames])
    bright = np.array([_thin_share(2.0 - frame, field) for frame in frames])
    change = np.abs(np.diff(frames[:, field], axis=0)).mean(axis=1) if len(frames) > 1 else np.zeros(1)
    motion = np.array([change[max(0, t - 1) : t + 1].mean() for t in range(len(frames))])
    rises = [
        float(np.ptp(np.percentile(c, (5, 95)))) if len(c) > 2 else float(c.max()) for c in (bright, dark)
    ]
    return Filling(dark, _wide_share(frames, field), motion, rises[0] / max(rises[1], 1e-4))


def best_frame(run: AngiographyRun, filling: Filling) -> int:
    """The frame to be measured: well filled and nearest to an R wave, or else with the least motion."""
    smooth = ndimage.gaussian_filter1d(filling.curve, 1.0, mode="nearest")
    base = float(np.percentile(smooth, 5)) if len(smooth) > 2 else 0.0
    filled = np.flatnonzero(smooth - base >= _WELL_FILLED * (smooth.max() - base))
    if run.r_waves:
        apart = np.min(np.abs(filled[:, None] - np.asarray(run.r_waves)[None, :]), axis=1)
        near = filled[apart == apart.min()]
        return int(near[np.argmax(smooth[near])])
    return int(filled[np.argmin(filling.motion[filled])])


def _coarse(frame: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Means of blocks."""
    rows, columns = (n // step for n in frame.shape)
    blocks = frame[: rows * step, : columns * step].reshape(rows, step, columns, step)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)


def _thin_share(frame: NDArray[np.float32], field: NDArray[np.bool_]) -> float:
    """Share of the field with a thin dark structure; outside the field there is none."""
    bright = np.where(field, frame, float(frame[field].max()))
    around = ndimage.grey_closing(bright, size=(_THIN, _THIN))
    hat = (around - bright) / np.maximum(around, 1e-3)
    return float(np.count_nonzero((hat > _LEAST_HAT) & field) / np.count_nonzero(field))


def _wide_share(frames: NDArray[np.float32], field: NDArray[np.bool_]) -> float:
    """Largest share of the field that a wide structure darkens which does not touch the field's edge.

    The diaphragm, the spine and lungs do, as they move with breathing.
    """
    brightest = np.percentile(frames, 95, axis=0)
    inner = ndimage.binary_erosion(field, iterations=2)
    share = 0.0
    for frame in frames[:: max(1, len(frames) // 24)]:
        shadow = 1.0 - frame / np.maximum(brightest, 1e-3)
        wide = ndimage.binary_opening(
            (shadow > _LEAST_SHADOW) & field, np.ones((_WIDE, _WIDE), dtype=np.bool_)
        )
        pieces, _ = ndimage.label(wide)
        at_edge = np.unique(pieces[field & ~inner])
        share = max(
            share, float(np.count_nonzero(wide & ~np.isin(pieces, at_edge)) / np.count_nonzero(field))
        )
    return share
