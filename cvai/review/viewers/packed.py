"""Labels as run lengths, the form in which a page takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvai.domain.runs import run_lengths


def packed_labels(labels: NDArray[np.uint8]) -> bytes:
    """Run lengths of all frames: n as uint32, n lengths as uint32, n labels as uint8, little endian."""
    lengths, values = run_lengths(labels)
    return np.uint32(len(values)).tobytes() + lengths.astype("<u4").tobytes() + values.tobytes()


def read_packed(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Labels of this shape from a file of run lengths."""
    packed = path.read_bytes()
    n = int(np.frombuffer(packed, "<u4", count=1)[0])
    lengths = np.frombuffer(packed, "<u4", count=n, offset=4)
    values = np.frombuffer(packed, np.uint8, offset=4 + 4 * n)
    return np.repeat(values, lengths).reshape(shape)
