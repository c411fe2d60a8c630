"""Diameters along a vessel from the grey picture, by the width at half of the contrast, to parts of a pixel.

A vessel filled with contrast absorbs as a cylinder does: its profile across is ``2 sqrt(r^2 - x^2)``, blurred
by detector and focal spot. Its full width at half maximum is less than its diameter (sqrt(3)/2 of it without
blur); the relation of both is known, and is inverted.
"""

from __future__ import annotations

from collections.abc import Sequence
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
_SHOULDERS = (0.25, 0.75)
"""Shares of the peak whose widths tell a blurred profile from a sharp one."""
_BLURS_PX = np.arange(0.25, 6.01, 0.25)
"""Among which that of a frame is looked for."""
_TELLING_PX = (4.0, 16.0)
"""Widths at half maximum of vessels whose profile tells the blur: in wider ones it is at the edges alone."""
_LEAST_TELLING = 50
"""Points of vessels without which a frame's blur is not known."""


@dataclass(frozen=True, slots=True, eq=False)
class DiameterProfile:
    """The diameter of a vessel at every point of its path.

    Args:
        path: the centreline.
        diameter_px: (n,), NaN where no edge can be seen.
        edges: (n, 2, 2) both edges as (y, x) in pixels, NaN as the diameter.
        blur_px: (n,) standard deviation of the blur that the profile across shows, NaN where it shows none.

    Raises:
        ValueError: the lengths differ.
    """

    path: VesselPath
    diameter_px: NDArray[np.float64]
    edges: NDArray[np.float64]
    blur_px: NDArray[np.float64]

    def __post_init__(self) -> None:
        n = len(self.path.points)
        if self.diameter_px.shape != (n,) or self.edges.shape != (n, 2, 2) or self.blur_px.shape != (n,):
            raise ValueError(f"{self.diameter_px.shape} diameters of {n} points")
        for values in (self.diameter_px, self.edges, self.blur_px):
            values.setflags(write=False)

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
    top, peak = _peaks(contrast, offsets, radius)
    left, right = _edges_at(0.5, contrast, offsets, top, peak)
    diameter = diameter_of_width(right - left)
    seen = (peak > _LEAST_CONTRAST * noise) & (diameter < _WIDEST * 2 * radius + 3) & ~path.at_branch
    diameter = np.where(seen, diameter, np.nan)
    middle = (left + right) / 2
    sides = np.stack([middle - diameter / 2, middle + diameter / 2], axis=1)
    edges = path.points[:, None] + sides[..., None] * normals[:, None]
    low, high = (np.subtract(*_edges_at(share, contrast, offsets, top, peak)[::-1]) for share in _SHOULDERS)
    blur = np.where(seen, _blur_of_widths(low, right - left, high), np.nan)
    return DiameterProfile(path, diameter, edges, blur)


def frame_blur_px(profiles: Sequence[DiameterProfile]) -> float | None:
    """Standard deviation of the blur of a frame, None where too few points of its vessels show it.

    It is the first quartile: what lies beside a vessel broadens the foot of its profile and never narrows it.
    """
    shown = np.concatenate([profile.blur_px for profile in profiles]) if profiles else np.zeros(0)
    shown = shown[np.isfinite(shown)]
    return float(np.percentile(shown, 25)) if len(shown) >= _LEAST_TELLING else None


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
    diameters = np.arange(0.25, 100.0, 0.25)
    (widths,) = _cylinder_widths(diameters, blur_px, (0.5,), step_px=0.05)
    return diameters, np.maximum.accumulate(widths)


