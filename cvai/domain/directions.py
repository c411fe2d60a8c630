"""Directions in the patient, as letters at the edges of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvai.domain.geometry import StackGeometry


def edge_directions(geometry: StackGeometry) -> tuple[str, str, str, str]:
    """Patient direction of the left, right, top and bottom edge of an image as it is displayed."""
    right, bottom = direction_letters(geometry.row_cosine), direction_letters(geometry.column_cosine)
    left, top = direction_letters(-geometry.row_cosine), direction_letters(-geometry.column_cosine)
    return left, right, top, bottom


def direction_letters(direction: NDArray[np.float64]) -> str:
    """Patient directions a vector points to, the strongest first (PS3.3 section C.7.6.1.1.1).

    Args:
        direction: (3,) unit vector in LPS.

    >>> direction_letters(np.array([0.8, 0.0, -0.6]))
    'LF'
    """
    letters = [("L" if direction[0] > 0 else "R"), ("P" if direction[1] > 0 else "A")]
    letters.append("H" if direction[2] > 0 else "F")
    order = np.argsort(-np.abs(direction), kind="stable")
    return "".join(letters[axis] for axis in order[:2] if abs(direction[axis]) > 0.25)
