"""Arrays of an angiogram, for those who have no DICOM."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.coronary.tree import VesselModel


def segment_angiogram(
    model: VesselModel, frames: NDArray[np.number[Any]], spacing_mm: tuple[float, ...]
) -> NDArray[np.uint8]:
    """Label the coronary segments of a frame, or of each frame of a run.

    Args:
        model: the model.
        frames: (t, y, x), or (y, x) of one frame: vessels dark, of any range.
        spacing_mm: not used.

    Returns:
        Values of CORONARY_LABELS in the shape of ``frames``.

    Raises:
        ValueError: another number of axes.
    """
    del spacing_mm
    if frames.ndim not in (2, 3):
        raise ValueError(f"(t, y, x) or (y, x), got {frames.shape}")
    grey = frames.astype(np.float32)
    low, high = float(grey.min()), float(grey.max())
    grey = (grey - low) / max(high - low, 1e-6)
    if frames.ndim == 2:
        return model.maps(grey).labels
    return np.stack([model.maps(frame).labels for frame in grey])
