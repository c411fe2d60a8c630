"""What surrounds the heart: chest wall, lungs, diaphragm, liver, stomach, spleen, aorta. It does not move.

Positions are in heart plane coordinates (u to the patient's back on the left, v down) and follow ACDC
patients 001, 020, 025, 066 and 070 by eye; every outline is bent by a smooth random field, so that nothing
looks like an ellipse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvai.phantom.cine_sax.paint import Image, coverage, inside_ellipse_mm, lay_over, smooth_field
from cvai.phantom.cine_sax.stack import SliceStack
from cvai.phantom.cine_sax.tissue import Contrast
from cvai.phantom.seeds import Stream, generator

_BEND_MM = 5.0
_BEND_WAVELENGTH_MM = 70.0


@dataclass(frozen=True, slots=True)
class Habitus:
    """Build of one body.

    Args:
        fat_mm: thickness of the fat under the skin.
        muscle_mm: thickness of the chest wall beneath it.
        half_width_mm: of the chest in the slice.
        half_height_mm: of the trunk in the slice.
        diaphragm_mm: gap between heart and diaphragm.
        stomach_fluid: 0 for a stomach full of air, 1 full of fluid.
    """

    fat_mm: float
    muscle_mm: float
    half_width_mm: float
    half_height_mm: float
    diaphragm_mm: float
    stomach_fluid: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Habitus:
        """One body."""
        return cls(
            fat_mm=rng.uniform(8.0, 24.0),
            muscle_mm=rng.uniform(8.0, 14.0),
            half_width_mm=rng.uniform(140.0, 160.0),
            half_height_mm=rng.uniform(180.0, 215.0),
            diaphragm_mm=rng.uniform(1.0, 6.0),
            stomach_fluid=rng.uniform(0.0, 1.0),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Torso:
    """Paints the surroundings of the heart, slice by slice.

    Args:
        habitus: build of the body.
        contrast: signal of every tissue.
        u_mm: (y, x) heart plane coordinate.
        v_mm: (y, x) heart plane coordinate.
        pixel_mm: side of a pixel.
        seed: of the phantom.
    """

    habitus: Habitus
    contrast: Contrast
    u_mm: Image
    v_mm: Image
    pixel_mm: float
    seed: int

    @classmethod
    def drawn(cls, seed: int, contrast: Contrast, stack: SliceStack) -> Torso:
        """The body that belongs to ``seed``."""
        u_mm, v_mm = stack.u_mm.astype(np.float32), stack.v_mm.astype(np.float32)
        habitus = Habitus.drawn(generator(seed, Stream.TORSO))
        return cls(habitus, contrast, u_mm, v_mm, stack.pixel_mm, seed)

    def skin_depth_mm(self, depth_share: float) -> Image:
        """(y, x) distance below the skin, negative outside the body.

        Args:
            depth_share: 0 at the base of the heart, 1 at its apex, where the chest wall is near.
        """
        centre_mm = (35.0 + 42.0 * depth_share, 45.0 + 30.0 * depth_share)
        semi_axes_mm = (self.habitus.half_width_mm, self.habitus.half_height_mm)
        return inside_ellipse_mm(self.u_mm, self.v_mm, centre_mm, semi_axes_mm, turn_rad=-0.12)

    def slice_signal(self, index: int, depth_share: float, heart_radius_mm: float) -> Image:
        """(y, x) signal of one slice as if there were no heart; fat is negative.

        Args:
            index: number of the slice.
            depth_share: 0 at the base of the heart, 1 at its apex.
            heart_radius_mm: outer radius of the left ventricle, which rests on the diaphragm.
        """
        rng = generator(self.seed, Stream.TORSO, index + 1)
        u_mm, v_mm = self._bent(rng)
        canvas = np.zeros(u_mm.shape, dtype=np.float32)
        uneven_mm = 0.3 * self.habitus.fat_mm * smooth_field(rng, u_mm.shape, 130.0 / self.pixel_mm)
        below_skin_mm = self.skin_depth_mm(depth_share)
        below_fat_mm = np.minimum(below_skin_mm - 3.0, below_skin_mm - self.habitus.fat_mm + uneven_mm)
        self._lay_chest_wall(canvas, rng, below_skin_mm, below_fat_mm)
        thorax = coverage(below_fat_mm - self.habitus.muscle_mm, self.pixel_mm)
        organs = self._lungs(rng, depth_share)
        diaphragm_mm = v_mm - self._diaphragm_mm(u_mm, heart_radius_mm)
        lay_over(organs, coverage(diaphragm_mm, self.pixel_mm), self._abdomen(rng, u_mm, diaphragm_mm))
        self._lay_aorta(organs, u_mm, v_mm, depth_share, heart_radius_mm)
        lay_over(canvas, thorax, organs)
        texture = 0.08 * smooth_field(rng, u_mm.shape, 6.0 / self.pixel_mm)
        texture += 0.06 * smooth_field(rng, u_mm.shape, 25.0 / self.pixel_mm)
        return np.asarray(canvas * (1.0 + texture), dtype=np.float32)

    def _bent(self, rng: np.random.Generator) -> tuple[Image, Image]:
        wavelength_px = _BEND_WAVELENGTH_MM / self.pixel_mm
        bend = [_BEND_MM * smooth_field(rng, self.u_mm.shape, wavelength_px) for _ in range(2)]
        return self.u_mm + bend[0], self.v_mm + bend[1]

    def _lay_chest_wall(
        self, canvas: Image, rng: np.random.Generator, below_skin_mm: Image, below_fat_mm: Image
    ) -> None:
        """Skin, fat with septa, muscle with ribs of fatty marrow, a little fat inside."""
        muscle_mm, c = self.habitus.muscle_mm, self.contrast
        lay_over(canvas, coverage(below_skin_mm, self.pixel_mm), c.muscle)
        septa = np.abs(smooth_field(rng, canvas.shape, 16.0 / self.pixel_mm)) < 0.05
        grade = 1.0 + 0.15 * smooth_field(rng, canvas.shape, 60.0 / self.pixel_mm)
        lay_over(canvas, coverage(below_skin_mm - 1.5, self.pixel_mm) * (1.0 - 0.4 * septa), c.fat * grade)
        fascia = np.abs(smooth_field(rng, canvas.shape, 28.0 / self.pixel_mm)) < 0.10
        lay_over(canvas, coverage(below_fat_mm, self.pixel_mm), np.where(fascia, 0.5 * c.fat, c.muscle))
        between = smooth_field(rng, canvas.shape, 45.0 / self.pixel_mm)
        rib_mm = 0.30 * muscle_mm - np.abs(below_fat_mm - 0.55 * muscle_mm)
        lay_over(canvas, coverage(rib_mm, self.pixel_mm) * (between > 0.3), c.marrow)
        inner_mm = 1.5 - np.abs(below_fat_mm - muscle_mm)
        lay_over(canvas, coverage(inner_mm, self.pixel_mm) * (between < 0.6), 0.6 * c.fat)

    def _lungs(self, rng: np.random.Generator, depth_share: float) -> Image:
        """Dark, with vessels that grow fewer and thinner away from the hilum."""
        lungs = np.full(self.u_mm.shape, self.contrast.lung, dtype=np.float32)
        for _ in range(int(40 * np.clip(1.1 - depth_share, 0.2, 1.0))):
            centre_mm = (rng.normal(50.0, 40.0), rng.normal(-35.0, 35.0))
            near = np.exp(-np.hypot(centre_mm[0] - 45.0, centre_mm[1] + 25.0) / 40.0)
            radius_mm = rng.uniform(0.5, 1.2) + 2.5 * near * rng.uniform()
            along_mm = radius_mm * rng.uniform(1.0, 4.0)
            turn_rad = np.arctan2(centre_mm[1] + 20.0, centre_mm[0] - 30.0) + rng.normal(0.0, 0.4)
            vessel_mm = inside_ellipse_mm(self.u_mm, self.v_mm, centre_mm, (along_mm, radius_mm), turn_rad)
            lay_over(lungs, coverage(vessel_mm, self.pixel_mm), rng.uniform(0.2, 0.5) + 0.4 * near)
        return lungs

    def _diaphragm_mm(self, u_mm: Image, heart_radius_mm: float) -> Image:
        """(y, x) height at which the diaphragm lies for every u."""
        top_mm = heart_radius_mm + self.habitus.diaphragm_mm
        dome_mm = 14.0 * np.exp(-(((u_mm - 60.0) / 35.0) ** 2))
        return np.asarray(top_mm - 0.12 * u_mm - dome_mm + 0.7 * np.clip(u_mm - 85.0, 0.0, None))

    def _abdomen(self, rng: np.random.Generator, u_mm: Image, depth_mm: Image) -> Image:
        """Liver on the left of the image, stomach and spleen on the right, bowel, kidney and fat below."""
        c, pixel_mm = self.contrast, self.pixel_mm
        canvas = np.full(u_mm.shape, 0.75 * c.fat, dtype=np.float32)
        loops_mm = np.float32(18.0) * np.abs(smooth_field(rng, u_mm.shape, 60.0 / pixel_mm))
        lay_over(canvas, coverage(22.0 - loops_mm, pixel_mm), c.muscle)
        lay_over(canvas, coverage(8.0 - loops_mm, pixel_mm), 1.3 * c.myocardium)
        liver_mm = np.minimum(depth_mm - 2.5, np.minimum(95.0 - 0.5 * u_mm - depth_mm, 40.0 - u_mm))
        vessels = smooth_field(rng, u_mm.shape, 16.0 / pixel_mm) > 2.0
        organ = np.where(vessels, 0.65 * c.blood, c.liver).astype(np.float32)
        lay_over(canvas, coverage(liver_mm, pixel_mm), organ)
        for centre_mm, semi_axes_mm, turn_rad, signal in (
            ((115.0, 40.0), (26.0, 42.0), -0.3, c.spleen),
            ((95.0, 110.0), (27.0, 34.0), 0.2, 1.1 * c.spleen),  # kidney
            ((64.0, 27.0), (32.0, 23.0), 0.1, 0.06 + 0.5 * self.habitus.stomach_fluid),
        ):
            organ_mm = inside_ellipse_mm(u_mm, depth_mm, centre_mm, semi_axes_mm, turn_rad)
            lay_over(canvas, coverage(organ_mm + 3.0, pixel_mm), c.muscle)
            lay_over(canvas, coverage(organ_mm, pixel_mm), signal)
        return canvas

    def _lay_aorta(
        self, canvas: Image, u_mm: Image, v_mm: Image, depth_share: float, heart_radius_mm: float
    ) -> None:
        """Descending aorta beside the left ventricle, in a thin coat of fat."""
        centre_mm = (heart_radius_mm + 26.0 + 30.0 * depth_share, 22.0 + 25.0 * depth_share)
        lumen_mm = inside_ellipse_mm(u_mm, v_mm, centre_mm, (11.0, 12.5))
        lay_over(canvas, coverage(lumen_mm + 3.0, self.pixel_mm), 0.6 * self.contrast.fat)
        lay_over(canvas, coverage(lumen_mm + 1.5, self.pixel_mm), self.contrast.muscle)
        lay_over(canvas, coverage(lumen_mm, self.pixel_mm), 0.95 * self.contrast.blood)
