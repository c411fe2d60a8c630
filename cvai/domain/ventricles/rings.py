"""The left ventricular wall of one slice, measured along rays from the middle of the cavity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.geometry import StackGeometry
from cvai.domain.segmentation import CineSegmentation

N_RAYS = 180
ANGLES_DEG = np.arange(N_RAYS) * (360.0 / N_RAYS)
"""(ray,) Counter-clockwise on the image as it is displayed; 0 is to the right."""

STEP_MM = 0.5
"""Between two samples along a ray."""

SMOOTHEST_HARMONICS = 4
"""Harmonics of the wall's course that are kept to tell which way it runs; higher ones are pixel steps."""

SEPTUM_REACH_MM = 4.0
"""A right ventricle that begins closer than this beyond the wall lies against it."""

SEPTUM_LIMITS_DEG = (40.0, 220.0)
"""Angle along which a right ventricle lies against the left one; outside of these the labels are wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class WallRing:
    """The wall of one slice at one phase.

    Args:
        inner_mm: (ray,) from the middle of the cavity to its border.
        outer_mm: (ray,) from there to the outer side of the wall.
        thickness_mm: (ray,) across the wall, at right angles to its course.
        septum_deg: direction of the middle of the septum, halfway between the two places where the right
            ventricle is inserted; None where the slice does not show them.
    """

    inner_mm: NDArray[np.float64]
    outer_mm: NDArray[np.float64]
    thickness_mm: NDArray[np.float64]
    septum_deg: float | None


SliceRings = tuple[WallRing | None, ...]
"""(z) rings of one phase; None where a slice shows none."""

BeatRings = tuple[SliceRings, ...]
"""(t) those of every phase."""


def beat_rings(segmentation: CineSegmentation) -> BeatRings:
    """The rings of every phase; whoever needs them more than once makes them once and hands them on."""
    return tuple(slice_rings(labels, segmentation.geometry) for labels in segmentation.labels)


def slice_rings(labels: NDArray[np.uint8], geometry: StackGeometry) -> SliceRings:
    """The rings of one phase, whose labels are (z, y, x)."""
    spacing_mm = (geometry.spacing_y_mm, geometry.spacing_x_mm)
    return tuple(wall_ring(frame, spacing_mm) for frame in labels)


def wall_ring(labels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> WallRing | None:
    """The wall of a slice; None where it does not close all around a cavity, as Cerqueira et al. ask.

    Args:
        labels: (y, x) values of ``SAX_LABELS``.
        spacing_mm: between rows, between columns.
    """
    cavity = labels == SAX_LABELS[Structure.LV_CAVITY]
    wall = labels == SAX_LABELS[Structure.LV_MYOCARDIUM]
    if not cavity.any() or not wall.any():
        return None
    rays = _Rays.from_middle(cavity, cavity | wall, spacing_mm)
    sampled = rays.sampled(labels)
    inner_mm, across_mm = (
        sampled[SAX_LABELS[s]].sum(axis=1) * STEP_MM for s in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM)
    )
    if across_mm.min() < min(spacing_mm) / 2:
        return None
    outer_mm = inner_mm + across_mm
    right = sampled[SAX_LABELS[Structure.RV_CAVITY]] > 0.5
    return WallRing(
        inner_mm=inner_mm,
        outer_mm=outer_mm,
        thickness_mm=across_mm * _cosine_of_slant(inner_mm + across_mm / 2),
        septum_deg=_middle_of_septum(rays.begins_within(right, outer_mm, SEPTUM_REACH_MM)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Rays:
    """Sample points along rays: (ray, sample) rows and columns, and (sample,) distances in mm."""

    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    radii_mm: NDArray[np.float64]

    @classmethod
    def from_middle(
        cls, cavity: NDArray[np.bool_], ventricle: NDArray[np.bool_], spacing_mm: tuple[float, float]
    ) -> _Rays:
        """Rays from the cavity's centroid that reach beyond the whole ventricle."""
        row, column = (float(indices.mean()) for indices in np.nonzero(cavity))
        y, x = np.nonzero(ventricle)
        extent_mm = np.hypot((y - row) * spacing_mm[0], (x - column) * spacing_mm[1]).max()
        radii_mm = np.arange(STEP_MM / 2, extent_mm + 2 * SEPTUM_REACH_MM, STEP_MM)
        angles = np.deg2rad(ANGLES_DEG)
        rows = row - np.outer(np.sin(angles), radii_mm) / spacing_mm[0]
        columns = column + np.outer(np.cos(angles), radii_mm) / spacing_mm[1]
        return cls(rows, columns, radii_mm)

    def sampled(self, labels: NDArray[np.uint8]) -> Mapping[int, NDArray[np.float32]]:
        """By label, its (ray, sample) share at every point, between 0 and 1; a border lies at one half.

        Shares are interpolated between the four pixels around a point; there is nothing beyond the image.
        """
        height, width = labels.shape
        padded = np.zeros((height + 3, width + 3), dtype=np.uint8)
        padded[1:-2, 1:-2] = labels
        rows = np.clip(self.rows, -1, height).astype(np.float32) + 1
        columns = np.clip(self.columns, -1, width).astype(np.float32) + 1
        first_row, first_column = rows.astype(np.int32), columns.astype(np.int32)
        down, right = (rows - first_row).astype(np.float32), (columns - first_column).astype(np.float32)
        places = first_row * (width + 3) + first_column
        shares = {label: np.zeros(rows.shape, dtype=np.float32) for label in SAX_LABELS.values()}
        for offset, weight in (
            (0, (1 - down) * (1 - right)),
            (1, (1 - down) * right),
            (width + 3, down * (1 - right)),
            (width + 4, down * right),
        ):
            found = padded.take(places + offset)
            for label in shares:
                shares[label] += weight * (found == label)
        return shares

    def begins_within(
        self, inside: NDArray[np.bool_], from_mm: NDArray[np.float64], reach_mm: float
    ) -> NDArray[np.bool_]:
        """(ray,) whether something lies between ``from_mm`` and ``reach_mm`` beyond it."""
        beyond_mm = self.radii_mm - from_mm[:, np.newaxis]
        return np.asarray((inside & (beyond_mm > 0) & (beyond_mm <= reach_mm)).any(axis=1))


def _cosine_of_slant(radius_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """(ray,) cosine of the angle between a ray and the normal of the closed curve ``radius_mm``.

    A ray meets the wall of an oblong ventricle aslant, and its way through it is longer than the wall is
    thick.
    """
    spectrum = np.fft.rfft(radius_mm)
    spectrum[SMOOTHEST_HARMONICS + 1 :] = 0
    smooth_mm = np.fft.irfft(spectrum, N_RAYS)
    slope_mm = np.fft.irfft(1j * np.arange(spectrum.size) * spectrum, N_RAYS)
    return np.asarray(smooth_mm / np.hypot(smooth_mm, slope_mm))


def _middle_of_septum(touches: NDArray[np.bool_]) -> float | None:
    """Middle, in degrees, of the longest run of rays that meet the right ventricle."""
    gaps = np.flatnonzero(~touches)
    if gaps.size in (0, touches.size):
        return None
    lengths = np.diff(np.append(gaps, gaps[0] + touches.size)) - 1
    longest = int(lengths.argmax())
    span_deg = float(lengths[longest]) * 360.0 / touches.size
    if not SEPTUM_LIMITS_DEG[0] <= span_deg <= SEPTUM_LIMITS_DEG[1]:
        return None
    middle = gaps[longest] + (lengths[longest] + 1) / 2
    return float(middle * 360.0 / touches.size % 360.0)
