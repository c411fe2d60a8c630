"""Whether what was labelled is a heart in short axis: there the wall of the left ventricle closes to a
ring."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvai.errors import HeartRefused
from cvai.heart.anatomy import SAX_LABELS, Structure
from cvai.heart.phases import KeyPhases
from cvai.heart.rings import wall_ring
from cvai.heart.segmentation import CineSegmentation

LEAST_RINGS = 0.5
"""Share of the slices with a cavity in which the wall closes around it. In the model's contours of twelve
ACDC patients it is 0.88 to 1.00; in the same hearts cut along their long axis 0.00 to 0.30 (``python -m
benchmarks.short_axis``)."""

_SMALL_CAVITY = 0.1
"""Share of the largest cavity's area below which a slice is the tip of the apex, and says nothing."""


def require_short_axis(segmentation: CineSegmentation, phases: KeyPhases) -> None:
    """Refuse contours that do not look like a ventricle cut across its long axis.

    Raises:
        HeartRefused: ``not_short_axis``.
    """
    geometry = segmentation.geometry
    spacing_mm = (geometry.spacing_y_mm, geometry.spacing_x_mm)
    n_rings, n_slices = rings(segmentation.labels[phases.end_diastole], spacing_mm)
    if n_rings >= LEAST_RINGS * n_slices:
        return
    raise HeartRefused(
        "not_short_axis",
        f"The wall of the left ventricle closes to a ring in {n_rings} of {n_slices} slices: these are no "
        "short-axis images.",
        "Send the short-axis cine of the study.",
    )


def rings(labels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> tuple[int, int]:
    """In how many slices the wall closes around the cavity, and how many slices have a cavity worth looking
    at.

    Args:
        labels: (z, y, x) values of ``SAX_LABELS`` at end-diastole.
        spacing_mm: between rows, between columns.
    """
    pixels = np.count_nonzero(labels == SAX_LABELS[Structure.LV_CAVITY], axis=(1, 2))
    seen = np.flatnonzero(pixels > _SMALL_CAVITY * pixels.max())
    return sum(wall_ring(labels[z], spacing_mm) is not None for z in seen), int(seen.size)
