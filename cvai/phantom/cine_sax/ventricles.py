"""Two beating ventricles that hold the volumes they were asked to hold.

The requested volumes are what a perfect reader finds who outlines every slice at its middle plane and sums
area times slice spacing. For a given position of the stack that sum is proportional to the square of a
radius, so the radius follows from the volume directly, nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from cvai.domain.volumes import MYOCARDIAL_DENSITY_G_PER_ML
from cvai.phantom.cine_sax.individual import N_ANGLES, Individual
from cvai.phantom.cine_sax.profiles import Profiles
from cvai.phantom.cine_sax.regional import RegionalMotion
from cvai.phantom.parameters import PhantomHeart

Array = NDArray[np.float64]

Profile = Callable[[Array, Array], Array]
"""(t, plane) relative width of a structure, from (plane,) depths and the (t,) depth of the mitral ring."""

APICAL_WALL_SHARE = 0.7
"""Thickness of the wall at the apex relative to that at the base, end-diastole: 5.7 to 8.5 mm in healthy ACDC
patients."""

ABSENT_MM = -1e3
"""Radius of a structure where it is absent: no point lies inside."""


@dataclass(frozen=True, slots=True)
class Discs:
    """Middle planes of the slices: what a reader sums over.

    Args:
        depths_mm: (slice,) depth of the middle of every slice.
        spacing_mm: distance between neighbouring slices.
    """

    depths_mm: Array
    spacing_mm: float

    def between_middles_mm(self, depth_mm: float) -> float:
        """The depth halfway between two slice middles that is nearest to ``depth_mm``."""
        steps = round((depth_mm - self.depths_mm[0]) / self.spacing_mm - 0.5)
        return float(self.depths_mm[0] + (steps + 0.5) * self.spacing_mm)

    def volume_ml(self, areas_mm2: Array) -> Array:
        """(t,) volume of a structure whose cross-sections are (t, slice)."""
        return np.asarray(areas_mm2.sum(axis=1) * self.spacing_mm / 1000.0)


@dataclass(frozen=True, slots=True, eq=False)
class Boundaries:
    """Distance of every boundary from the long axis, in mm; ``ABSENT_MM`` where the structure is absent.

    Args:
        endocardium: (t, plane, angle) LV cavity.
        epicardium: (t, plane, angle) LV wall, outer side.
        rv_free_wall: (t, plane, angle) RV cavity, outer side; its inner side is the epicardium of the septum.
    """

    endocardium: Array
    epicardium: Array
    rv_free_wall: Array


@dataclass(frozen=True, slots=True, eq=False)
class Ventricles:
    """Both ventricles of one phantom in all phases.

    Args:
        individual: the shape.
        profiles: relative widths along the long axis.
        mitral_mm: (t,) depth of the mitral ring.
        tricuspid_mm: (t,) depth of the tricuspid ring.
        cavity_mm: (t,) radius of the LV cavity at its equator.
        wall_mm: (t,) outer radius of the LV wall at its equator.
        rv_reach_mm: (t,) extent of the RV cavity from the septum at its base.
        regional: motion of single segments; the requested volumes hold where none is given.
    """

    individual: Individual
    profiles: Profiles
    mitral_mm: Array
    tricuspid_mm: Array
    cavity_mm: Array
    wall_mm: Array
    rv_reach_mm: Array
    regional: RegionalMotion | None = None

    def boundaries(self, depths_mm: Array) -> Boundaries:
        """Where the boundaries lie in the planes at ``depths_mm``, (plane,)."""
        cavity_mm = self.cavity_mm[:, None] * self.profiles.cavity(depths_mm, self.mitral_mm)
        wall_mm = self.wall_mm[:, None] * self.profiles.wall(depths_mm, self.mitral_mm)
        reach_mm = self.rv_reach_mm[:, None] * self.profiles.rv(depths_mm, self.tricuspid_mm)
        endocardium = self._moved(depths_mm, cavity_mm, self.cavity_mm, self.profiles.cavity)
        epicardium = self._moved(depths_mm, wall_mm, self.wall_mm, self.profiles.wall)
        free_wall = epicardium + reach_mm[..., None] * self.individual.rv_outline()
        return Boundaries(
            endocardium=_where_present(cavity_mm, endocardium),
            epicardium=_where_present(wall_mm, epicardium),
            rv_free_wall=_where_present(np.minimum(reach_mm, wall_mm), free_wall),
        )

    def _moved(self, depths_mm: Array, width_mm: Array, equator_mm: Array, profile: Profile) -> Array:
        """(t, plane, angle) a boundary of the left ventricle; (t, plane) ``width_mm`` is that of a circle.

        With ``regional``, the same piece of wall is looked up at end-diastole: as far along the ventricle.
        """
        usual_mm = width_mm[..., None] * self._outline(depths_mm)
        if self.regional is None:
            return usual_mm
        apex_mm, mitral_mm = self.profiles.apex_mm, self.mitral_mm[:, None]
        along = (depths_mm[None, :] - mitral_mm) / (apex_mm - mitral_mm)
        ed_depths_mm = (along * apex_mm).ravel()
        ed_width_mm = equator_mm[:1, None] * profile(ed_depths_mm, self.mitral_mm[:1])
        ed_mm = (ed_width_mm[0][:, None] * self._outline(ed_depths_mm)).reshape(usual_mm.shape)
        return self.regional.moved(usual_mm, ed_mm, along, self.individual)

    def _outline(self, depths_mm: Array) -> Array:
        """(plane, angle) of the left ventricle relative to a circle."""
        return self.individual.lv_outline(np.clip(depths_mm / self.profiles.apex_mm, 0.0, 1.0))

    def lv_ml(self) -> Array:
        """(t,) continuous volume of the LV cavity, in closed form where all of it moves alike."""
        if self.regional is not None:
            return self._summed_ml(lambda edges: np.clip(edges.endocardium, 0.0, None) ** 2)
        return self.profiles.cavity_ml(self.cavity_mm, self.mitral_mm)

    def rv_ml(self) -> Array:
        """(t,) volume of the RV cavity, summed over planes."""
        return self._summed_ml(
            lambda edges: np.where(edges.rv_free_wall > 0, edges.rv_free_wall**2 - edges.epicardium**2, 0.0)
        )

    def _summed_ml(self, twice_area: Callable[[Boundaries], Array], step_mm: float = 0.5) -> Array:
        """(t,) volume summed over planes, from (t, plane, angle) twice the area in a radian."""
        depths_mm = np.arange(step_mm / 2, self.profiles.apex_mm, step_mm)
        areas_mm2 = np.pi * twice_area(self.boundaries(depths_mm)).mean(axis=-1)
        return Discs(depths_mm, step_mm).volume_ml(areas_mm2)


def _where_present(width_mm: Array, boundary_mm: Array) -> Array:
    return np.asarray(np.where(width_mm[..., None] > 0, boundary_mm, ABSENT_MM))


def clear_descent_mm(usual_mm: float, spacing_mm: float) -> float:
    """Descent of the mitral ring that leaves no slice half ventricle, half atrium at either end of its way.

    Nobody can say what such a slice ought to be called, so a phantom that has one has no truth. The descent
    is changed by a fifth of the slice spacing at most, which is less than it differs between people of the
    same ejection fraction; a stack can then be laid so that the ring stays 35 % of the spacing away from the
    middle of every slice.

    >>> clear_descent_mm(11.0, 10.0), clear_descent_mm(4.0, 10.0), clear_descent_mm(5.5, 10.0)
    (11.0, 3.0, 7.0)
    """
    slices, over_mm = divmod(usual_mm, spacing_mm)
    near_mm, far_mm = 0.3 * spacing_mm, 0.7 * spacing_mm
    if near_mm < over_mm < far_mm:
        over_mm = near_mm if over_mm < spacing_mm / 2 else far_mm
    return slices * spacing_mm + over_mm


def beating_ventricles(
    heart: PhantomHeart, individual: Individual, ejected_share: Array, discs: Discs
) -> Ventricles:
    """Ventricles whose disc sums are those of ``heart`` at end-diastole and end-systole.

    In between, the continuous volume runs as ``ejected_share``, and the small ratio of disc sum to continuous
    volume passes evenly from its end-diastolic to its end-systolic value: motion stays smooth although the
    disc sum jumps where a slice loses the ventricle, as it does in a real cine. The tricuspid ring ends its
    way between two slices, for the reason given at ``clear_descent_mm``.

    Args:
        heart: requested volumes.
        individual: the shape.
        ejected_share: (t,) 0 at end-diastole, 1 at end-systole.
        discs: the slices over which a reader sums.
    """
    profiles = _profiles(heart)
    lv_ml = heart.edv_ml - heart.stroke_volume_ml * ejected_share
    outer_ml = lv_ml + heart.lv_mass_g / MYOCARDIAL_DENSITY_G_PER_ML
    mitral_mm = clear_descent_mm(heart.mitral_descent_mm, discs.spacing_mm) * ejected_share
    cavity_ml = lv_ml / _disc_share(profiles.cavity, profiles.cavity_ml, mitral_mm, ejected_share, discs)
    wall_ml = outer_ml / _disc_share(profiles.wall, profiles.wall_ml, mitral_mm, ejected_share, discs)
    ventricles = Ventricles(
        individual=individual,
        profiles=profiles,
        mitral_mm=mitral_mm,
        tricuspid_mm=discs.between_middles_mm(heart.tricuspid_descent_mm) * ejected_share,
        cavity_mm=_radius_mm(profiles.cavity_ml, cavity_ml, mitral_mm),
        wall_mm=_radius_mm(profiles.wall_ml, wall_ml, mitral_mm),
        rv_reach_mm=np.zeros_like(ejected_share),
    )
    return replace(ventricles, rv_reach_mm=_rv_reach_mm(ventricles, heart, ejected_share, discs))


def _profiles(heart: PhantomHeart) -> Profiles:
    """Profiles whose apical wall goes with the wall at the base, at end-diastole."""
    ed = np.zeros(1)
    outer_ml = heart.edv_ml + heart.lv_mass_g / MYOCARDIAL_DENSITY_G_PER_ML

    def excess_mm(apical_wall_mm: float) -> float:
        profiles = Profiles(heart.long_axis_mm, apical_wall_mm)
        cavity_mm = _radius_mm(profiles.cavity_ml, np.array([heart.edv_ml]), ed)
        outer_mm = _radius_mm(profiles.wall_ml, np.array([outer_ml]), ed)
        return float(APICAL_WALL_SHARE * (outer_mm - cavity_mm)[0] - apical_wall_mm)

    return Profiles(heart.long_axis_mm, float(brentq(excess_mm, 0.1, 60.0)))


def _radius_mm(unit_ml: Callable[[Array, Array], Array], volume_ml: Array, mitral_mm: Array) -> Array:
    """(t,) radius at the equator with which an ellipsoid holds ``volume_ml``."""
    return np.asarray(np.sqrt(volume_ml / unit_ml(np.ones_like(mitral_mm), mitral_mm)))


def _disc_share(
    profile: Profile,
    unit_ml: Callable[[Array, Array], Array],
    mitral_mm: Array,
    ejected_share: Array,
    discs: Discs,
) -> Array:
    """(t,) disc sum over continuous volume, exact at end-diastole and end-systole, even in between."""
    ends_mm = np.array([0.0, mitral_mm[np.argmax(ejected_share)]])
    disc_ml = discs.volume_ml(np.pi * profile(discs.depths_mm, ends_mm) ** 2)
    ed, es = disc_ml / unit_ml(np.ones(2), ends_mm)
    return np.asarray(ed + (es - ed) * ejected_share)


def _rv_reach_mm(ventricles: Ventricles, heart: PhantomHeart, ejected_share: Array, discs: Discs) -> Array:
    """(t,) extent of the RV cavity whose disc sums are those of ``heart`` at end-diastole and end-systole."""
    linear, square = _rv_terms(ventricles, discs)
    ed, es = int(np.argmin(ejected_share)), int(np.argmax(ejected_share))
    ed_mm, es_mm = (
        (np.sqrt(linear[t] ** 2 + 4 * square[t] * volume_ml) - linear[t]) / (2 * square[t])
        for t, volume_ml in ((ed, heart.rv_edv_ml), (es, heart.rv_esv_ml))
    )
    return np.asarray(ed_mm + (es_mm - ed_mm) * ejected_share)


def _rv_terms(ventricles: Ventricles, planes: Discs) -> tuple[Array, Array]:
    """(t,) mL per mm and per mm2 of reach: the RV cavity holds ``linear * reach + square * reach ** 2``.

    The area between r = a and r = a + b, both functions of the angle, is the integral of a b + b^2 / 2.
    """
    depths_mm = planes.depths_mm
    outline = ventricles.individual.lv_outline(np.clip(depths_mm / ventricles.profiles.apex_mm, 0.0, 1.0))
    crescent = ventricles.individual.rv_outline()
    step_rad = 2 * np.pi / N_ANGLES
    circle_mm = ventricles.wall_mm[:, None] * ventricles.profiles.wall(depths_mm, ventricles.mitral_mm)
    taper = ventricles.profiles.rv(depths_mm, ventricles.tricuspid_mm) * (circle_mm > 0)
    linear_mm2 = taper * circle_mm * (outline @ crescent) * step_rad
    square_mm2 = taper**2 * (crescent @ crescent) * step_rad / 2
    return planes.volume_ml(linear_mm2), planes.volume_ml(square_mm2)
