"""The left ventricle of the ultrasound phantom: an ellipsoid of three axes, cut off at the mitral plane.

Lengths along the long axis count from the apex of the cavity, where they are 0, to the mitral plane.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ellipeinc

from cvai.phantom.parameters import PhantomHeart

WIDEST_AT = 1 / 1.6
"""Where the cavity is widest, as a share of its length: its mouth is then four fifths as wide."""

ROUNDNESS = 1.12
"""Width in the four-chamber plane over width in the two-chamber plane: no two axes are equal."""

APEX_SHARE = 0.6
"""Thickness of the wall at the apex over that at its sides: the apex is the thinnest part of the wall."""

MYOCARDIUM_G_PER_ML = 1.05

ECHO_MASS = 1.4
"""Wall as ultrasound shows it over wall as MR does: readers of CAMUS take pericardium and trabeculae in."""

Points = NDArray[np.floating[Any]]


def ellipsoid_part_ml(semi_axes_mm: tuple[float, float, float], start_mm: float, end_mm: float) -> float:
    """Volume of an ellipsoid between two planes across its long axis.

    Args:
        semi_axes_mm: two across, one along.
        start_mm: first plane, from the centre.
        end_mm: second plane, from the centre.

    >>> half_a_sphere_ml = ellipsoid_part_ml((30.0, 30.0, 30.0), 0.0, 30.0)
    >>> round(half_a_sphere_ml / (2 / 3 * math.pi * 27.0), 6)
    1.0
    """
    a_mm, b_mm, c_mm = semi_axes_mm
    along_mm = end_mm - start_mm - (end_mm**3 - start_mm**3) / (3 * c_mm**2)
    return math.pi * a_mm * b_mm * along_mm / 1000.0


@dataclass(frozen=True, slots=True)
class EchoVentricle:
    """Cavity and wall in one phase.

    Args:
        length_mm: from the apex of the cavity to the mitral plane.
        half_widths_mm: largest half-width of the cavity in the four-chamber and in the two-chamber plane.
        wall_mm: thickness of the wall at its sides.

    Raises:
        ValueError: a length is not positive.
    """

    length_mm: float
    half_widths_mm: tuple[float, float]
    wall_mm: float

    def __post_init__(self) -> None:
        if not min(self.length_mm, *self.half_widths_mm, self.wall_mm) > 0:
            raise ValueError(f"lengths must be positive: {self}")

    @classmethod
    def of_volume(cls, volume_ml: float, length_mm: float, mass_g: float) -> EchoVentricle:
        """The ventricle with this cavity and this mass of wall."""
        unit_ml = _cavity_ml(length_mm, (ROUNDNESS, 1.0))
        across_mm = math.sqrt(volume_ml / unit_ml)
        half_widths_mm = (ROUNDNESS * across_mm, across_mm)
        return cls(length_mm, half_widths_mm, _wall_mm(length_mm, half_widths_mm, mass_g))

    @property
    def centre_mm(self) -> float:
        """Where the cavity is widest, from its apex."""
        return self.length_mm * WIDEST_AT

    @property
    def volume_ml(self) -> float:
        """Of the cavity, in closed form."""
        return _cavity_ml(self.length_mm, self.half_widths_mm)

    @property
    def mass_g(self) -> float:
        """Of the wall, in closed form."""
        return _wall_ml(self.length_mm, self.half_widths_mm, self.wall_mm) * MYOCARDIUM_G_PER_ML

    def mouth_mm(self, plane: int) -> float:
        """Half the width of the mitral ring; ``plane`` is 0 for four-chamber, 1 for two-chamber."""
        reach = (self.length_mm - self.centre_mm) / self.centre_mm
        return float(self.half_widths_mm[plane] * np.sqrt(1.0 - reach**2))

    def border_mm(self, plane: int, depth: float = 0.0) -> float:
        """Length of a border from one end of the mitral plane over the apex to the other, in closed form.

        Args:
            plane: 0 four-chamber, 1 two-chamber.
            depth: 0 for the endocardium, 0.5 for the mid-wall, 1 for the epicardium.

        >>> sphere = EchoVentricle(length_mm=1.6 * 25.0, half_widths_mm=(25.0, 25.0), wall_mm=1e-9)
        >>> round(sphere.border_mm(0) / (2 * 25.0 * math.acos(-0.6)), 6)
        1.0
        """
        across_mm = self.half_widths_mm[plane] + depth * self.wall_mm
        along_mm = self.centre_mm + depth * APEX_SHARE * self.wall_mm
        from_apex_rad = math.acos(-(self.length_mm - self.centre_mm) / along_mm)
        return 2 * across_mm * float(ellipeinc(from_apex_rad, 1 - (along_mm / across_mm) ** 2))

    def inside_cavity(self, along_mm: Points, across_mm: Points, plane: int, grown_mm: float = 0.0) -> Points:
        """How deep points lie in the cavity, above the mitral plane: 0 at its edge, 1 in its middle.

        Args:
            along_mm: from the apex of the cavity towards the mitral plane.
            across_mm: from the long axis.
            plane: 0 four-chamber, 1 two-chamber.
            grown_mm: by how much the cavity is made larger at its sides, and less at its apex.
        """
        y = (along_mm - self.centre_mm) / (self.centre_mm + APEX_SHARE * grown_mm)
        x = across_mm / (self.half_widths_mm[plane] + grown_mm)
        return np.where(along_mm <= self.length_mm, 1.0 - np.hypot(x, y), -1.0)


def beating_ventricle(heart: PhantomHeart, ejected_share: NDArray[np.float64]) -> tuple[EchoVentricle, ...]:
    """The ventricle in every phase: its base moves towards a resting apex, its wall keeps its mass.

    Args:
        heart: volumes, mass and length.
        ejected_share: (t,) share of the stroke volume that is outside, 0 at end-diastole.
    """
    return tuple(
        EchoVentricle.of_volume(
            heart.edv_ml - share * heart.stroke_volume_ml,
            heart.long_axis_mm - share * heart.mitral_descent_mm,
            ECHO_MASS * heart.lv_mass_g,
        )
        for share in ejected_share.tolist()
    )


def _cavity_ml(length_mm: float, half_widths_mm: tuple[float, float]) -> float:
    centre_mm = length_mm * WIDEST_AT
    return ellipsoid_part_ml((*half_widths_mm, centre_mm), -centre_mm, length_mm - centre_mm)


def _wall_ml(length_mm: float, half_widths_mm: tuple[float, float], wall_mm: float) -> float:
    centre_mm = length_mm * WIDEST_AT
    along_mm = centre_mm + APEX_SHARE * wall_mm
    outer = (half_widths_mm[0] + wall_mm, half_widths_mm[1] + wall_mm, along_mm)
    outer_ml = ellipsoid_part_ml(outer, -along_mm, length_mm - centre_mm)
    return outer_ml - _cavity_ml(length_mm, half_widths_mm)


def _wall_mm(length_mm: float, half_widths_mm: tuple[float, float], mass_g: float) -> float:
    wanted_ml = mass_g / MYOCARDIUM_G_PER_ML
    return float(
        brentq(lambda wall_mm: _wall_ml(length_mm, half_widths_mm, wall_mm) - wanted_ml, 1e-3, 100.0)
    )
