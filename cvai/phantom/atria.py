"""What a slice above the base shows: both atria, aortic root, outflow tract, and the fat between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvai.phantom.paint import Image, coverage, inside_ellipse_mm, lay_over
from cvai.phantom.tissue import Contrast
from cvai.phantom.view import HeartView

_FAT_MM = 5.0
_WALL_MM = 1.8


@dataclass(frozen=True, slots=True)
class _Chamber:
    """An ellipse, sized for a left ventricle of ``_REFERENCE_RADIUS_MM``."""

    centre_mm: tuple[float, float]
    semi_axes_mm: tuple[float, float]
    turn_rad: float
    right_heart: bool


_REFERENCE_RADIUS_MM = 35.0
_CHAMBERS = (
    _Chamber((-46.0, 12.0), (24.0, 20.0), 0.5, right_heart=True),  # right atrium
    _Chamber((-24.0, -40.0), (24.0, 12.0), -0.35, right_heart=True),  # right ventricular outflow tract
    _Chamber((17.0, 13.0), (26.0, 17.0), -0.25, right_heart=False),  # left atrium
    _Chamber((-9.0, -13.0), (15.0, 14.0), 0.0, right_heart=False),  # aortic root
)


def lay_atria(
    chest: Image, view: HeartView, contrast: Contrast, lv_radius_mm: float, pixel_mm: float
) -> Image:
    """(y, x) ``chest`` with the structures above the base laid over it.

    Args:
        chest: (y, x) signal inside the view's window.
        view: the heart's place in the slice.
        contrast: signal of every tissue.
        lv_radius_mm: outer radius of the left ventricle at end-diastole, to which the chambers are scaled.
        pixel_mm: side of a pixel.
    """
    scale = lv_radius_mm / _REFERENCE_RADIUS_MM
    inside_mm = [_inside_mm(chamber, view, scale) for chamber in _CHAMBERS]
    canvas = chest.copy()
    lay_over(canvas, coverage(np.max(inside_mm, axis=0) + _FAT_MM, pixel_mm), 0.9 * contrast.fat)
    for chamber, chamber_mm in zip(_CHAMBERS, inside_mm, strict=True):
        lay_over(canvas, coverage(chamber_mm + _WALL_MM, pixel_mm), contrast.muscle)
        blood = contrast.rv_blood if chamber.right_heart else 0.92 * contrast.blood
        lay_over(canvas, coverage(chamber_mm, pixel_mm), blood)
    return canvas


def _inside_mm(chamber: _Chamber, view: HeartView, scale: float) -> Image:
    centre_mm = (scale * chamber.centre_mm[0], scale * chamber.centre_mm[1])
    semi_axes_mm = (scale * chamber.semi_axes_mm[0], scale * chamber.semi_axes_mm[1])
    return inside_ellipse_mm(view.u_mm, view.v_mm, centre_mm, semi_axes_mm, chamber.turn_rad)
