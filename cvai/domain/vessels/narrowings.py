"""Narrowings of a vessel from its diameters: percent diameter stenosis against what it would be if healthy.

The reference diameter is interpolated over the lesion from the healthy stretches on both of its sides, as
quantitative coronary angiography does (Reiber et al., Circulation 1985;71:280-288). A vessel that is narrow
up to its end has no healthy stretch beyond it, and gives no lesion.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.vessels.diameters import DiameterProfile

LEAST_PERCENT = 25.0
"""Lesser narrowings are within the variation of healthy vessels."""

_HEALTHY = 0.9
"""Share of the reference diameter from which on a vessel counts as healthy."""
_NEIGHBOURHOOD_PX = 40
"""Length of the healthy stretch on each side that the reference is taken from; 8 mm at 0.2 mm a pixel."""
_LEAST_HEALTHY_PX = 8
"""Points of a healthy stretch without which there is no reference."""
_WINDOW_PX = 121
"""Within it the upper quartile of the diameters is a first estimate of the healthy one."""
_ROUNDS = 3
_PARABOLA_PX = 11


class Grade(StrEnum):
    """How severe a narrowing is, by percent diameter stenosis."""

    MILD = "mild"
    MODERATE = "moderate"
    SEVERE = "severe"
    OCCLUDED = "occluded"


def grade_of(percent: float) -> Grade:
    """Grade of a percent diameter stenosis (limits of the SCCT).

    >>> [grade_of(p).value for p in (49.9, 50.0, 70.0, 99.5)]
    ['mild', 'moderate', 'severe', 'occluded']
    """
    if percent < 50.0:
        return Grade.MILD
    if percent < 70.0:
        return Grade.MODERATE
    return Grade.SEVERE if percent < 99.5 else Grade.OCCLUDED


@dataclass(frozen=True, slots=True)
class Narrowing:
    """A narrowed stretch of a vessel.

    Args:
        first: index of the first point of the path that is not healthy.
        narrowest: of the point with the least diameter.
        last: of the last one that is not healthy.
        minimal_px: diameter there.
        reference_px: diameter there if the vessel were healthy.
        is_one_sided: whether the reference rests on the vessel before or behind it alone.

    Raises:
        ValueError: the indices are not in order, or the reference is not positive.
    """

    first: int
    narrowest: int
    last: int
    minimal_px: float
    reference_px: float
    is_one_sided: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.narrowest <= self.last or not self.reference_px > 0:
            raise ValueError(f"narrowing {self.first}, {self.narrowest}, {self.last}: {self.reference_px} px")

    @property
    def percent(self) -> float:
        """Percent diameter stenosis.

        >>> Narrowing(10, 15, 20, minimal_px=6.0, reference_px=15.0).percent
        60.0
        """
        return max(0.0, 100.0 * (1.0 - self.minimal_px / self.reference_px))

    @property
    def length_px(self) -> float:
        """From the first to the last point that is not healthy."""
        return float(self.last - self.first)

    @property
    def grade(self) -> Grade:
        """By the percent."""
        return grade_of(self.percent)


@dataclass(frozen=True, slots=True)
class Caliper:
    """Both edges of the lumen at a point of a vessel, as a reader draws them.

    Args:
        at: index of the point of the path.
        left_px: of one edge, from the centreline across.
        right_px: of the other, not below the first.

    Raises:
        ValueError: the edges are not in order, or the point is before the path.
    """

    at: int
    left_px: float
    right_px: float

    def __post_init__(self) -> None:
        if self.at < 0 or not self.left_px <= self.right_px:
            raise ValueError(f"edges {self.left_px} and {self.right_px} at {self.at}")

    @property
    def diameter_px(self) -> float:
        """From edge to edge."""
        return self.right_px - self.left_px


@dataclass(frozen=True, slots=True)
class DrawnLesion:
    """A narrowed stretch as a reader draws it.

    Args:
        first: index of its first point.
        last: of its last point.
        minimum: where it is narrowest; None to measure that.
        reference: of the healthy vessel, anywhere on the path; None to interpolate it.

    Raises:
        ValueError: the points are not in order, or the reference has no width.
    """

    first: int
    last: int
    minimum: Caliper | None = None
    reference: Caliper | None = None

    def __post_init__(self) -> None:
        narrowest = self.first if self.minimum is None else self.minimum.at
        if not 0 <= self.first <= narrowest <= self.last:
            raise ValueError(f"a lesion from {self.first} to {self.last}, narrowest at {narrowest}")
        if self.reference is not None and not self.reference.diameter_px > 0:
            raise ValueError("a reference without a width")


def reference_diameter_px(
    profile: DiameterProfile, lesion: tuple[int, int] | None = None
) -> NDArray[np.float64]:
    """(n,) what the vessel would measure if it were healthy; NaN where that is not known.

    Healthy points are found in rounds: they are those close to the reference, which is smoothed from them.

    Args:
        profile: of the vessel.
        lesion: first and last point of a stretch of which no point counts as healthy.
    """
    diameter = _steadied(profile.diameter_px)
    known = np.isfinite(diameter)
    if lesion is not None:
        known[lesion[0] : lesion[1] + 1] = False
    if np.count_nonzero(known) < 2 * _LEAST_HEALTHY_PX:
        return np.full(len(diameter), np.nan)
    at = np.arange(len(diameter))
    filled = np.interp(at, at[known], diameter[known])
    reference = ndimage.percentile_filter(filled, 75, size=min(_WINDOW_PX, len(filled)), mode="nearest")
    for _ in range(_ROUNDS):
        healthy = known & (diameter >= _HEALTHY * reference) & (diameter <= 1.3 * reference)
        if np.count_nonzero(healthy) < 2 * _LEAST_HEALTHY_PX:
            return np.full(len(diameter), np.nan)
        reference = _lines_through(at, diameter, healthy)
    return reference


def narrowings_of(profile: DiameterProfile, least_percent: float = LEAST_PERCENT) -> tuple[Narrowing, ...]:
    """Every narrowing with a healthy stretch on both sides, in the order of the path."""
    diameter, reference = _steadied(profile.diameter_px), reference_diameter_px(profile)
    smooth = _parabolic(diameter)
    known = np.isfinite(diameter) & np.isfinite(reference)
    narrow = known & (diameter < _HEALTHY * reference)
    joined = ndimage.binary_closing(narrow, iterations=3) & (known | ~np.isfinite(diameter))
    found = []
    for (stretch,) in ndimage.find_objects(ndimage.label(joined)[0]):
        first, last = stretch.start, stretch.stop - 1
        if _healthy_sides(known & ~narrow, first, last) < 2:
            continue
        at = first + int(np.nanargmin(np.where(narrow[first : last + 1], smooth[first : last + 1], np.nan)))
        narrowing = Narrowing(first, at, last, max(0.0, float(smooth[at])), float(reference[at]))
        if narrowing.percent >= least_percent:
            found.append(narrowing)
    return tuple(found)


def drawn_narrowing(profile: DiameterProfile, drawn: DrawnLesion) -> Narrowing | None:
    """The narrowing that a reader draws: what they leave open is measured as of those that are found.

    The reference may rest on one side of it, such as at an ostium.

    Returns:
        None where it is not on the path, no edge is seen within it, or neither side is healthy.
    """
    first, last = drawn.first, drawn.last
    if last >= len(profile.diameter_px) or (
        drawn.reference and drawn.reference.at >= len(profile.diameter_px)
    ):
        return None
    diameter, reference = _steadied(profile.diameter_px), reference_diameter_px(profile, (first, last))
    within = _parabolic(diameter)[first : last + 1]
    if drawn.minimum is not None:
        narrowest, minimal_px = drawn.minimum.at, drawn.minimum.diameter_px
    elif np.isfinite(within).any():
        narrowest = first + int(np.nanargmin(within))
        minimal_px = max(0.0, float(within[narrowest - first]))
    else:
        return None
    if drawn.reference is not None:
        return Narrowing(first, narrowest, last, minimal_px, drawn.reference.diameter_px)
    sides = _healthy_sides(diameter >= _HEALTHY * reference, first, last)
    if sides == 0 or not reference[narrowest] > 0:
        return None
    return Narrowing(first, narrowest, last, minimal_px, float(reference[narrowest]), is_one_sided=sides < 2)


def _healthy_sides(healthy: NDArray[np.bool_], first: int, last: int) -> int:
    """On how many sides of a stretch there are enough healthy points, 0 to 2."""
    before = np.count_nonzero(healthy[max(0, first - _NEIGHBOURHOOD_PX) : first])
    behind = np.count_nonzero(healthy[last + 1 : last + 1 + _NEIGHBOURHOOD_PX])
    return int(before >= _LEAST_HEALTHY_PX) + int(behind >= _LEAST_HEALTHY_PX)


def _steadied(diameter: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of three neighbours, of those that are known; a single wrong edge makes no lesion."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(diameter, 1, constant_values=np.nan), 3)
    steady = np.full(len(diameter), np.nan)
    enough = np.isfinite(windows).sum(axis=1) >= 2
    steady[enough] = np.nanmedian(windows[enough], axis=1)
    return np.where(np.isfinite(diameter), steady, np.nan)


def _parabolic(diameter: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smoothed by parabolas over 11 points (Savitzky and Golay), which keep the depth of a minimum.

    The least of noisy diameters is below the true minimum.
    """
    known = np.isfinite(diameter)
    if np.count_nonzero(known) < _PARABOLA_PX:
        return diameter
    at = np.arange(len(diameter))
    filled = np.interp(at, at[known], diameter[known])
    from scipy.signal import savgol_filter  # brings scipy.stats along: a quarter of a service's start

    return np.asarray(np.where(known, savgol_filter(filled, _PARABOLA_PX, 2), np.nan))


