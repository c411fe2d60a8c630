"""From echoes to grey frames: scatterers seen through a beam, compressed, and laid out as a sector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from cvai.phantom.echo_apical.parameters import MARGIN_PX, LoopAcquisition
from cvai.phantom.seeds import Stream, generator

_DEPTHS, _BEAMS = 420, 150
_BLUR = (1.1, 1.5)
"""Standard deviation of the beam's point spread in samples of depth and angle: speckle is wider than deep."""

_RANGE_DB = 58.0
_SHALLOWEST_MM = 3.0
_LASTING = 0.85
"""Share of the speckle's amplitude that stays from frame to frame."""

_HAZE_DB, _HAZE_MM = 16.0, 14.0
"""Reverberation before the apex, and how deep it reaches."""

Points = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Beams:
    """The transducer's own grid, and how an image is read off it.

    Args:
        depth_mm: (depth, beam) of every sample below the transducer.
        right_mm: (depth, beam) from the middle beam.
        places: (2, y, x) fractional sample of every pixel.
        sector: (y, x) where there is an image.
    """

    depth_mm: Points
    right_mm: Points
    places: NDArray[np.float32]
    sector: NDArray[np.bool_]

    @classmethod
    def of(cls, acquisition: LoopAcquisition) -> Beams:
        """The grid of an acquisition."""
        half_rad = np.deg2rad(acquisition.sector_degrees / 2)
        r_mm = np.linspace(_SHALLOWEST_MM, acquisition.depth_mm, _DEPTHS)[:, None]
        angle = np.linspace(-half_rad, half_rad, _BEAMS)[None]
        depth_mm, right_mm = pixels_mm(acquisition)
        r, a = np.hypot(depth_mm, right_mm), np.arctan2(right_mm, np.maximum(depth_mm, 1e-6))
        places = np.stack(
            [
                (r - _SHALLOWEST_MM) / (acquisition.depth_mm - _SHALLOWEST_MM) * (_DEPTHS - 1),
                (a + half_rad) / (2 * half_rad) * (_BEAMS - 1),
            ]
        ).astype(np.float32)
        sector = (
            (r >= _SHALLOWEST_MM) & (r <= acquisition.depth_mm) & (np.abs(a) <= half_rad) & (depth_mm > 0)
        )
        return cls(r_mm * np.cos(angle), r_mm * np.sin(angle), places, sector)

    def laid_out(self, samples: NDArray[np.float32]) -> NDArray[np.uint8]:
        """(y, x) frame of (depth, beam) samples 0..255, black outside the sector."""
        frame = map_coordinates(samples, self.places, order=1, mode="nearest") * self.sector
        return np.asarray(np.rint(frame), dtype=np.uint8)


def pixels_mm(acquisition: LoopAcquisition) -> tuple[Points, Points]:
    """(y, 1) depth below the transducer and (1, x) distance from the middle beam of every pixel's centre."""
    rows, columns = np.arange(acquisition.rows), np.arange(acquisition.columns)
    depth_mm = (rows - MARGIN_PX)[:, None] * acquisition.spacing_y_mm
    right_mm = (columns - (acquisition.columns - 1) / 2)[None] * acquisition.spacing_x_mm
    return depth_mm, right_mm


class Speckle:
    """Scatterers that echo: the same for every frame but for a share that blood and noise renew."""

    def __init__(self, seed: int, stream_index: int) -> None:
        self._rng = generator(seed, Stream.NOISE, 1000 + stream_index)
        self._lasting = self._drawn()
        field = gaussian_filter(self._rng.standard_normal((_DEPTHS, _BEAMS)), (40, 14), mode="nearest")
        self._uneven_db = 4.5 * field / field.std()
        self._gain_db = self._rng.uniform(-2.0, 2.0)

    def seen(self, echo_db: NDArray[np.float32], depth_mm: Points) -> NDArray[np.float32]:
        """(depth, beam) samples 0..255 of one frame with this echo."""
        haze_db = _HAZE_DB * np.exp(-((depth_mm / _HAZE_MM) ** 2))
        amplitude = 10 ** ((echo_db + self._uneven_db + haze_db) / 20)
        scatterers = _LASTING * self._lasting + np.sqrt(1 - _LASTING**2) * self._drawn()
        real, imaginary = (gaussian_filter(part * amplitude, _BLUR) for part in scatterers)
        seen_db = 20 * np.log10(np.hypot(real, imaginary) * _kept() + 1e-6) + self._gain_db
        return np.asarray(np.clip((seen_db + _RANGE_DB) / _RANGE_DB, 0, 1) * 255, dtype=np.float32)

    def _drawn(self) -> NDArray[np.float32]:
        return self._rng.standard_normal((2, _DEPTHS, _BEAMS), dtype=np.float32)


def _kept() -> float:
    """What the point spread takes from the amplitude of white scatterers."""
    return float(2 * np.sqrt(np.pi * _BLUR[0] * _BLUR[1]) / np.sqrt(2))
