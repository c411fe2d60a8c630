"""Painting with soft edges: the few operations that all parts of the picture share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Image = NDArray[np.float32]


def coverage(inside_mm: NDArray[np.floating[Any]], pixel_mm: float) -> Image:
    """Share of a pixel that lies inside an edge.

    Args:
        inside_mm: distance of the pixel's centre from the edge, positive inside.
        pixel_mm: side of a pixel.

    >>> coverage(np.array([-5.0, 0.0, 0.35, 5.0], dtype=np.float32), pixel_mm=1.4).tolist()
    [0.0, 0.5, 0.75, 1.0]
    """
    return np.asarray(np.clip(inside_mm / np.float32(pixel_mm) + np.float32(0.5), 0.0, 1.0), dtype=np.float32)


def lay_over(canvas: Image, share: Image, signal: Image | float) -> None:
    """Replace ``share`` of what is on ``canvas`` by ``signal``, in place."""
    canvas += share * (np.asarray(signal, dtype=np.float32) - canvas)


def inside_ellipse_mm(
    u_mm: Image,
    v_mm: Image,
    centre_mm: tuple[float, float],
    semi_axes_mm: tuple[float, float],
    turn_rad: float = 0.0,
) -> Image:
    """Approximate distance from an ellipse, positive inside; exact for a circle.

    Args:
        u_mm: (y, x) coordinates.
        v_mm: (y, x) coordinates.
        centre_mm: (u, v).
        semi_axes_mm: along u and v before the turn.
        turn_rad: turn from u towards v.
    """
    du, dv = u_mm - np.float32(centre_mm[0]), v_mm - np.float32(centre_mm[1])
    cos, sin = np.float32(np.cos(turn_rad)), np.float32(np.sin(turn_rad))
    along = (cos * du + sin * dv) / np.float32(semi_axes_mm[0])
    across = (cos * dv - sin * du) / np.float32(semi_axes_mm[1])
    return np.asarray((1.0 - np.hypot(along, across)) * np.float32(np.sqrt(np.prod(semi_axes_mm))))


def smooth_field(
    rng: np.random.Generator, shape: tuple[int, ...], wavelength_px: float | tuple[float, ...]
) -> Image:
    """Random field without fine detail, mean 0 and standard deviation 1."""
    field = gaussian_filter(
        rng.standard_normal(shape, dtype=np.float32), np.asarray(wavelength_px) / 4, mode="wrap"
    )
    field -= field.mean()
    return np.asarray(field / field.std(), dtype=np.float32)
