"""Where the slices lie: along the heart, and in the patient."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.domain.geometry import StackGeometry
from cvai.errors import ConfigurationInvalid
from cvai.phantom.cine_sax.ventricles import Discs, clear_descent_mm
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from cvai.phantom.seeds import Stream, generator

Array = NDArray[np.float64]

_LONG_AXIS = np.array([0.63, -0.66, -0.41])
"""Usual direction from base to apex in LPS: to the left, forward, down."""

_INFERIOR = np.array([0.0, 0.0, -1.0])
_SLICES_ABOVE = 1
_SLICES_BELOW = 1


@dataclass(frozen=True, slots=True, eq=False)
class SliceStack:
    """Slices in the heart's own coordinates, and the same slices in the patient.

    Heart plane coordinates: the origin is the long axis of the left ventricle, u points towards the patient's
    back on the left, v down, both in mm. Depth counts from the mitral ring at end-diastole to the apex.

    Args:
        discs: middle planes of the slices, base first.
        thickness_mm: slice thickness.
        geometry: the slices in the patient.
        u_mm: (y, x) of every pixel.
        v_mm: (y, x) of every pixel.
    """

    discs: Discs
    thickness_mm: float
    geometry: StackGeometry
    u_mm: Array
    v_mm: Array

    @property
    def pixel_mm(self) -> float:
        """Side of a square of the area of a pixel."""
        return math.sqrt(self.geometry.spacing_x_mm * self.geometry.spacing_y_mm)


def lay_slices(heart: PhantomHeart, acquisition: PhantomAcquisition) -> SliceStack:
    """Slices from above the base to below the apex, at a place and an angle drawn from the seed.

    Raises:
        ConfigurationInvalid: the requested number of slices does not reach the apex.
    """
    discs = Discs(_depths_mm(heart, acquisition), acquisition.slice_spacing_mm)
    rng = generator(acquisition.seed, Stream.PLACEMENT)
    rotation_rad = math.radians(rng.uniform(-25.0, 25.0))
    if acquisition.rotation_degrees is not None:
        rotation_rad = math.radians(acquisition.rotation_degrees)
    centre_yx = (np.array([acquisition.rows, acquisition.columns]) - 1) / 2
    heart_yx = centre_yx + rng.uniform(-18.0, 18.0, 2) / (acquisition.spacing_y_mm, acquisition.spacing_x_mm)
    base_mm = np.array([15.0, -20.0, 30.0]) + rng.uniform(-15.0, 15.0, 3)
    geometry = _geometry(
        acquisition, discs, _heart_axes(rng), rotation_rad=rotation_rad, base_mm=base_mm, heart_yx=heart_yx
    )
    u_mm, v_mm = _heart_plane(acquisition, rotation_rad, heart_yx)
    return SliceStack(discs, acquisition.slice_thickness_mm, geometry, u_mm, v_mm)


def first_middle_mm(descent_mm: float, spacing_mm: float) -> float:
    """Depth of the first slice middle below the mitral ring at end-diastole.

    The stack is laid so that the ring is as far as can be from the middle of every slice, at end-diastole and
    at end-systole; see ``cvai.phantom.cine_sax.ventricles.clear_descent_mm`` for the reason.

    Args:
        descent_mm: way of the ring from end-diastole to end-systole.
        spacing_mm: distance between neighbouring slices.

    >>> first_middle_mm(descent_mm=8.0, spacing_mm=10.0), first_middle_mm(descent_mm=11.0, spacing_mm=10.0)
    (4.0, 5.5)
    """
    over_mm = descent_mm % spacing_mm
    return over_mm / 2 if over_mm > spacing_mm / 2 else (over_mm + spacing_mm) / 2


def _depths_mm(heart: PhantomHeart, acquisition: PhantomAcquisition) -> Array:
    spacing_mm = acquisition.slice_spacing_mm
    first_mm = first_middle_mm(clear_descent_mm(heart.mitral_descent_mm, spacing_mm), spacing_mm)
    with_cavity = math.ceil((heart.long_axis_mm - first_mm) / spacing_mm)
    needed = _SLICES_ABOVE + with_cavity
    n_slices = acquisition.n_slices or needed + _SLICES_BELOW
    if n_slices < needed:
        raise ConfigurationInvalid(
            "phantom_slices_do_not_reach_apex",
            f"{n_slices} slices every {spacing_mm:g} mm do not reach the apex of a ventricle of "
            f"{heart.long_axis_mm:.0f} mm.",
            f"Ask for at least {needed} slices, or for a larger slice spacing.",
        )
    return np.asarray(first_mm + spacing_mm * (np.arange(n_slices) - _SLICES_ABOVE), dtype=np.float64)


def _heart_axes(rng: np.random.Generator) -> tuple[Array, Array]:
    """(3,) directions of u and v in LPS; u x v points from apex to base."""
    long_axis = _LONG_AXIS + rng.uniform(-0.1, 0.1, 3)
    long_axis /= np.linalg.norm(long_axis)
    v = _INFERIOR - (_INFERIOR @ long_axis) * long_axis
    v /= np.linalg.norm(v)
    return np.cross(v, -long_axis), v


def _geometry(
    acquisition: PhantomAcquisition,
    discs: Discs,
    axes: tuple[Array, Array],
    *,
    rotation_rad: float,
    base_mm: Array,
    heart_yx: Array,
) -> StackGeometry:
    """Slices in LPS: the pixel at ``heart_yx`` lies on the long axis, which passes through ``base_mm``."""
    u, v = axes
    row_cosine = math.cos(rotation_rad) * u + math.sin(rotation_rad) * v
    column_cosine = math.cos(rotation_rad) * v - math.sin(rotation_rad) * u
    to_apex = -np.cross(u, v)
    first_pixel_mm = (
        base_mm
        - heart_yx[0] * acquisition.spacing_y_mm * column_cosine
        - heart_yx[1] * acquisition.spacing_x_mm * row_cosine
    )
    return StackGeometry(
        positions_mm=first_pixel_mm + discs.depths_mm[:, None] * to_apex,
        row_cosine=row_cosine,
        column_cosine=column_cosine,
        spacing_y_mm=acquisition.spacing_y_mm,
        spacing_x_mm=acquisition.spacing_x_mm,
    )


def _heart_plane(
    acquisition: PhantomAcquisition, rotation_rad: float, heart_yx: Array
) -> tuple[Array, Array]:
    """(y, x) heart plane coordinates of every pixel."""
    y_mm = (np.arange(acquisition.rows) - heart_yx[0])[:, None] * acquisition.spacing_y_mm
    x_mm = (np.arange(acquisition.columns) - heart_yx[1])[None, :] * acquisition.spacing_x_mm
    cos, sin = math.cos(rotation_rad), math.sin(rotation_rad)
    return cos * x_mm - sin * y_mm, sin * x_mm + cos * y_mm
