"""Labels as run lengths: what a frame shrinks to on its way between a page, a database and a job."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LARGEST_LABEL = 255


def run_lengths(labels: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Lengths and labels of the runs of an array, read row by row.

    >>> run_lengths(np.array([[0, 0, 2], [2, 0, 0]], dtype=np.uint8))
    (array([2, 2, 2]), array([0, 2, 0], dtype=uint8))
    """
    flat = labels.ravel()
    starts = np.concatenate(([0], np.flatnonzero(np.diff(flat)) + 1))
    return np.diff(np.append(starts, flat.size)), flat[starts]


def encoded_runs(labels: NDArray[np.uint8]) -> tuple[int, ...]:
    """Runs of an array as one list: length, label, length, label, ...

    >>> encoded_runs(np.array([[0, 0, 2], [2, 0, 0]], dtype=np.uint8))
    (2, 0, 2, 2, 2, 0)
    """
    lengths, values = run_lengths(labels)
    return tuple(int(n) for n in np.stack([lengths, values], axis=1).ravel())


def decoded_runs(runs: Sequence[int], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The array that ``encoded_runs`` was given.

    Raises:
        ValueError: the runs do not fill an array of this shape, or hold what is no length and no label.

    >>> decoded_runs([2, 0, 2, 2, 2, 0], (2, 3)).tolist()
    [[0, 0, 2], [2, 0, 0]]
    """
    lengths, values = list(runs[::2]), list(runs[1::2])
    if len(lengths) != len(values) or any(n < 1 for n in lengths):
        raise ValueError("runs must be pairs of a length over 0 and a label")
    if any(not 0 <= value <= LARGEST_LABEL for value in values):
        raise ValueError(f"labels must lie between 0 and {LARGEST_LABEL}")
    if sum(lengths) != int(np.prod(shape)):
        raise ValueError(f"runs cover {sum(lengths)} pixels of {int(np.prod(shape))}")
    return np.repeat(np.array(values, dtype=np.uint8), lengths).reshape(shape)
