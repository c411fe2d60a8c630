"""Paints the heart over the chest: ventricles, papillary muscles, trabeculae, epicardial fat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.phantom.cine_sax.atria import atrial_signal
from cvai.phantom.cine_sax.individual import N_ANGLES
from cvai.phantom.cine_sax.paint import Image, coverage, lay_over, smooth_field
from cvai.phantom.cine_sax.stack import SliceStack
from cvai.phantom.cine_sax.tissue import Contrast
from cvai.phantom.cine_sax.ventricles import Boundaries, Ventricles
from cvai.phantom.cine_sax.view import HeartView
from cvai.phantom.seeds import Stream, generator

Array = NDArray[np.float64]

RV_WALL_MM = 3.0
"""Thickness of the RV free wall."""

PLANES_PER_SLICE = 4
"""Planes through the thickness of a slice whose signals are averaged: its partial volume."""

_PAPILLARY_SPAN = (0.15, 0.80)
"""Where papillary muscles are, as a share of the way from the mitral ring at end-diastole to the apex."""

_PAPILLARY_CENTRE = 0.68
"""Distance of a papillary muscle from the long axis, as a share of the cavity's radius."""

_LV_TRABECULAR_REACH, _RV_TRABECULAR_REACH = 0.2, 0.5
"""How far trabeculae reach at most: of the LV cavity's radius at end-diastole, of the RV cavity's width."""

_TRABECULAR_SHARE = 0.65
"""Share of muscle among trabeculae, blood being the rest."""

_TEXTURE, _TEXTURE_WAVELENGTH_MM = 0.07, 5.0
"""Relative variation of signal in the heart that does not move with the blood."""

_PAPILLARY_BEND, _PAPILLARY_BEND_WAVELENGTH_MM = 0.25, 12.0
"""Departure of a papillary muscle from a circle, relative to its radius."""

_FLOW_WAVELENGTH_MM = 16.0
_FLOW_AT_REST, _FLOW_IN_MOTION = 0.06, 0.07
"""Relative variation of the blood's signal: always, and added while it moves fastest."""