def _lines_through(
    at: NDArray[np.intp], diameter: NDArray[np.float64], healthy: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(n,) a straight line at every point, through the healthy ones nearby by weight.

    Weights fall with the distance as a Gaussian's, whose width grows until enough healthy points are within
    it: within a lesion the line rests on both of its sides.
    """
    x, y = at[healthy].astype(np.float64), diameter[healthy]
    enough = min(len(x) - 1, _NEIGHBOURHOOD_PX)
    order = np.partition(np.abs(at[:, None] - x[None, :]), enough, axis=1)
    width = np.maximum(_NEIGHBOURHOOD_PX / 2, order[:, enough])
    distance = x[None, :] - at[:, None]
    weight = np.exp(-0.5 * (distance / width[:, None]) ** 2)
    weight /= weight.sum(axis=1, keepdims=True)
    mean_x, mean_y = (weight * distance).sum(axis=1), weight @ y
    spread = (weight * (distance - mean_x[:, None]) ** 2).sum(axis=1)
    joint = (weight * (distance - mean_x[:, None]) * (y[None, :] - mean_y[:, None])).sum(axis=1)
    slope = joint / np.maximum(spread, 1.0)
    # Beyond the healthy points a line is not continued: a vessel may end, and does not grow there.
    mean_x = np.where((at >= x.min()) & (at <= x.max()), mean_x, 0.0)
    return np.asarray(mean_y - slope * mean_x, dtype=np.float64)
