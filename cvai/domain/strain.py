"""Strain of a line of myocardium from its length in every phase, and the lengths of smooth lines.

Contours of labels run along pixels: their steps add a tenth and more to a length, and not the same in every
phase. So a line is made smooth first: only its lowest harmonics are kept, and its length is that of the
smooth curve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dst

_POINTS = 256
"""At which the speed along a smooth curve is evaluated."""


@dataclass(frozen=True, slots=True)
class StrainPeak:
    """The strongest shortening of a heartbeat: its phase, 0-based, and the strain there."""

    phase: int
    strain_percent: float


def strain_percent(lengths_mm: NDArray[np.float64], end_diastole: int) -> NDArray[np.float64]:
    """(t,) change of length as a share of the length at end-diastole, in percent; shortening is negative.

    Args:
        lengths_mm: (t,) length of the same line in every phase.
        end_diastole: index of the phase of reference.

    Raises:
        ValueError: the line has no length at end-diastole.

    >>> strain_percent(np.array([100.0, 80.0, 95.0]), end_diastole=0).tolist()
    [0.0, -20.0, -5.0]
    """
    reference_mm = float(lengths_mm[end_diastole])
    if not reference_mm > 0:
        raise ValueError(f"the length at end-diastole must be positive, got {reference_mm} mm")
    return np.asarray(100.0 * (lengths_mm - reference_mm) / reference_mm)


def strain_peak(strain: NDArray[np.float64]) -> StrainPeak:
    """The phase of the lowest strain.

    Args:
        strain: (t,) in percent.

    >>> strain_peak(np.array([0.0, -20.0, -5.0]))
    StrainPeak(phase=1, strain_percent=-20.0)
    """
    phase = int(np.argmin(strain))
    return StrainPeak(phase, float(strain[phase]))


def closed_length_mm(points_mm: NDArray[np.float64], harmonics: int) -> NDArray[np.float64]:
    """(...) length of smooth closed curves through points.

    Args:
        points_mm: (..., point, 2) once around, evenly in angle or along the curve; the first is not repeated.
        harmonics: of the Fourier descriptors that are kept; 1 makes an ellipse of every curve.

    Raises:
        ValueError: too few points for so many harmonics.

    >>> angles = np.arange(90) * np.pi / 45
    >>> circle_mm = 10.0 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    >>> bool(np.isclose(closed_length_mm(circle_mm, harmonics=3), 20 * np.pi))
    True
    """
    n = points_mm.shape[-2]
    if n < 2 * harmonics + 1:
        raise ValueError(f"{n} points do not determine {harmonics} harmonics")
    spectrum = np.fft.fft(points_mm[..., 0] + 1j * points_mm[..., 1], axis=-1) / n
    orders = np.concatenate([np.arange(1, harmonics + 1), np.arange(-harmonics, 0)])
    angles = np.arange(_POINTS) * (2.0 * np.pi / _POINTS)
    velocity = (1j * orders * spectrum[..., orders]) @ np.exp(1j * np.outer(orders, angles))
    return np.asarray(2.0 * np.pi * np.abs(velocity).mean(axis=-1))


def open_length_mm(points_mm: NDArray[np.float64], waves: int) -> float:
    """Length of a smooth curve from the first point to the last.

    The curve is the straight line between both ends, and half-waves on it; both ends stay where they are.

    Args:
        points_mm: (point, 2) in order; they need not be evenly spread.
        waves: number of half-waves that are kept.

    Raises:
        ValueError: fewer than two points, or all of them in one place.

    >>> round(open_length_mm(np.array([[0.0, 0.0], [1.0, 0.0], [4.0, 0.0], [9.0, 0.0]]), waves=5), 6)
    9.0
    """
    even_mm = evenly_spread(points_mm, _POINTS + 1)
    share = np.linspace(0.0, 1.0, _POINTS + 1)
    chord_mm = even_mm[-1] - even_mm[0]
    beside_mm = even_mm - even_mm[0] - share[:, np.newaxis] * chord_mm
    amplitudes = dst(beside_mm[1:-1], type=1, axis=0)[:waves] / _POINTS
    orders = np.arange(1, waves + 1) * np.pi
    middles = (share[1:] + share[:-1]) / 2
    velocity = chord_mm + np.cos(np.outer(middles, orders)) @ (orders[:, np.newaxis] * amplitudes)
    return float(np.linalg.norm(velocity, axis=1).mean())


def evenly_spread(points_mm: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """(n, 2) points at even distances along a polyline."""
    steps_mm = np.linalg.norm(np.diff(points_mm, axis=0), axis=1)
    if not steps_mm.sum() > 0:
        raise ValueError(f"{len(points_mm)} points make no line")
    way_mm = np.concatenate([[0.0], np.cumsum(steps_mm)])
    wanted_mm = np.linspace(0.0, way_mm[-1], n)
    return np.stack([np.interp(wanted_mm, way_mm, points_mm[:, axis]) for axis in (0, 1)], axis=1)
