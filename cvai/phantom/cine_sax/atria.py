"""What a slice above the base shows: both atria, the root of the aorta, the pulmonary trunk, fat around them.

Laid out as in the 29 slices of the ACDC patients that lose the left ventricle in systole: left atrium and
aortic root open into each other, the right atrium lies below and the pulmonary trunk in front of them, walls
are thin, and everything is packed into one coat of fat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvai.phantom.cine_sax.paint import Image, coverage, inside_ellipse_mm, lay_over, smooth_field
from cvai.phantom.cine_sax.tissue import Contrast
from cvai.phantom.cine_sax.view import HeartView

_FAT_MM = 5.0
_WALL_MM = 0.9
_BEND_MM, _BEND_WAVELENGTH_MM = 2.5, 40.0
_FLOW, _FLOW_WAVELENGTH_MM = 0.10, 14.0


@dataclass(frozen=True, slots=True)
class _Chamber:
    """An ellipse, sized for a left ventricle of ``_REFERENCE_RADIUS_MM``."""

    centre_mm: tuple[float, float]
    semi_axes_mm: tuple[float, float]
    turn_rad: float = 0.0

    def inside_mm(self, view: HeartView, scale: float) -> Image:
        """(y, x) distance from the chamber's edge, positive inside."""
        centre_mm = (scale * self.centre_mm[0], scale * self.centre_mm[1])
        semi_axes_mm = (scale * self.semi_axes_mm[0], scale * self.semi_axes_mm[1])
        return inside_ellipse_mm(view.u_mm, view.v_mm, centre_mm, semi_axes_mm, self.turn_rad)


_REFERENCE_RADIUS_MM = 35.0
_RIGHT_ATRIUM = _Chamber((-36.0, 25.0), (33.0, 20.0), 0.35)
_PULMONARY_TRUNK = _Chamber((-20.0, -35.0), (15.0, 13.0), -0.4)
_LEFT_ATRIUM = _Chamber((14.0, 5.0), (25.0, 21.0), 0.5)
_AORTIC_ROOT = _Chamber((-17.0, -9.0), (18.0, 14.0), 0.1)


def atrial_signal(
    rng: np.random.Generator, view: HeartView, contrast: Contrast, lv_radius_mm: float, pixel_mm: float
) -> tuple[Image, Image]:
    """(y, x) signal of what lies above the base, and the share of each pixel that it fills.

    Args:
        rng: bends the outlines and stirs the blood.
        view: the heart's place in the slice.
        contrast: signal of every tissue.
        lv_radius_mm: outer radius of the left ventricle at end-diastole, to which the chambers are scaled.
        pixel_mm: side of a pixel.
    """
    scale, shape = lv_radius_mm / _REFERENCE_RADIUS_MM, view.radius_mm.shape
    bend_mm = _BEND_MM * smooth_field(rng, shape, _BEND_WAVELENGTH_MM / pixel_mm)
    flow = 1.0 + _FLOW * smooth_field(rng, shape, _FLOW_WAVELENGTH_MM / pixel_mm)
    right_mm, trunk_mm, left_mm, root_mm = (
        chamber.inside_mm(view, scale) + bend_mm
        for chamber in (_RIGHT_ATRIUM, _PULMONARY_TRUNK, _LEFT_ATRIUM, _AORTIC_ROOT)
    )
    outer_mm = np.maximum.reduce([right_mm, trunk_mm, left_mm, root_mm]) + _FAT_MM
    signal = np.full(shape, 0.9 * contrast.fat, dtype=np.float32)
    for inside_mm, blood in (
        (right_mm, contrast.rv_blood),
        (trunk_mm, contrast.rv_blood),
        (np.maximum(left_mm, root_mm), 0.92 * contrast.blood),
    ):
        lay_over(signal, coverage(inside_mm + _WALL_MM, pixel_mm), contrast.muscle)
        lay_over(signal, coverage(inside_mm, pixel_mm), blood * flow)
    return signal, coverage(outer_mm, pixel_mm)
