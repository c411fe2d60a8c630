"""Vessels of known diameter in a projection: tubes along smooth lines, narrowed where a lesion says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import make_interp_spline
from scipy.spatial import cKDTree

_FINE_PX = 0.25
"""Distance of the points of a centreline."""


@dataclass(frozen=True, slots=True)
class PhantomLesion:
    """A narrowing in the form of one period of a cosine.

    Args:
        at: its middle, as a share of the vessel's length.
        length_mm: from its beginning to its end.
        percent: diameter stenosis in the middle.
    """

    at: float
    length_mm: float
    percent: float


@dataclass(frozen=True, slots=True)
class PhantomVessel:
    """A vessel as a smooth line through points.

    Args:
        segment: its number, 1 to 25, in the order of the SYNTAX segments.
        points: (y, x) in shares of the picture's height and width, three or more, downstream.
        diameter_mm: at its beginning and at its end, if it were healthy.
        lesions: where it is narrowed.
    """

    segment: int
    points: tuple[tuple[float, float], ...]
    diameter_mm: tuple[float, float]
    lesions: tuple[PhantomLesion, ...] = ()

    def line_px(self, shape: tuple[int, int]) -> NDArray[np.float64]:
        """(n, 2) points (y, x) of the centreline, a quarter of a pixel apart."""
        points = np.asarray(self.points) * shape
        chords = np.linalg.norm(np.diff(points, axis=0), axis=1)
        along = np.concatenate([[0.0], np.cumsum(chords)])
        spline = make_interp_spline(along, points, k=min(3, len(points) - 1))
        return np.asarray(spline(np.arange(0.0, along[-1], _FINE_PX)), dtype=np.float64)

    def diameters_mm(self, line_px: NDArray[np.float64], spacing_mm: float) -> NDArray[np.float64]:
        """(n,) diameter at every point of the centreline."""
        steps = np.linalg.norm(np.diff(line_px, axis=0), axis=1)
        along_mm = spacing_mm * np.concatenate([[0.0], np.cumsum(steps)])
        share = along_mm / along_mm[-1]
        diameter = self.diameter_mm[0] + share * (self.diameter_mm[1] - self.diameter_mm[0])
        for lesion in self.lesions:
            phase = (along_mm - lesion.at * along_mm[-1]) / lesion.length_mm
            depth = np.where(np.abs(phase) < 0.5, 0.5 * (1 + np.cos(2 * np.pi * phase)), 0.0)
            diameter = diameter * (1 - lesion.percent / 100 * depth)
        return np.asarray(diameter, dtype=np.float64)


def thickness_mm(
    vessels: Sequence[PhantomVessel],
    shape: tuple[int, int],
    spacing_mm: float,
    blur_px: float = 1.0,
    oversampling: int = 3,
) -> NDArray[np.float64]:
    """(y, x) of contrast medium that a ray passes through, averaged over each pixel and blurred.

    Where vessels of one tree overlap the thicker counts, as where a branch leaves its parent.
    """
    places = (np.indices([oversampling * n for n in shape]).reshape(2, -1).T + 0.5) / oversampling - 0.5
    thickness = np.zeros(len(places))
    for vessel in vessels:
        line = vessel.line_px(shape)
        diameter_px = vessel.diameters_mm(line, spacing_mm) / spacing_mm
        distance, nearest = _nearest(line, places, float(diameter_px.max()) / 2)
        hit = np.isfinite(distance)
        chord = np.sqrt(np.maximum((diameter_px[nearest[hit]] / 2) ** 2 - distance[hit] ** 2, 0.0)) * 2
        thickness[hit] = np.maximum(thickness[hit], chord * spacing_mm)
    fine = thickness.reshape(shape[0], oversampling, shape[1], oversampling)
    return np.asarray(ndimage.gaussian_filter(fine.mean(axis=(1, 3)), blur_px), dtype=np.float64)


def segment_labels(
    vessels: Sequence[PhantomVessel], shape: tuple[int, int], spacing_mm: float
) -> NDArray[np.uint8]:
    """(y, x) number of the segment whose middle is nearest, among those that a pixel lies within."""
    places = np.indices(shape).reshape(2, -1).T.astype(np.float64)
    labels = np.zeros(len(places), dtype=np.uint8)
    closest = np.full(len(places), np.inf)
    for vessel in vessels:
        line = vessel.line_px(shape)
        radius_px = vessel.diameters_mm(line, spacing_mm) / spacing_mm / 2
        distance, nearest = _nearest(line, places, float(radius_px.max()) + 1)
        radius = np.where(np.isfinite(distance), radius_px[np.minimum(nearest, len(line) - 1)], 0.0)
        within = (distance < radius) & (distance < closest)
        labels[within], closest[within] = vessel.segment, distance[within]
    return labels.reshape(shape)


def _nearest(
    line: NDArray[np.float64], places: NDArray[np.float64], within_px: float
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Distance to the nearest point of a line and its index; infinite beyond a distance.

    Only places in the box around the line are looked at: a vessel takes up little of a picture.
    """
    low, high = line.min(axis=0) - within_px, line.max(axis=0) + within_px
    y, x = places.T
    boxed = np.flatnonzero((y > low[0]) & (y < high[0]) & (x > low[1]) & (x < high[1]))
    distance, nearest = np.full(len(places), np.inf), np.full(len(places), len(line), dtype=np.intp)
    distance[boxed], nearest[boxed] = cKDTree(line).query(places[boxed], distance_upper_bound=within_px)
    return distance, nearest
