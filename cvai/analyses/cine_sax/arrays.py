"""Arrays of a short-axis stack, for those who have no DICOM."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvai.domain.cine import CineStack
from cvai.domain.geometry import StackGeometry
from cvai.models.segmenter import Segmenter


def segment_cine(
    segmenter: Segmenter, pixels: NDArray[np.number[Any]], spacing_mm: tuple[float, ...]
) -> NDArray[np.uint8]:
    """Label a stack.

    Args:
        segmenter: the model.
        pixels: (t, z, y, x), or (z, y, x) of one phase.
        spacing_mm: between slices, rows and columns.

    Returns:
        Values of ``SAX_LABELS`` in the shape of ``pixels``.

    Raises:
        ValueError: another number of axes or spacings.
        HeartRefused: no left ventricle was found.
    """
    if pixels.ndim not in (3, 4) or len(spacing_mm) != 3:
        raise ValueError(f"(t, z, y, x) or (z, y, x) and three spacings, got {pixels.shape} and {spacing_mm}")
    stored = np.ascontiguousarray(pixels.reshape(-1, *pixels.shape[-3:]).astype(np.float32))
    geometry = StackGeometry.unplaced(stored.shape[1], (spacing_mm[0], spacing_mm[1], spacing_mm[2]))
    labels = segmenter.segment(CineStack(stored, geometry, None, None)).labels
    return labels.reshape(pixels.shape)
