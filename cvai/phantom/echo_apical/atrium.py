"""The left atrium of the ultrasound phantom: an ellipsoid of three axes, cut off at the mitral plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvai.phantom.echo_apical.ventricle import EchoVentricle, ellipsoid_part_ml

ROOF_MM = 120.0
"""Where the atrium ends, along the long axis from the apex of the ventricle: it does not move."""

_OVERLAP_MM = 2.0
"""How far the ellipsoid reaches into the ventricle before it is cut off."""

_WIDTHS = ((7.0, 0.45), (6.4, 0.42))
"""Half-width in the four-chamber and in the two-chamber plane: so many mm, and this share of the half-length.
No two axes are equal, and in the four-chamber plane the right atrium has room."""

Points = NDArray[np.floating[Any]]


def ellipse_mm(
    along: Points, across: Points, centre: tuple[float, float], half: tuple[float, float]
) -> Points:
    """Roughly how far points lie inside an ellipse, in mm."""
    r = np.hypot((along - centre[0]) / half[0], (across - centre[1]) / half[1])
    return np.asarray((1.0 - r) * min(half))


@dataclass(frozen=True, slots=True)
class EchoAtrium:
    """One phase; lengths along the long axis count from the apex of the ventricle.

    Args:
        mitral_mm: where the mitral plane cuts it off.
        half_widths_mm: in the four-chamber and in the two-chamber plane.
    """

    mitral_mm: float
    half_widths_mm: tuple[float, float]

    @classmethod
    def below(cls, ventricle: EchoVentricle) -> EchoAtrium:
        """The atrium hangs on the mitral ring and is largest when the ventricle is smallest."""
        half_mm = _half_length_mm(ventricle.length_mm)
        four_mm, two_mm = (least_mm + share * half_mm for least_mm, share in _WIDTHS)
        return cls(ventricle.length_mm, (four_mm, two_mm))

    @property
    def half_length_mm(self) -> float:
        """Semi-axis along the long axis."""
        return _half_length_mm(self.mitral_mm)

    @property
    def volume_ml(self) -> float:
        """Beyond the mitral plane, in closed form."""
        half_mm = self.half_length_mm
        return ellipsoid_part_ml((*self.half_widths_mm, half_mm), _OVERLAP_MM - half_mm, half_mm)

    def inside_mm(self, along_mm: Points, across_mm: Points, plane: int) -> Points:
        """Roughly how far points lie in the atrium, in mm.

        Args:
            along_mm: from the apex of the ventricle's cavity.
            across_mm: from the long axis.
            plane: 0 four-chamber, 1 two-chamber.
        """
        centre_mm = self.mitral_mm + self.half_length_mm - _OVERLAP_MM
        half_mm = (self.half_length_mm, self.half_widths_mm[plane])
        inside_mm = ellipse_mm(along_mm, across_mm, (centre_mm, 0.0), half_mm)
        return np.where(along_mm > self.mitral_mm, inside_mm, -99.0)


def _half_length_mm(mitral_mm: float) -> float:
    return 0.5 * (ROOF_MM + _OVERLAP_MM - mitral_mm)
