"""Axes and keys of curves drawn on a page."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cvai.dicom.write.report.page import GREY, Page, Stroke

TICK_SIZE_PT = 6.5


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis from zero or ``low`` to ``high``, laid along one side of a box."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """Where ``value`` lies, 0 at the low end, 1 at the high end."""
        return (value - self.low) / (self.high - self.low)


def round_ticks(low: float, high: float, wanted: int) -> tuple[float, ...]:
    """About ``wanted`` round numbers from at or below ``low`` to at or above ``high``.

    >>> round_ticks(0.0, 143.0, 4)
    (0.0, 50.0, 100.0, 150.0)
    """
    rough = max(high - low, 1e-9) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step), math.ceil(high / step)
    return tuple(round(step * i, 10) for i in range(first, last + 1))


def draw_key(page: Page, x: float, y: float, name: str, stroke: Stroke, *, width: float = math.inf) -> None:
    """Draw one entry of a legend of at most ``width`` mm: a piece of the line and its name."""
    page.line([(x, y), (x + 6, y)], stroke)
    page.text(x + 7.2, y + 0.85, name, 6.8, colour=GREY, width=width - 7.2)
