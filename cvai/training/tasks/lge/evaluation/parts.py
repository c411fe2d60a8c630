"""Levels and segments of the wall, by labels of a model and of readers.

EMIDEC shows no septum and says nothing of directions: segments are counted from several directions of the
image, the same ones for both, and those of the model turned by what a septum is off by.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cvai.domain.geometry import StackGeometry
from cvai.domain.measurement import Measurement
from cvai.domain.segmentation import apex_comes_first
from cvai.domain.tissue.segments import CineGuide, measure_segments, part_kind

SEPTA_DEG = (150.0, 180.0, 210.0)
"""Where the septum is taken to lie, counter-clockwise from the right of the image."""

SEPTUM_OFF_DEG = 6.0
"""Nine in ten septa of the short-axis model are off by no more (``python -m benchmarks.septum``)."""


def part_errors(found: NDArray[np.uint8], truth: NDArray[np.uint8]) -> Mapping[str, tuple[float, ...]]:
    """Absolute errors in points, by ``part_kind`` of what was found.

    Args:
        found: (z, y, x) values of LGE_LABELS as the model drew them.
        truth: as readers did.
    """
    errors = defaultdict(list)
    for septum_deg, off_deg in product(SEPTA_DEG, (-SEPTUM_OFF_DEG, SEPTUM_OFF_DEG)):
        reference = {part.name: part.value for part in _parts(truth, septum_deg)}
        for part in _parts(found, septum_deg + off_deg):
            if part.name in reference:
                errors[part_kind(part)].append(abs(part.value - reference[part.name]))
    return {kind: tuple(values) for kind, values in errors.items()}


def _parts(labels: NDArray[np.uint8], septum_deg: float) -> tuple[Measurement, ...]:
    return measure_segments(labels, _upright(labels), CineGuide(septum_deg, length_mm=0.0)).measurements


def _upright(labels: NDArray[np.uint8]) -> StackGeometry:
    """Seen from the apex, with the head above; distances are not known and are not needed."""
    positions_mm = np.zeros((len(labels), 3))
    positions_mm[:, 1] = np.arange(len(labels)) * (1.0 if apex_comes_first(labels) else -1.0)
    return StackGeometry(positions_mm, np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, -1.0]), 1.0, 1.0)
