"""The ultrasound sector in a frame: where it lies, which way up, and the window a network sees of it."""

from __future__ import annotations

from dataclasses import dataclass

from cvai.inference.resample import Window


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

    def window(self, shape: tuple[int, int], size: int) -> Window:
        """The box squeezed to ``size`` x ``size`` pixels, whatever its own proportions.

        Networks see every sector as a square: its true proportions are unknown for much of what they learn
        from. Lengths here are shares of the box, not millimetres.
        """
        centre = (self.top + (self.height - 1) / 2, self.left + (self.width - 1) / 2)
        return Window(shape, (1 / self.height, 1 / self.width), centre, (size, size), 1 / size)
