"""The ultrasound sector in a frame: where it lies, which way up, and the window a network sees of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.models.resample import Window

_SURELY_SIDEWAYS = 0.1
"""Least difference of the two symmetries that counts; frames of CAMUS differ by 0.29 and more."""

_SURELY_UPSIDE_DOWN = 0.47
"""Centre of the sector's area as a share of its height; upright frames of CAMUS and of two more machines lie
at 0.55 to 0.63, a frame without a black surround at 0.5."""


@dataclass(frozen=True, slots=True)
class PixelBox:
    """A rectangle of the pixel grid, end exclusive.

    Raises:
        ValueError: it holds no pixel.
    """

    top: int
    bottom: int
    left: int
    right: int

    def __post_init__(self) -> None:
        if not (0 <= self.top < self.bottom and 0 <= self.left < self.right):
            raise ValueError(f"an empty box: rows {self.top}-{self.bottom}, columns {self.left}-{self.right}")

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @classmethod
    def whole(cls, shape: tuple[int, int]) -> PixelBox:
        """All of a frame of (rows, columns)."""
        return cls(0, shape[0], 0, shape[1])

    @classmethod
    def around(cls, mask: NDArray[np.bool_]) -> PixelBox:
        """The smallest box that holds every true pixel of a (y, x) mask.

        Raises:
            ValueError: there is none.
        """
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        if rows.size == 0:
            raise ValueError("no pixel is set")
        return cls(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)

    def window(self, shape: tuple[int, int], size: int) -> Window:
        """The box squeezed to ``size`` x ``size`` pixels, whatever its own proportions.

        Networks see every sector as a square: its true proportions are unknown for much of what they learn
        from. Lengths here are shares of the box, not millimetres.
        """
        centre = (self.top + (self.height - 1) / 2, self.left + (self.width - 1) / 2)
        return Window(shape, (1 / self.height, 1 / self.width), centre, (size, size), 1 / size)


def lies_sideways(sector: NDArray[np.bool_]) -> bool | None:
    """Whether the transducer is at the left or right of a frame instead of at its top or bottom.

    A sector is symmetric about its middle beam and about nothing else, so it equals its mirror image across
    one axis far better than across the other.

    Args:
        sector: (y, x) where there is ultrasound.

    Returns:
        None where the two cannot be distinguished, as in a frame without a black surround.
    """
    box = PixelBox.around(sector)
    inside = sector[box.top : box.bottom, box.left : box.right]
    across, along = (_overlap(inside, np.flip(inside, axis)) for axis in (1, 0))
    if abs(across - along) < _SURELY_SIDEWAYS:
        return None
    return across < along


def lies_upside_down(sector: NDArray[np.bool_]) -> bool:
    """Whether the transducer is at the bottom: a sector is widest far from it.

    Args:
        sector: (y, x) where there is ultrasound, the transducer at its top or bottom.
    """
    box = PixelBox.around(sector)
    rows = np.flatnonzero(sector) // sector.shape[1]
    return float(rows.mean() + 0.5 - box.top) / box.height < _SURELY_UPSIDE_DOWN


def _overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(a & b) / np.count_nonzero(a | b))
