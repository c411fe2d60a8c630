"""Labels as run lengths and intensities as 16-bit numbers, the forms in which a page takes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvai.domain.runs import run_lengths

LARGEST_STORED = 65535.0


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


@dataclass(frozen=True, slots=True)
class StoredScale:
    """How intensities are kept as unsigned 16-bit numbers: ``stored * slope + intercept``."""

    slope: float
    intercept: float

    @classmethod
    def of(cls, phases: Iterable[NDArray[np.float32]]) -> StoredScale:
        """Whole intensities that fit are kept as they are.

        >>> StoredScale.of([np.array([[0.0, 1023.0], [7.0, 8.0]], dtype=np.float32)])
        StoredScale(slope=1.0, intercept=0.0)
        """
        lows, highs, are_whole = zip(*map(_range, phases), strict=True)
        low, high = min(lows), max(highs)
        if low >= 0 and high <= LARGEST_STORED and all(are_whole):
            return cls(1.0, 0.0)
        return cls(max(high - low, 1e-6) / LARGEST_STORED, low)

    def stored(self, intensities: NDArray[np.float32]) -> NDArray[np.uint16]:
        """Intensities of any shape, little endian."""
        return np.asarray(np.rint((intensities - self.intercept) / self.slope), dtype="<u2")


def _range(intensities: NDArray[np.float32]) -> tuple[float, float, bool]:
    """Least, most, and whether all are whole numbers."""
    whole = bool(np.all(intensities == np.rint(intensities)))
    return float(intensities.min()), float(intensities.max()), whole
