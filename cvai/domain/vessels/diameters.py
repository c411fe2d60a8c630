"""Diameters along a vessel from the grey picture, by the width at half of the contrast, to parts of a pixel.

A vessel filled with contrast absorbs as a cylinder does: its profile across is ``2 sqrt(r^2 - x^2)``, blurred
by detector and focal spot. Its full width at half maximum is less than its diameter (sqrt(3)/2 of it without
blur); the relation of both is known, and is inverted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.vessels.centreline import Points, VesselPath

BLUR_PX = 1.0
"""Standard deviation of what detector and focal spot do to an edge: 0.2 mm at the usual 0.2 mm a pixel."""

_STEP_PX = 0.25
_ALONG_PX = 1.0
"""Standard deviation of the mean along the vessel; more makes short severe lesions wider than they are."""
_FLANK = (1.3, 2.0, 5.0)
"""Where the background is read: from 1.3 radii and 2 pixels from the centreline on, over 5 pixels."""
_PEAK_PX = 0.5
"""The peak is the mean up to here on both sides of the highest place, whose noise is the highest too."""
_LEAST_CONTRAST = 3.0
"""Contrast of a vessel in standard deviations of its background."""
_WIDEST = 1.6
"""Ratio of a diameter to that of the mask beyond which the edge is another vessel's."""


@dataclass(frozen=True, slots=True, eq=False)
class DiameterProfile:
    """The diameter of a vessel at every point of its path.

    Args:
        path: the centreline.
        diameter_px: (n,), NaN where no edge can be seen.
        edges: (n, 2, 2) both edges as (y, x) in pixels, NaN as the diameter.

    Raises:
        ValueError: the lengths differ.
    """

    path: VesselPath
    diameter_px: NDArray[np.float64]
    edges: NDArray[np.float64]

    def __post_init__(self) -> None:
        n = len(self.path.points)
        if self.diameter_px.shape != (n,) or self.edges.shape != (n, 2, 2):
            raise ValueError(f"{self.diameter_px.shape} diameters of {n} points")
        self.diameter_px.setflags(write=False)
        self.edges.setflags(write=False)

    @property
    def measured(self) -> NDArray[np.bool_]:
        """(n,) where there is a diameter."""
        return np.isfinite(self.diameter_px)

    @property
    def offsets_px(self) -> NDArray[np.float64]:
        """(n, 2) of both edges from the centreline, across; NaN as the diameter."""
        across = (self.edges - self.path.points[:, None]) * self.path.normals[:, None]
        return np.asarray(across.sum(axis=-1), dtype=np.float64)


def diameter_profile(
    absorption: NDArray[np.floating[Any]], mask: NDArray[np.bool_], path: VesselPath
) -> DiameterProfile:
    """Measure a vessel along its centreline.

    Args:
        absorption: (y, x), larger where more contrast medium absorbs; proportional to its thickness.
        mask: (y, x) where there are vessels: a guide to what is background.
        path: the centreline.
    """
    normals = path.normals
    radius = ndimage.gaussian_filter1d(path.radius_px, 3.0, mode="nearest")
    starts = radius * _FLANK[0] + _FLANK[1]
    half_width = float(starts.max()) + _FLANK[2]
    offsets = np.arange(-half_width, half_width + _STEP_PX / 2, _STEP_PX)
    places = path.points[:, None] + offsets[:, None] * normals[:, None]  # (n, m, 2)
    profiles = _sampled(np.asarray(absorption, dtype=np.float64), places, order=3)
    profiles = ndimage.gaussian_filter1d(profiles, _ALONG_PX, axis=0, mode="nearest")
    is_vessel = _sampled(mask.astype(np.float64), places, order=0) > 0.5
    contrast, noise = _above_background(profiles, is_vessel, offsets, starts)
    left, right, peak = _half_width_places(contrast, offsets, radius)
    diameter = diameter_of_width(right - left)
    seen = (peak > _LEAST_CONTRAST * noise) & (diameter < _WIDEST * 2 * radius + 3) & ~path.at_branch
    diameter = np.where(seen, diameter, np.nan)
    middle = (left + right) / 2
    sides = np.stack([middle - diameter / 2, middle + diameter / 2], axis=1)
    edges = path.points[:, None] + sides[..., None] * normals[:, None]
    return DiameterProfile(path, diameter, edges)


