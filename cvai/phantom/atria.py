"""What a slice above the base shows: both atria, aortic root, outflow tract, and the fat between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvai.phantom.paint import Image, coverage, inside_ellipse_mm, lay_over, smooth_field
from cvai.phantom.tissue import Contrast
from cvai.phantom.view import HeartView

_FAT_MM = 4.0
_WALL_MM = 1.8
_BEND_MM, _BEND_WAVELENGTH_MM = 2.0, 40.0


@dataclass(frozen=True, slots=True)
class _Chamber:
    """An ellipse, sized for a left ventricle of ``_REFERENCE_RADIUS_MM``."""

    centre_mm: tuple[float, float]
    semi_axes_mm: tuple[float, float]
    turn_rad: float
    right_heart: bool

    def inside_mm(self, view: HeartView, scale: float) -> Image:
        """(y, x) distance from the chamber's edge, positive inside."""
        centre_mm = (scale * self.centre_mm[0], scale * self.centre_mm[1])
        semi_axes_mm = (scale * self.semi_axes_mm[0], scale * self.semi_axes_mm[1])
        return inside_ellipse_mm(view.u_mm, view.v_mm, centre_mm, semi_axes_mm, self.turn_rad)


_REFERENCE_RADIUS_MM = 35.0
_CHAMBERS = (
    _Chamber((-44.0, 14.0), (29.0, 22.0), 0.6, right_heart=True),  # right atrium
    _Chamber((-26.0, -36.0), (31.0, 15.0), -0.4, right_heart=True),  # right ventricular outflow tract
    _Chamber((14.0, 15.0), (31.0, 20.0), -0.2, right_heart=False),  # left atrium
    _Chamber((-9.0, -12.0), (16.5, 15.5), 0.0, right_heart=False),  # aortic root
)


def atrial_signal(
    rng: np.random.Generator, view: HeartView, contrast: Contrast, lv_radius_mm: float, pixel_mm: float
) -> tuple[Image, Image]:
    """(y, x) signal of what lies above the base, and the share of each pixel that it fills.

    Args:
        rng: bends the outlines.
        view: the heart's place in the slice.
        contrast: signal of every tissue.
        lv_radius_mm: outer radius of the left ventricle at end-diastole, to which the chambers are scaled.
        pixel_mm: side of a pixel.
    """
    scale = lv_radius_mm / _REFERENCE_RADIUS_MM
    bend_mm = _BEND_MM * smooth_field(rng, view.radius_mm.shape, _BEND_WAVELENGTH_MM / pixel_mm)
    inside_mm = [chamber.inside_mm(view, scale) + bend_mm for chamber in _CHAMBERS]
    outer_mm = np.maximum.reduce(inside_mm) + _FAT_MM
    signal = np.full(view.radius_mm.shape, 0.9 * contrast.fat, dtype=np.float32)
    for chamber, chamber_mm in zip(_CHAMBERS, inside_mm, strict=True):
        lay_over(signal, coverage(chamber_mm + _WALL_MM, pixel_mm), contrast.muscle)
        blood = contrast.rv_blood if chamber.right_heart else 0.92 * contrast.blood
        lay_over(signal, coverage(chamber_mm, pixel_mm), blood)
    return signal, coverage(outer_mm, pixel_mm)
