"""Arrays of an apical loop, for those who have no DICOM."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvai.domain.echo.loop import EchoLoop
from cvai.domain.echo.sector import sector_of_frame, sector_of_loop
from cvai.models.echo import EchoSegmenter


def segment_loop(
    segmenter: EchoSegmenter, frames: NDArray[np.number[Any]], spacing_mm: tuple[float, ...]
) -> NDArray[np.uint8]:
    """Label a loop or a frame; its view is not asked for.

    Args:
        segmenter: the model.
        frames: (t, y, x), or (y, x) of one frame: brightness 0..255, the transducer at the top.
        spacing_mm: between rows and columns.

    Returns:
        Values of ``ECHO_LABELS`` in the shape of ``frames``.

    Raises:
        ValueError: another number of axes or spacings, or no sector.
        HeartRefused: no left ventricle was found.
    """
    if frames.ndim not in (2, 3) or len(spacing_mm) != 2:
        raise ValueError(f"(t, y, x) or (y, x) and two spacings, got {frames.shape} and {spacing_mm}")
    bytes_ = np.clip(frames, 0, 255).astype(np.uint8).reshape(-1, *frames.shape[-2:])
    sector = sector_of_frame(bytes_[0]) if len(bytes_) == 1 else sector_of_loop(bytes_)
    loop = EchoLoop(bytes_ * sector, sector, (spacing_mm[0], spacing_mm[1]), None, None)
    return segmenter.segment(loop).labels.reshape(frames.shape)
