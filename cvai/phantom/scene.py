"""Paints the heart over the chest: ventricles, papillary muscles, trabeculae, epicardial fat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.phantom.atria import lay_atria
from cvai.phantom.paint import Image, coverage, lay_over, smooth_field
from cvai.phantom.seeds import Stream, generator
from cvai.phantom.stack import SliceStack
from cvai.phantom.tissue import Contrast
from cvai.phantom.ventricles import Boundaries, Ventricles
from cvai.phantom.view import HeartView

Array = NDArray[np.float64]

RV_WALL_MM = 3.0
"""Thickness of the RV free wall."""

PLANES_PER_SLICE = 4
"""Planes through the thickness of a slice whose signals are averaged: its partial volume."""

_PAPILLARY_SPAN = (0.15, 0.80)
"""Where papillary muscles are, as a share of the way from the mitral ring at end-diastole to the apex."""

_PAPILLARY_CENTRE = 0.68
"""Distance of a papillary muscle from the long axis, as a share of the cavity's radius."""

_TRABECULAR_REACH = 0.16
"""How far trabeculae reach into a cavity at most, as a share of its radius."""

_TEXTURE = 0.05
"""Relative variation of signal in the heart that does not move with the blood."""

_FLOW_WAVELENGTH_MM = 16.0
_FLOW_AT_REST, _FLOW_IN_MOTION = 0.04, 0.06
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
        edges = self.ventricles.boundaries(depths_mm)
        flow = self._flow(index, view)
        canvas = self._ground(depths_mm, view, chest)
        self._lay_fat(canvas, edges, view)
        self._lay_right(canvas, edges, view, flow)
        self._lay_left(canvas, edges, view, flow)
        for papillary in range(2):
            self._lay_papillary(canvas, edges, view, depths_mm, papillary)
        texture = smooth_field(
            generator(self.seed, Stream.SHAPE, index + 1), chest.shape, 5.0 / self.stack.pixel_mm
        )
        return np.asarray(canvas.mean(axis=1) * (1.0 + _TEXTURE * texture), dtype=np.float32)

    def _cover(self, view: HeartView, boundary_mm: Array) -> Image:
        return coverage(view.inside_mm(boundary_mm), self.stack.pixel_mm)

    def _ground(self, depths_mm: Array, view: HeartView, chest: Image) -> Image:
        """(t, plane, y, x) chest, or what lies above the base where the right ventricle has moved away."""
        above = lay_atria(chest, view, self.contrast, self.lv_radius_mm(0), self.stack.pixel_mm)
        is_above = depths_mm[None, :] < self.ventricles.tricuspid_mm[:, None]
        return np.where(is_above[..., None, None], above, chest)

    def _flow(self, index: int, view: HeartView) -> Image:
        """(t, 1, y, x) signal of moving blood relative to blood at rest."""
        rng = generator(self.seed, Stream.FLOW, index)
        wavelength_px = _FLOW_WAVELENGTH_MM / self.stack.pixel_mm
        here, there = (smooth_field(rng, view.radius_mm.shape, wavelength_px) for _ in range(2))
        turn = np.linspace(0.0, 2.0 * np.pi, len(self.ejected_share), endpoint=False)[:, None, None]
        pattern = np.cos(turn) * here + np.sin(turn) * there
        speed = np.abs(np.gradient(self.ejected_share))
        amount = _FLOW_AT_REST + _FLOW_IN_MOTION * speed / speed.max()
        return np.asarray(1.0 + amount[:, None, None] * pattern, dtype=np.float32)[:, None]

    def _lay_fat(self, canvas: Image, edges: Boundaries, view: HeartView) -> None:
        outer_mm = np.maximum(edges.epicardium, edges.rv_free_wall + RV_WALL_MM)
        lay_over(
            canvas, self._cover(view, outer_mm + self.ventricles.individual.fat_mm), 0.9 * self.contrast.fat
        )

    def _lay_right(self, canvas: Image, edges: Boundaries, view: HeartView, flow: Image) -> None:
        lay_over(canvas, self._cover(view, edges.rv_free_wall + RV_WALL_MM), self.contrast.myocardium)
        blood = self._cover(view, edges.rv_free_wall)
        lay_over(canvas, blood, self.contrast.rv_blood * flow)
        reach_mm = 0.5 * np.clip(edges.rv_free_wall - edges.epicardium, 0.0, None)
        ridges_mm = edges.rv_free_wall - reach_mm * np.roll(self.ventricles.individual.trabeculae, 300)
        lay_over(canvas, 0.5 * (blood - self._cover(view, ridges_mm)), self.contrast.myocardium)

    def _lay_left(self, canvas: Image, edges: Boundaries, view: HeartView, flow: Image) -> None:
        lay_over(canvas, self._cover(view, edges.epicardium), self.contrast.myocardium)
        blood = self._cover(view, edges.endocardium)
        lay_over(canvas, blood, self.contrast.blood * flow)
        ridges_mm = edges.endocardium * (1.0 - _TRABECULAR_REACH * self.ventricles.individual.trabeculae)
        lay_over(canvas, 0.7 * (blood - self._cover(view, ridges_mm)), self.contrast.myocardium)

    def _lay_papillary(
        self, canvas: Image, edges: Boundaries, view: HeartView, depths_mm: Array, which: int
    ) -> None:
        """A round muscle beside the wall, thickest in the middle of its length."""
        individual = self.ventricles.individual
        angle = int(individual.papillary_rad[which] / (2 * np.pi) * edges.endocardium.shape[-1])
        cavity_mm = np.clip(edges.endocardium[..., angle], 0.0, None)
        start, end = _PAPILLARY_SPAN
        along = (depths_mm / self.ventricles.profiles.apex_mm - start) / (end - start)
        thickness = np.sqrt(np.clip(4.0 * along * (1.0 - along), 0.0, None))
        radius_mm = individual.papillary_share[which] * thickness * cavity_mm
        centre_mm = _PAPILLARY_CENTRE * cavity_mm
        du = view.u_mm - _per_plane(centre_mm * np.cos(individual.papillary_rad[which]))
        dv = view.v_mm - _per_plane(centre_mm * np.sin(individual.papillary_rad[which]))
        muscle = coverage(_per_plane(radius_mm) - np.hypot(du, dv), self.stack.pixel_mm)
        lay_over(canvas, muscle * _per_plane(radius_mm > 0), self.contrast.myocardium)


def _per_plane(values: NDArray[np.float64] | NDArray[np.bool_]) -> Image:
    """(t, plane) -> (t, plane, 1, 1)."""
    return values.astype(np.float32)[..., None, None]