@dataclass(frozen=True, slots=True, eq=False)
class HeartScene:
    """Everything the painter needs to know.

    Args:
        ventricles: the beating heart.
        contrast: signal of every tissue.
        stack: the slices.
        ejected_share: (t,) how far the heart has contracted.
        seed: of the phantom.
    """

    ventricles: Ventricles
    contrast: Contrast
    stack: SliceStack
    ejected_share: Array
    seed: int

    @property
    def reach_mm(self) -> float:
        """Distance from the long axis within which everything is painted."""
        ed = self.ventricles.boundaries(self.stack.discs.depths_mm)
        outer_mm = max(float(ed.epicardium.max()), float(ed.rv_free_wall.max()))
        return outer_mm + RV_WALL_MM + float(self.ventricles.individual.fat_mm.max()) + 8.0

    def lv_radius_mm(self, index: int) -> float:
        """Outer radius of the left ventricle in slice ``index`` at end-diastole; at the base if above it."""
        depth_mm = np.clip(self.stack.discs.depths_mm[index : index + 1], 0.0, None)
        wall = self.ventricles.profiles.wall(depth_mm, self.ventricles.mitral_mm[:1])
        return float(self.ventricles.wall_mm[0] * wall[0, 0])

    def slice_signal(self, index: int, view: HeartView, chest: Image) -> Image:
        """(t, y, x) signal inside the view's window: heart over chest, averaged through the thickness.

        Args:
            index: number of the slice.
            view: where the heart lies in it.
            chest: (y, x) signal of the window without a heart.
        """
        offsets = (np.arange(PLANES_PER_SLICE) + 0.5) / PLANES_PER_SLICE - 0.5
        depths_mm = self.stack.discs.depths_mm[index] + self.stack.thickness_mm * offsets
        rng = generator(self.seed, Stream.SHAPE, index + 1)
        texture = 1.0 + _TEXTURE * self._field(rng, view, _TEXTURE_WAVELENGTH_MM)
        bend = _PAPILLARY_BEND * self._field(rng, view, _PAPILLARY_BEND_WAVELENGTH_MM)
        sheet = _Sheet(
            canvas=self._ground(rng, depths_mm, view, chest),
            edges=self.ventricles.boundaries(depths_mm),
            view=view,
            pixel_mm=self.stack.pixel_mm,
        )
        self._lay_heart(sheet, self._flow(index, view))
        for which in range(2):
            self._lay_papillary(sheet, depths_mm, bend, which)
        return np.asarray(sheet.canvas.mean(axis=1) * texture, dtype=np.float32)

    def _field(self, rng: np.random.Generator, view: HeartView, wavelength_mm: float) -> Image:
        return smooth_field(rng, view.radius_mm.shape, wavelength_mm / self.stack.pixel_mm)

    def _ground(self, rng: np.random.Generator, depths_mm: Array, view: HeartView, chest: Image) -> Image:
        """(t, plane, y, x) chest, or what lies above the base where the right ventricle has moved away."""
        signal, share = atrial_signal(rng, view, self.contrast, self.lv_radius_mm(0), self.stack.pixel_mm)
        above = chest.copy()
        lay_over(above, share, signal)
        base_mm = np.maximum(self.ventricles.tricuspid_mm, self.ventricles.mitral_mm)
        is_above = depths_mm[None, :] < base_mm[:, None]
        return np.where(is_above[..., None, None], above, chest)

    def _flow(self, index: int, view: HeartView) -> Image:
        """(t, 1, y, x) signal of moving blood relative to blood at rest."""
        rng = generator(self.seed, Stream.FLOW, index)
        here, there = (self._field(rng, view, _FLOW_WAVELENGTH_MM) for _ in range(2))
        turn = np.linspace(0.0, 2.0 * np.pi, len(self.ejected_share), endpoint=False)[:, None, None]
        pattern = np.cos(turn) * here + np.sin(turn) * there
        speed = np.abs(np.gradient(self.ejected_share))
        amount = _FLOW_AT_REST + _FLOW_IN_MOTION * speed / speed.max()
        return np.asarray(1.0 + amount[:, None, None] * pattern, dtype=np.float32)[:, None]

    def _lay_heart(self, sheet: _Sheet, flow: Image) -> None:
        """From outside to inside: fat, right ventricle, left ventricle, each with its trabeculae."""
        edges, c, individual = sheet.edges, self.contrast, self.ventricles.individual
        rv_wall_mm = edges.rv_free_wall + RV_WALL_MM
        sheet.lay(np.maximum(edges.epicardium, rv_wall_mm) + individual.fat_mm, 0.9 * c.fat)
        sheet.lay(rv_wall_mm, c.myocardium)
        sheet.lay(edges.rv_free_wall, c.rv_blood * flow)
        width_mm = np.clip(edges.rv_free_wall - edges.epicardium, 0.0, None)
        rv_ridges_mm = _RV_TRABECULAR_REACH * width_mm * individual.rv_trabeculae
        sheet.lay_rim(edges.rv_free_wall, rv_ridges_mm, _TRABECULAR_SHARE, c.myocardium)
        sheet.lay(edges.epicardium, c.myocardium)
        sheet.lay(edges.endocardium, c.blood * flow)
        lv_ridges_mm = self._crowding() * np.clip(edges.endocardium, 0.0, None) * individual.lv_trabeculae
        sheet.lay_rim(edges.endocardium, lv_ridges_mm, _TRABECULAR_SHARE, c.myocardium)

    def _crowding(self) -> Array:
        """(t, 1, 1) reach of LV trabeculae as a share of the cavity's radius; muscle does not shrink."""
        cavity_mm = self.ventricles.cavity_mm
        return np.asarray(_LV_TRABECULAR_REACH * cavity_mm[0] / cavity_mm)[:, None, None]

    def _lay_papillary(self, sheet: _Sheet, depths_mm: Array, bend: Image, which: int) -> None:
        """A muscle beside the wall, thickest in the middle of its length."""
        direction_rad = self.ventricles.individual.papillary_rad[which]
        angle = round(direction_rad / (2 * np.pi) * N_ANGLES)
        cavity_mm = np.clip(sheet.edges.endocardium[..., angle], 0.0, None)
        start, end = _PAPILLARY_SPAN
        along = (depths_mm / self.ventricles.profiles.apex_mm - start) / (end - start)
        thickness = np.sqrt(np.clip(4.0 * along * (1.0 - along), 0.0, None))
        radius_mm = self.ventricles.individual.papillary_share[which] * thickness * cavity_mm
        centre_mm = _PAPILLARY_CENTRE * cavity_mm
        du = sheet.view.u_mm - _per_plane(centre_mm * np.cos(direction_rad))
        dv = sheet.view.v_mm - _per_plane(centre_mm * np.sin(direction_rad))
        inside_mm = _per_plane(radius_mm) * (1.0 + bend) - np.hypot(du, dv)
        muscle = coverage(inside_mm, sheet.pixel_mm) * _per_plane(radius_mm > 0)
        lay_over(sheet.canvas, muscle, self.contrast.myocardium)


@dataclass(frozen=True, slots=True, eq=False)
class _Sheet:
    """Planes of one slice while they are painted.

    Args:
        canvas: (t, plane, y, x) signal, painted in place.
        edges: boundaries of the ventricles in these planes.
        view: where the heart lies.
        pixel_mm: side of a pixel.
    """

    canvas: Image
    edges: Boundaries
    view: HeartView
    pixel_mm: float

    def lay(self, boundary_mm: Array, signal: Image | float) -> None:
        """Fill the inside of ``boundary_mm``, (t, plane, angle)."""
        lay_over(self.canvas, self._cover(boundary_mm), signal)

    def lay_rim(self, boundary_mm: Array, width_mm: Array, share: float, signal: float) -> None:
        """Mix ``share`` of ``signal`` into the rim of ``width_mm`` inside ``boundary_mm``."""
        rim = self._cover(boundary_mm) - self._cover(boundary_mm - width_mm)
        lay_over(self.canvas, share * rim, signal)

    def _cover(self, boundary_mm: Array) -> Image:
        return coverage(self.view.inside_mm(boundary_mm), self.pixel_mm)


def _per_plane(values: NDArray[np.float64] | NDArray[np.bool_]) -> Image:
    """(t, plane) -> (t, plane, 1, 1)."""
    return values.astype(np.float32)[..., None, None]
