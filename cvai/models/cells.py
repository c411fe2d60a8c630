"""Frames as the coronary network takes them: cells of pixels, each pixel of a cell in a channel of its own.

A cell keeps every grey level of its pixels, while the network computes on a sixteenth of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CELL = 4
"""Pixels on a side of a cell."""

CELL_CHANNELS = tuple(
    f"row {row}, column {column} of a cell" for row in range(CELL) for column in range(CELL)
)
"""What each channel of the network's input holds."""


def in_cells(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, y, x) -> (n, CELL * CELL, y / CELL, x / CELL).

    >>> in_cells(np.arange(16, dtype=np.float32).reshape(1, 4, 4))[0, :, 0, 0].astype(int).tolist()
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    """
    n, height, width = frames.shape
    tiles = frames.reshape(n, height // CELL, CELL, width // CELL, CELL)
    return np.ascontiguousarray(tiles.transpose(0, 2, 4, 1, 3)).reshape(
        n, CELL * CELL, height // CELL, width // CELL
    )
