"""The part of a slice that holds the heart, seen from the long axis of the left ventricle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.phantom.cine_sax.individual import N_ANGLES
from cvai.phantom.cine_sax.paint import Image
from cvai.phantom.cine_sax.stack import SliceStack
from cvai.phantom.seeds import Stream, generator

BREATH_HOLD_MM = 0.7
"""Standard deviation of the heart's place from one breath-hold to the next, along u and v."""


@dataclass(frozen=True, slots=True, eq=False)
class HeartView:
    """Polar coordinates of the pixels around the heart.

    Args:
        window: rows and columns of the slice that hold the heart.
        u_mm: (y, x) from the long axis, inside the window.
        v_mm: (y, x) from the long axis, inside the window.
        radius_mm: (y, x) distance from the long axis.
        angle: (y, x) index of the nearest tabulated angle.
    """

    window: tuple[slice, slice]
    u_mm: Image
    v_mm: Image
    radius_mm: Image
    angle: NDArray[np.intp]

    def inside_mm(self, boundary_mm: NDArray[np.float64]) -> Image:
        """(..., y, x) distance from a boundary along the ray from the long axis, positive inside.

        Args:
            boundary_mm: (..., angle) distance of the boundary from the long axis.
        """
        return np.asarray(boundary_mm.astype(np.float32)[..., self.angle] - self.radius_mm)


def heart_view(stack: SliceStack, index: int, reach_mm: float, seed: int) -> HeartView:
    """View of slice ``index``, wide enough for everything within ``reach_mm`` of the long axis."""
    shift_mm = BREATH_HOLD_MM * generator(seed, Stream.PLACEMENT, index + 1).standard_normal(2)
    u_mm, v_mm = stack.u_mm - shift_mm[0], stack.v_mm - shift_mm[1]
    radius_mm = np.hypot(u_mm, v_mm)
    rows, columns = np.nonzero(radius_mm <= reach_mm)
    window = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    u_mm, v_mm, radius_mm = u_mm[window], v_mm[window], radius_mm[window]
    turn = np.arctan2(v_mm, u_mm) / (2.0 * np.pi)
    angle = np.rint(turn * N_ANGLES).astype(np.intp) % N_ANGLES
    f32 = np.float32
    return HeartView(window, u_mm.astype(f32), v_mm.astype(f32), radius_mm.astype(f32), angle)
