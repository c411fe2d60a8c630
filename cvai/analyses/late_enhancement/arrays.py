"""Arrays of late enhancement, for those who have no DICOM."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.late_enhancement.segmenter import EnhancementSegmenter


def segment_slices(
    segmenter: EnhancementSegmenter, pixels: NDArray[np.number[Any]], _spacing_mm: tuple[float, ...]
) -> NDArray[np.uint8]:
    """Label slices of late enhancement; their spacing is not needed.

    Args:
        segmenter: the model.
        pixels: (z, y, x), or (y, x) of one slice.

    Returns:
        Values of ``LGE_LABELS`` in the shape of ``pixels``.

    Raises:
        ValueError: another number of axes.
        HeartRefused: no left ventricle was found.
    """
    if pixels.ndim not in (2, 3):
        raise ValueError(f"(z, y, x) or (y, x), got {pixels.shape}")
    slices = np.ascontiguousarray(pixels.reshape(-1, *pixels.shape[-2:]).astype(np.float32))
    return segmenter.slices.segment(slices).labels.reshape(pixels.shape)
