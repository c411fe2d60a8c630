"""Long-axis cines of a phantom: the heart of the short-axis stack cut along its long axis.

They are there to be looked at beside the stack: chest and lungs are left out, papillary muscles too. Where
the valves lie in every phase is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from cvai.domain.crossing import PlaneGeometry
from cvai.phantom.beat import ejected_share
from cvai.phantom.cine_sax.individual import N_ANGLES, SEPTUM_RAD, Individual
from cvai.phantom.cine_sax.paint import Image, coverage, lay_over, smooth_field
from cvai.phantom.cine_sax.scene import RV_WALL_MM
from cvai.phantom.cine_sax.stack import SliceStack, lay_slices
from cvai.phantom.cine_sax.tissue import Contrast
from cvai.phantom.cine_sax.ventricles import Ventricles, beating_ventricles
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from cvai.phantom.seeds import Stream, generator

Array = NDArray[np.float64]

_ATRIUM_MM = 22.0
"""Half the length of an atrium, and its half width."""

_RIGHT_ATRIUM_MM = -48.0
"""Middle of the right atrium, from the long axis."""

_WALL_MM, _LEAFLET_MM = 2.0, 1.2
_MIDDLE_SHARE = 0.35
"""Depth of the middle of the image, as a share of the length of the left ventricle."""

_FIRST_STREAM = 1000
"""Number of the random streams of the first view; slices have lower ones."""


@dataclass(frozen=True, slots=True, eq=False)
class LongAxis:
    """A cine along the long axis of the left ventricle, its apex on top.

    Args:
        title: of the view.
        pixels: (t, y, x) stored values.
        geometry: where it lies in the patient.
        mitral_rows: (t,) row at which the mitral ring lies in every phase.
    """

    title: str
    pixels: NDArray[np.uint16]
    geometry: PlaneGeometry
    mitral_rows: Array


def make_long_axes(heart: PhantomHeart, acquisition: PhantomAcquisition) -> tuple[LongAxis, ...]:
    """A four-chamber and a two-chamber view; the same arguments give the same pixels.

    Args:
        heart: as it is imaged in the stack.
        acquisition: of the stack; matrix, pixel size and phases are those of the views.

    Raises:
        ConfigurationInvalid: see ``make_phantom``.
    """
    stack = lay_slices(heart, acquisition)
    share = ejected_share(np.arange(acquisition.n_phases) / acquisition.n_phases, heart.heart_rate_bpm)
    ventricles = beating_ventricles(heart, Individual.drawn(acquisition.seed), share, stack.discs)
    across_septum_rad = ventricles.individual.rv_centre_rad - SEPTUM_RAD
    views = (("4-chamber", across_septum_rad), ("2-chamber", across_septum_rad + np.pi / 2))
    return tuple(
        _view(title, _Cut(ventricles, acquisition, angle_rad), stack, _FIRST_STREAM + index)
        for index, (title, angle_rad) in enumerate(views)
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """The plane of a view in the heart's own coordinates.

    Args:
        ventricles: the beating heart.
        acquisition: matrix and pixel size.
        angle_rad: direction of the rows, see ``ANGLES_RAD``.
    """

    ventricles: Ventricles
    acquisition: PhantomAcquisition
    angle_rad: float

    @property
    def depths_mm(self) -> Array:
        """(y,) depth of every row below the mitral ring at end-diastole, the apex on top."""
        rows, step_mm = self.acquisition.rows, self.acquisition.spacing_y_mm
        middle_mm = _MIDDLE_SHARE * self.ventricles.profiles.apex_mm
        return np.asarray(middle_mm + step_mm * ((rows - 1) / 2 - np.arange(rows)), dtype=np.float64)

    @property
    def from_axis_mm(self) -> Array:
        """(x,) distance of every column from the long axis, with a sign."""
        columns, step_mm = self.acquisition.columns, self.acquisition.spacing_x_mm
        return np.asarray(step_mm * (np.arange(columns) - (columns - 1) / 2), dtype=np.float64)

    @property
    def pixel_mm(self) -> float:
        """Side of a square of the area of a pixel."""
        return float(np.sqrt(self.acquisition.spacing_x_mm * self.acquisition.spacing_y_mm))

    @property
    def sides(self) -> NDArray[np.intp]:
        """(2,) indices of the directions in which the rows leave the long axis, the positive one first."""
        turn = round(self.angle_rad / (2 * np.pi) * N_ANGLES)
        return np.array([turn, turn + N_ANGLES // 2]) % N_ANGLES

    def cover(self, boundary_mm: Array) -> Image:
        """(t, y, x) share of every pixel inside a boundary, (t, y, angle) or (angle,)."""
        of_sides = boundary_mm[..., self.sides]
        on_columns = np.where(self.from_axis_mm > 0, of_sides[..., :1], of_sides[..., 1:])
        return coverage(on_columns - np.abs(self.from_axis_mm), self.pixel_mm)


def _view(title: str, cut: _Cut, stack: SliceStack, stream: int) -> LongAxis:
    acquisition = cut.acquisition
    rng = generator(acquisition.seed, Stream.NOISE, stream)
    contrast = Contrast.drawn(acquisition.seed)
    signal = _painted(cut, contrast, rng)
    noise = contrast.noise * rng.standard_normal((2, *signal.shape), dtype=np.float32)
    magnitude = np.hypot(gaussian_filter(signal, (0, 0.6, 0.6)) + noise[0], noise[1])
    stored = np.rint(np.clip(magnitude * contrast.stored_blood, 0, 4095)).astype(np.uint16)
    mitral_rows = (cut.depths_mm[0] - cut.ventricles.mitral_mm) / acquisition.spacing_y_mm
    return LongAxis(title, stored, _geometry(cut, stack), mitral_rows)


def _painted(cut: _Cut, contrast: Contrast, rng: np.random.Generator) -> Image:
    """(t, y, x) signal: atria, then the ventricles from outside to inside, then the leaflets between."""
    ventricles = cut.ventricles
    edges = ventricles.boundaries(cut.depths_mm)
    ground = contrast.lung * (
        1.0 + 0.3 * smooth_field(rng, (len(cut.depths_mm), len(cut.from_axis_mm)), 30.0)
    )
    canvas = np.repeat(ground[None].astype(np.float32), len(ventricles.mitral_mm), axis=0)
    _lay_atrium(canvas, cut, ventricles.mitral_mm, 0.0, contrast)
    if (edges.rv_free_wall - edges.epicardium)[..., cut.sides[1]].max() > RV_WALL_MM:
        _lay_atrium(canvas, cut, ventricles.tricuspid_mm, _RIGHT_ATRIUM_MM, contrast)
    rv_wall_mm = edges.rv_free_wall + RV_WALL_MM
    outside_mm = np.maximum(edges.epicardium, rv_wall_mm) + ventricles.individual.fat_mm
    lay_over(canvas, cut.cover(outside_mm), 0.9 * abs(contrast.fat))
    lay_over(canvas, cut.cover(rv_wall_mm), contrast.myocardium)
    lay_over(canvas, cut.cover(edges.rv_free_wall), contrast.rv_blood)
    lay_over(canvas, cut.cover(edges.epicardium), contrast.myocardium)
    lay_over(canvas, cut.cover(edges.endocardium), contrast.blood)
    above_mm = cut.depths_mm[None, :] - ventricles.mitral_mm[:, None]
    leaflets = coverage(_LEAFLET_MM - np.abs(above_mm), cut.pixel_mm)[..., None]
    within = np.abs(cut.from_axis_mm) < 0.8 * _ATRIUM_MM
    lay_over(canvas, leaflets * within.astype(np.float32), contrast.myocardium)
    return canvas


def _lay_atrium(canvas: Image, cut: _Cut, ring_mm: Array, middle_mm: float, contrast: Contrast) -> None:
    """A chamber that ends at its valve's ring, (t,)."""
    above_mm = ring_mm[:, None] - cut.depths_mm[None, :]
    radius = np.hypot(above_mm[..., None] / _ATRIUM_MM - 1.0, (cut.from_axis_mm - middle_mm) / _ATRIUM_MM)
    inside_mm = np.minimum((1.0 - radius) * _ATRIUM_MM + 6.0, above_mm[..., None])
    lay_over(canvas, coverage(inside_mm + _WALL_MM, cut.pixel_mm), contrast.muscle)
    lay_over(canvas, coverage(inside_mm, cut.pixel_mm), 0.92 * contrast.blood)


