"""The true circumferential strain of a phantom, in closed form.

In every slice the contours of a phantom keep their shape, which is scaled: the length of a contour is its
radius times a number that belongs to the slice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.domain.strain import strain_percent
from cvai.domain.ventricles.circumferential import Layer
from cvai.phantom.cine_sax.individual import N_ANGLES
from cvai.phantom.cine_sax.ventricles import Discs, Ventricles


@dataclass(frozen=True, slots=True, eq=False)
class TrueContours:
    """Contours of the left ventricle at the middle plane of every slice.

    Args:
        lengths_mm: (t, slice) length of the contour of each layer, 0 where the plane lies outside the
        ventricle.
    """

    lengths_mm: dict[Layer, NDArray[np.float64]]

    @property
    def throughout(self) -> tuple[int, ...]:
        """Slices whose middle plane cuts the cavity in every phase."""
        present = (self.lengths_mm[Layer.ENDOCARDIUM] > 0).all(axis=0)
        return tuple(int(z) for z in np.flatnonzero(present))

    def strain_percent(
        self, layer: Layer, end_diastole: int, slices: tuple[int, ...] | None = None
    ) -> NDArray[np.float64]:
        """(t,) strain of the sum of lengths of some slices, by default of ``throughout``."""
        chosen = self.throughout if slices is None else slices
        return strain_percent(self.lengths_mm[layer][:, list(chosen)].sum(axis=1), end_diastole)


def true_contours(ventricles: Ventricles, discs: Discs) -> TrueContours:
    """Contours of a phantom whose slices have these middle planes."""
    profiles, depths_mm = ventricles.profiles, discs.depths_mm
    cavity_mm = ventricles.cavity_mm[:, None] * profiles.cavity(depths_mm, ventricles.mitral_mm)
    wall_mm = ventricles.wall_mm[:, None] * profiles.wall(depths_mm, ventricles.mitral_mm)
    per_radius = _length_per_radius(ventricles, depths_mm)
    return TrueContours(
        {
            Layer.ENDOCARDIUM: cavity_mm * per_radius,
            Layer.MID_WALL: (cavity_mm + wall_mm) / 2 * per_radius * (cavity_mm > 0),
        }
    )


def _length_per_radius(ventricles: Ventricles, depths_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """(slice,) length of an outline whose relative radius is 1: 2 pi for a circle."""
    outline = ventricles.individual.lv_outline(np.clip(depths_mm / ventricles.profiles.apex_mm, 0.0, 1.0))
    orders = np.arange(N_ANGLES // 2 + 1)
    slope = np.fft.irfft(1j * orders * np.fft.rfft(outline, axis=1), N_ANGLES, axis=1)
    return np.asarray(2.0 * np.pi * np.hypot(outline, slope).mean(axis=1))
