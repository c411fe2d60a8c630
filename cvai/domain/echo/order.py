"""Whether the frames of a loop follow one another in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCK_PX = 8
"""Means of such blocks hardly speckle."""

_NO_NEARER = 0.85
"""Distance of neighbours over that of all pairs: 0.2 to 0.6 in real loops and in phantoms, 1 where they are
shuffled."""

_NEARER_ELSEWHERE = 0.75
"""Distance of each frame's nearest over that of its nearer neighbour: 1 where frames are noise."""


def are_out_of_order(frames: NDArray[np.uint8], sector: NDArray[np.bool_]) -> bool:
    """Whether frames resemble others more than their neighbours, which no other frames do.

    Args:
        frames: (t, y, x) brightness, t >= 3.
        sector: (y, x) where there is ultrasound.
    """
    squares = _squared_distances(_blocks(frames, sector))
    apart = np.sqrt(squares)
    neighbours = np.diagonal(apart, 1)
    pairs = apart[np.triu_indices(len(apart), 1)]
    if not neighbours.mean() > _NO_NEARER * pairs.mean():
        return False
    nearer = np.minimum(np.append(neighbours, np.inf), np.insert(neighbours, 0, np.inf))
    nearest = np.where(np.eye(len(apart), dtype=bool), np.inf, apart).min(axis=1)
    return bool(nearest.mean() < _NEARER_ELSEWHERE * nearer.mean())


def _blocks(frames: NDArray[np.uint8], sector: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(t, n) means of the blocks that lie around the sector."""
    rows, columns = (np.flatnonzero(sector.any(axis=axis)) for axis in (1, 0))
    inside = frames[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (size // _BLOCK_PX for size in inside.shape[1:])
    whole = inside[:, : height * _BLOCK_PX, : width * _BLOCK_PX]
    tiled = whole.reshape(len(frames), height, _BLOCK_PX, width, _BLOCK_PX)
    return np.asarray(tiled.mean(axis=(2, 4)), dtype=np.float64).reshape(len(frames), -1)


def _squared_distances(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(t, t) between (t, n) points."""
    centred = points - points.mean(axis=0)
    products = centred @ centred.T
    lengths = np.diagonal(products)
    return np.asarray(np.maximum(lengths[:, None] + lengths - 2 * products, 0.0), dtype=np.float64)