def _geometry(cut: _Cut, stack: SliceStack) -> PlaneGeometry:
    """The plane in LPS, from the heart plane coordinates of the stack's own pixels."""
    slices, spacing = stack.geometry, (stack.geometry.spacing_x_mm, stack.geometry.spacing_y_mm)
    u, v = (
        (plane[0, 1] - plane[0, 0]) / spacing[0] * slices.row_cosine
        + (plane[1, 0] - plane[0, 0]) / spacing[1] * slices.column_cosine
        for plane in (stack.u_mm, stack.v_mm)
    )
    to_apex = (slices.positions_mm[1] - slices.positions_mm[0]) / stack.discs.spacing_mm
    on_axis_mm = slices.positions_mm[0] - stack.u_mm[0, 0] * u - stack.v_mm[0, 0] * v
    base_mm = on_axis_mm - stack.discs.depths_mm[0] * to_apex
    across = np.cos(cut.angle_rad) * u + np.sin(cut.angle_rad) * v
    return PlaneGeometry(
        position_mm=base_mm + cut.depths_mm[0] * to_apex + cut.from_axis_mm[0] * across,
        row_cosine=across,
        column_cosine=-to_apex,
        spacing_y_mm=cut.acquisition.spacing_y_mm,
        spacing_x_mm=cut.acquisition.spacing_x_mm,
    )
