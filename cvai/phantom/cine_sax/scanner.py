"""From tissue signal to stored pixels: point spread, receiver coils, off-resonance bands, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from cvai.phantom.cine_sax.paint import Image, smooth_field
from cvai.phantom.cine_sax.stack import SliceStack
from cvai.phantom.cine_sax.tissue import Contrast
from cvai.phantom.seeds import Stream, generator

_COIL_DEPTH_MM = 45.0
"""Depth over which a surface coil's sensitivity falls to a third."""

_BAND_FREE_MM = 150.0
"""Radius of the shimmed volume around the heart; beyond it balanced sequences show dark bands."""


@dataclass(frozen=True, slots=True)
class Scanner:
    """One scanner with one patient in it.

    Args:
        coil_gain: sensitivity at the skin relative to the depth of the heart, minus 1.
        blur_mm: standard deviation of the point spread.
        contrast: signal of tissues, scale of stored values, noise.
        seed: of the phantom.
    """

    coil_gain: float
    blur_mm: float
    contrast: Contrast
    seed: int

    @classmethod
    def drawn(cls, seed: int, contrast: Contrast) -> Scanner:
        """The scanner that belongs to ``seed``."""
        rng = generator(seed, Stream.NOISE)
        return cls(rng.uniform(0.4, 1.1), rng.uniform(0.75, 1.0), contrast, seed)

    def sensitivity(self, skin_depth_mm: Image, stack: SliceStack) -> Image:
        """(y, x) gain of the receiver coils times the dark bands far from the isocentre.

        Args:
            skin_depth_mm: (y, x) distance below the skin.
            stack: the slices, whose long axis passes near the isocentre.
        """
        from_axis_mm = np.hypot(stack.u_mm, stack.v_mm)
        depth_mm = np.clip(skin_depth_mm, 0.0, None)
        coil = 1.0 + self.coil_gain * (np.exp(-depth_mm / _COIL_DEPTH_MM) - np.exp(-90.0 / _COIL_DEPTH_MM))
        rng = generator(self.seed, Stream.NOISE, 1)
        phase_rad = np.pi * (from_axis_mm / _BAND_FREE_MM) ** 5
        phase_rad = phase_rad * (1.0 + 0.15 * smooth_field(rng, from_axis_mm.shape, 120.0 / stack.pixel_mm))
        band = 1.0 - 0.6 * np.exp(-(((phase_rad % (2 * np.pi) - np.pi) / 0.5) ** 2))
        return np.asarray(coil * band, dtype=np.float32)

    def stored(self, signal: Image, sensitivity: Image, stack: SliceStack, index: int) -> NDArray[np.uint16]:
        """(t, y, x) stored values of one slice: the magnitude of blurred signal plus complex noise.

        Args:
            signal: (t, y, x) tissue signal, fat negative.
            sensitivity: (y, x) receiver gain.
            stack: the slices.
            index: number of the slice, for its noise.
        """
        rng = generator(self.seed, Stream.NOISE, index + 2)
        sigma = np.float32(self.contrast.noise / self._noise_kept(stack))
        real, imaginary = (sigma * rng.standard_normal(signal.shape, dtype=np.float32) for _ in range(2))
        real += signal * sensitivity
        magnitude = np.hypot(self._blurred(real, stack), self._blurred(imaginary, stack))
        magnitude *= np.float32(self.contrast.stored_blood)
        return np.asarray(np.rint(np.clip(magnitude, 0, 4095)), dtype=np.uint16)

    def _blurred(self, image: Image, stack: SliceStack) -> Image:
        """(t, y, x) with the point spread of the readout, which noise goes through like signal."""
        for axis, step_mm in ((-2, stack.geometry.spacing_y_mm), (-1, stack.geometry.spacing_x_mm)):
            image = gaussian_filter1d(image, self.blur_mm / step_mm, axis=axis, mode="nearest")
        return image

    def _noise_kept(self, stack: SliceStack) -> float:
        """Share of the standard deviation of white noise that is left after the point spread."""
        impulse = np.zeros((1, 41, 41), dtype=np.float32)
        impulse[0, 20, 20] = 1.0
        return float(np.sqrt((self._blurred(impulse, stack) ** 2).sum()))
