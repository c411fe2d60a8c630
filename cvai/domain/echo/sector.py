"""Where in ultrasound frames the image is, and where there is only writing, scales and black."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import convex_hull_image

_DARKEST = 3
"""Grey levels up to this are black with the ripples of lossy compression."""

_LEAST_CHANGE = 2.0
"""Standard deviation over time, in grey levels, above which a pixel lives; writing stands still."""

_DARKEST_WRITING = 60
"""Grey level above which a pixel that stands still is written over the image."""

_LOOKED_AT = 16
"""About this many frames, spread over the loop, show what moves."""

_OPENED_PX = 2

_SIDES = (0.15, 0.85)
"""Of the height from the top to the widest row: between them the sides are straight."""

_ARC_SHARE = 0.88
"""Of the columns, in the middle: the corners of a sector are rounded."""

_STRAIGHT, _ROUND = 0.03, 0.02
"""Shares of the height by which sides may miss their lines, and the lower edge its arc. The 50 sectors of
CAMUS of which the size is known miss them by 0.002 and 0.005 at most, one that is cut by 0.15."""

_LEAST_SAG = 0.06
"""Share of the height by which the lower edge is curved; a flatter one says nothing."""

_FEWEST_PX = 20


@dataclass(frozen=True, slots=True)
class SectorSides:
    """The straight sides of a sector as lines ``column = slope * row + start``, which open downwards.

    Args:
        left: slope and start.
        right: slope and start.
    """

    left: tuple[float, float]
    right: tuple[float, float]

    @property
    def opening(self) -> float:
        """Columns by which the sector widens in a row."""
        return self.right[0] - self.left[0]

    @property
    def meet_px(self) -> tuple[float, float]:
        """Row and column of the point from which all beams come."""
        row = (self.left[1] - self.right[1]) / self.opening
        return row, self.left[0] * row + self.left[1]

    @property
    def asymmetry(self) -> float:
        """0 where both sides are equally steep, 1 where one is upright.

        >>> SectorSides((-0.7, 0.0), (0.7, 0.0)).asymmetry
        0.0
        """
        return abs(self.left[0] + self.right[0]) / self.opening


def sector_of_loop(frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(y, x) hull of the largest piece of the frames that changes over time, without writing that reaches in.

    Tissue moves and speckles; letters, scales and logos do not, and a moving ECG is a smaller piece.

    Args:
        frames: (t, y, x) brightness, t >= 2.
    """
    some = frames[:: max(1, len(frames) // _LOOKED_AT)].astype(np.float32)
    changing = some.std(axis=0) > _LEAST_CHANGE
    writing = ~changing & (some.mean(axis=0) > _DARKEST_WRITING)
    return _hull_of_largest(changing) & ~ndimage.binary_dilation(writing, iterations=_OPENED_PX)


def sector_of_frame(frame: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(y, x) hull of the largest bright piece of one frame."""
    return _hull_of_largest(frame > _DARKEST)


def _hull_of_largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without thin bridges such as an ECG that runs into the sector; empty where nothing is left."""
    opened = ndimage.binary_opening(
        ndimage.binary_closing(mask, iterations=_OPENED_PX), iterations=_OPENED_PX
    )
    pieces, count = ndimage.label(opened)
    if count == 0:
        return np.zeros(mask.shape, dtype=bool)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return np.asarray(convex_hull_image(pieces == sizes.argmax()), dtype=np.bool_)


def pixel_aspect(sector: NDArray[np.bool_]) -> float | None:
    """Width of a pixel over its height, as a sector shows it.

    All beams are equally long, so the lower edge is an arc around the point where the sides meet:
    ``(y - y0)**2 = r**2 - (aspect * (x - x0))**2`` for rows y and columns x. In the 50 sectors of CAMUS of
    which the size of a pixel is known, the aspect is met within 3 %.

    Args:
        sector: (y, x) where there is ultrasound, the transducer at the top.

    Returns:
        None where the sector does not show it, such as one that was cut off.
    """
    sides = sector_sides(sector)
    if sides is None:
        return None
    rows, columns = (np.flatnonzero(sector.any(axis=axis)) for axis in (1, 0))
    y0, x0 = sides.meet_px
    spared = int((1 - _ARC_SHARE) / 2 * columns.size)
    x = columns[spared : columns.size - spared]
    y = sector.shape[0] - 1 - sector[::-1, x].argmax(axis=0)
    return _aspect_of_arc(x - x0, y - y0, float(rows[-1] - rows[0] + 1))


def sector_sides(sector: NDArray[np.bool_]) -> SectorSides | None:
    """The sides of a sector; None where they are not straight or do not open downwards.

    Args:
        sector: (y, x) where there is ultrasound, the transducer at the top.
    """
    rows = np.flatnonzero(sector.any(axis=1))
    if not rows.size:
        return None
    left, right = sector[rows].argmax(axis=1), sector.shape[1] - 1 - sector[rows, ::-1].argmax(axis=1)
    widest = int((right - left).argmax())
    beside = slice(int(_SIDES[0] * widest), int(_SIDES[1] * widest))
    if beside.stop - beside.start < _FEWEST_PX:
        return None
    lines = [_line(rows[beside], side[beside]) for side in (left, right)]
    missed_px = max(line[2] for line in lines)
    if missed_px > _STRAIGHT * (rows[-1] - rows[0] + 1) or lines[1][0] <= lines[0][0]:
        return None
    return SectorSides(lines[0][:2], lines[1][:2])


def _line(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> tuple[float, float, float]:
    """Slope and start of the line through one side, and by how many columns it is missed at most."""
    slope, start = np.polyfit(rows, columns, 1)
    return float(slope), float(start), float(np.abs(slope * rows + start - columns).max())


def _aspect_of_arc(x: NDArray[np.floating], y: NDArray[np.floating], height: float) -> float | None:
    """Of points (n,) right of and below the centre of the arc."""
    if x.size < _FEWEST_PX or np.ptp(y) < _LEAST_SAG * height:
        return None
    slope, square = np.polyfit(x**2, y**2, 1)
    missed = np.abs(np.sqrt(np.maximum(square + slope * x**2, 0)) - y).max()
    return None if slope >= 0 or missed > _ROUND * height else float(np.sqrt(-slope))
