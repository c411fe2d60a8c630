"""The true circumferential strain of a phantom, from the boundaries that it is drawn by."""

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
    edges = ventricles.boundaries(discs.depths_mm)
    present = (edges.endocardium > 0).all(axis=-1)
    radii_mm = {
        Layer.ENDOCARDIUM: edges.endocardium,
        Layer.MID_WALL: (edges.endocardium + edges.epicardium) / 2,
    }
    return TrueContours({layer: _length_mm(mm) * present for layer, mm in radii_mm.items()})


def _length_mm(radii_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """(t, slice) length of contours whose (t, slice, angle) distance from the long axis is known."""
    orders = np.arange(N_ANGLES // 2 + 1)
    slope_mm = np.fft.irfft(1j * orders * np.fft.rfft(radii_mm, axis=-1), N_ANGLES, axis=-1)
    return np.asarray(2.0 * np.pi * np.hypot(radii_mm, slope_mm).mean(axis=-1))