def diameter_of_width(width_px: NDArray[np.float64], blur_px: float = BLUR_PX) -> NDArray[np.float64]:
    """Diameter of a blurred cylinder of this full width at half maximum; NaN stays NaN.

    >>> float(diameter_of_width(np.array([8.6]))[0].round())
    10.0
    """
    diameters, widths = _widths(blur_px)
    return np.asarray(np.interp(width_px, widths, diameters), dtype=np.float64)


@cache
def _widths(blur_px: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Diameters up to 100 pixels, and the full width at half maximum of each, increasing."""
    step = 0.05
    x = np.arange(-75.0, 75.0, step)
    diameters = np.arange(0.25, 100.0, 0.25)
    widths = []
    for diameter in diameters:
        chord = np.sqrt(np.maximum((diameter / 2) ** 2 - x**2, 0.0))
        blurred = ndimage.gaussian_filter1d(chord, blur_px / step)
        half = blurred[np.abs(x) <= _PEAK_PX + step / 2].mean() / 2
        first = int(np.argmax(blurred > half))
        share = (half - blurred[first - 1]) / (blurred[first] - blurred[first - 1])
        widths.append(-2 * (x[first - 1] + share * step))
    return diameters, np.maximum.accumulate(np.array(widths))


def _sampled(image: NDArray[np.float64], places: Points, *, order: Literal[0, 3]) -> NDArray[np.float64]:
    """Values at (n, m) places, by interpolation of an order; beyond the image those of its edge."""
    values = ndimage.map_coordinates(image, np.moveaxis(places, -1, 0), order=order, mode="nearest")
    return np.asarray(values, dtype=np.float64)


def _above_background(
    profiles: NDArray[np.float64],
    is_vessel: NDArray[np.bool_],
    offsets: NDArray[np.float64],
    starts: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, m) contrast above a background that changes linearly across, and (n,) its standard deviation."""
    distance = np.abs(offsets)[None, :]
    in_flank = (distance >= starts[:, None]) & (distance < starts[:, None] + _FLANK[2]) & ~is_vessel
    means, noise = [], []
    for side in (offsets < 0, offsets > 0):
        counted = in_flank & side[None, :]
        n = counted.sum(axis=1)
        mean = np.where(counted, profiles, 0.0).sum(axis=1) / np.maximum(n, 1)
        deviation = np.where(counted, (profiles - mean[:, None]) ** 2, 0.0).sum(axis=1) / np.maximum(n, 1)
        means.append(np.where(n >= 8, mean, np.nan))
        noise.append(np.where(n >= 8, deviation, np.nan))
    left, right = (np.where(np.isnan(own), other, own) for own, other in (means, means[::-1]))
    reach = starts + _FLANK[2] / 2
    share = (offsets[None, :] + reach[:, None]) / (2 * reach[:, None])
    background = left[:, None] + share * (right - left)[:, None]
    variance = np.nanmin(np.where(np.isnan(noise), np.inf, noise), axis=0)
    return profiles - background, np.sqrt(variance)


def _half_width_places(
    contrast: NDArray[np.float64], offsets: NDArray[np.float64], radius: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(n,) offsets left and right at which half of the peak is crossed, NaN where it is not, and the peak."""
    n, m = contrast.shape
    rows = np.arange(n)
    inside = np.where(np.abs(offsets)[None, :] <= radius[:, None] + 1, contrast, -np.inf)
    top = np.argmax(np.where(np.isnan(inside), -np.inf, inside), axis=1)
    n_beside = round(_PEAK_PX / _STEP_PX)
    around = np.clip(top[:, None] + np.arange(-n_beside, n_beside + 1), 0, m - 1)
    peak = contrast[rows[:, None], around].mean(axis=1)
    below = contrast < peak[:, None] / 2
    place = np.arange(m)[None, :]
    before = np.where(below & (place < top[:, None]), place, -1).max(axis=1)
    after = np.where(below & (place > top[:, None]), place, m).min(axis=1)
    left = _crossing(contrast, offsets, before, 1, peak)
    right = _crossing(contrast, offsets, after, -1, peak)
    return left, right, peak


def _crossing(
    contrast: NDArray[np.float64],
    offsets: NDArray[np.float64],
    outer: NDArray[np.intp],
    inwards: int,
    peak: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Offset between the last place below half of the peak and the next one inwards."""
    n, m = contrast.shape
    exists = (outer >= 0) & (outer < m)
    at = np.clip(outer, 1, m - 2)
    low, high = contrast[np.arange(n), at], contrast[np.arange(n), at + inwards]
    share = (peak / 2 - low) / np.where(high > low, high - low, 1.0)
    return np.where(exists & (peak > 0), offsets[at] + inwards * share * _STEP_PX, np.nan)