@cache
def _flatness() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(blur, diameter) full width at half maximum, and the ratio of those at a quarter and three quarters."""
    diameters = np.arange(0.5, 22.0, 0.5)
    shares = (_SHOULDERS[0], 0.5, _SHOULDERS[1])
    widths = np.stack([_cylinder_widths(diameters, blur, shares, step_px=0.1) for blur in _BLURS_PX])
    low, half, high = np.moveaxis(widths, 1, 0)
    return half, low / high


def _cylinder_widths(
    diameters_px: NDArray[np.float64], blur_px: float, shares: tuple[float, ...], step_px: float
) -> NDArray[np.float64]:
    """(share, diameter) full widths of blurred cylinders at shares of their maximum."""
    reach_px = float(diameters_px.max()) / 2 + 4 * blur_px + 1
    x = np.arange(-reach_px, reach_px, step_px)
    widths = np.empty((len(shares), len(diameters_px)))
    for n, diameter in enumerate(diameters_px):
        chord = np.sqrt(np.maximum((diameter / 2) ** 2 - x**2, 0.0))
        blurred = ndimage.gaussian_filter1d(chord, blur_px / step_px)
        peak = blurred[np.abs(x) <= _PEAK_PX + step_px / 2].mean()
        for row, share in enumerate(shares):
            first = int(np.argmax(blurred > share * peak))
            part = (share * peak - blurred[first - 1]) / (blurred[first] - blurred[first - 1])
            widths[row, n] = -2 * (x[first - 1] + part * step_px)
    return widths


def _blur_of_widths(
    low_px: NDArray[np.float64], half_px: NDArray[np.float64], high_px: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n,) blur of cylinders with these widths at a quarter, half and three quarters of the maximum.

    NaN where one is not known, or the vessel too narrow or too wide to tell.
    """
    tells = np.isfinite(low_px) & (high_px > 0) & (half_px >= _TELLING_PX[0]) & (half_px <= _TELLING_PX[1])
    expected = np.stack([np.interp(half_px[tells], *of_blur) for of_blur in zip(*_flatness(), strict=True)])
    blur = np.full(len(half_px), np.nan)
    blur[tells] = _BLURS_PX[np.abs(expected - low_px[tells] / high_px[tells]).argmin(axis=0)]
    return blur


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


def _peaks(
    contrast: NDArray[np.float64], offsets: NDArray[np.float64], radius: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """(n,) where contrast is highest within the vessel, and how high around there."""
    n, m = contrast.shape
    inside = np.where(np.abs(offsets)[None, :] <= radius[:, None] + 1, contrast, -np.inf)
    top = np.argmax(np.where(np.isnan(inside), -np.inf, inside), axis=1)
    n_beside = round(_PEAK_PX / _STEP_PX)
    around = np.clip(top[:, None] + np.arange(-n_beside, n_beside + 1), 0, m - 1)
    return top, contrast[np.arange(n)[:, None], around].mean(axis=1)


def _edges_at(
    share: float,
    contrast: NDArray[np.float64],
    offsets: NDArray[np.float64],
    top: NDArray[np.intp],
    peak: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) offsets left and right at which a share of the peak is crossed, NaN where it is not."""
    m = contrast.shape[1]
    level = share * peak
    below = contrast < level[:, None]
    place = np.arange(m)[None, :]
    before = np.where(below & (place < top[:, None]), place, -1).max(axis=1)
    after = np.where(below & (place > top[:, None]), place, m).min(axis=1)
    left = _crossing(contrast, offsets, before, 1, level)
    right = _crossing(contrast, offsets, after, -1, level)
    return left, right


def _crossing(
    contrast: NDArray[np.float64],
    offsets: NDArray[np.float64],
    outer: NDArray[np.intp],
    inwards: int,
    level: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Offset between the last place below a level and the next one inwards."""
    n, m = contrast.shape
    exists = (outer >= 0) & (outer < m)
    at = np.clip(outer, 1, m - 2)
    low, high = contrast[np.arange(n), at], contrast[np.arange(n), at + inwards]
    share = (level - low) / np.where(high > low, high - low, 1.0)
    return np.where(exists & (level > 0), offsets[at] + inwards * share * _STEP_PX, np.nan)
