"""How wide each structure is at each depth, relative to its widest place: both ventricles in closed form.

Depth runs along the long axis of the left ventricle, from the mitral ring at end-diastole (0) to the apex.
The cavity is a truncated prolate ellipsoid whose equator lies a little below the base, the wall is the space
to a second ellipsoid with the same equator, the right ventricle tapers along the septum. The apex stays where
it is; the rings of the valves move towards it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EQUATOR_SHARE = 0.15
"""Depth of the widest cross-section as a share of the cavity's length; with it the ellipsoid follows the mean
radii of the healthy ACDC patients (26.2 26.3 26.3 24.7 21.0 15.8 mm from base to apex) within 0.6 mm."""

RV_LENGTH_SHARE = 0.92
"""The right ventricle ends before the left one: by a slice or more in half of the ACDC patients."""

RV_TAPER_POWER = 1.4
"""Makes the areas of the RV cavity follow those of the healthy ACDC patients (3394 3355 2757 1894 1105 561
269 mm2 at seven even depths from base to apex)."""


def truncated_ellipsoid_ml(radius_mm: Array, below_mm: Array, above_mm: Array) -> Array:
    """Volume of an ellipsoid of revolution, cut off on the basal side of its equator.

    Args:
        radius_mm: radius at the equator.
        below_mm: semi-axis from the equator to the apex.
        above_mm: distance from the equator to the cut.

    >>> sphere = truncated_ellipsoid_ml(np.array(10.0), np.array(10.0), np.array(10.0))
    >>> bool(np.isclose(sphere, 4 / 3 * np.pi))
    True
    """
    length_mm = 2.0 / 3.0 * below_mm + above_mm - above_mm**3 / (3.0 * below_mm**2)
    return np.asarray(np.pi * radius_mm**2 * length_mm / 1000.0)


@dataclass(frozen=True, slots=True)
class Profiles:
    """Relative widths of both ventricles.

    Args:
        apex_mm: depth of the apex of the LV cavity.
        apical_wall_mm: thickness of the LV wall at the apex.
    """

    apex_mm: float
    apical_wall_mm: float

    def cavity(self, depths_mm: Array, mitral_mm: Array) -> Array:
        """(t, plane) radius of the LV cavity relative to its equator, 0 where it is absent.

        Args:
            depths_mm: (plane,) depths.
            mitral_mm: (t,) depth of the mitral ring.
        """
        return self._ellipse(depths_mm, mitral_mm, beyond_apex_mm=0.0)

    def wall(self, depths_mm: Array, mitral_mm: Array) -> Array:
        """(t, plane) outer radius of the LV wall relative to its equator, 0 where it is absent."""
        return self._ellipse(depths_mm, mitral_mm, beyond_apex_mm=self.apical_wall_mm)

    def rv(self, depths_mm: Array, tricuspid_mm: Array) -> Array:
        """(t, plane) extent of the RV cavity from the septum relative to its base, 0 where it is absent."""
        start_mm = tricuspid_mm[:, None]
        share = (depths_mm[None, :] - start_mm) / (RV_LENGTH_SHARE * self.apex_mm - start_mm)
        taper = 1.0 - np.clip(share, 0.0, 1.0) ** RV_TAPER_POWER
        return np.asarray(np.where(share >= 0, taper, 0.0))

    def cavity_ml(self, radius_mm: Array, mitral_mm: Array) -> Array:
        """(t,) continuous volume of the LV cavity."""
        above_mm, below_mm = self._semi_axes_mm(mitral_mm)
        return truncated_ellipsoid_ml(radius_mm, below_mm, above_mm)

    def wall_ml(self, radius_mm: Array, mitral_mm: Array) -> Array:
        """(t,) continuous volume inside the outer side of the LV wall, cavity included."""
        above_mm, below_mm = self._semi_axes_mm(mitral_mm)
        return truncated_ellipsoid_ml(radius_mm, below_mm + self.apical_wall_mm, above_mm)

    def _semi_axes_mm(self, mitral_mm: Array) -> tuple[Array, Array]:
        length_mm = self.apex_mm - mitral_mm
        return EQUATOR_SHARE * length_mm, (1.0 - EQUATOR_SHARE) * length_mm

    def _ellipse(self, depths_mm: Array, mitral_mm: Array, beyond_apex_mm: float) -> Array:
        above_mm, below_mm = self._semi_axes_mm(mitral_mm)
        from_equator_mm = depths_mm[None, :] - (mitral_mm + above_mm)[:, None]
        share = from_equator_mm / (below_mm + beyond_apex_mm)[:, None]
        present = depths_mm[None, :] >= mitral_mm[:, None]
        return np.asarray(np.sqrt(np.clip(1.0 - share**2, 0.0, None)) * present)
