"""Linear resampling of image planes, written as two small matrices per grid.

Resampling ``image`` (y, x) to another grid is ``Wy @ image @ Wx.T``: one pair of matrices serves every frame
of a cine, which makes it a batched matrix product instead of hundreds of interpolations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_KEPT = 8
"""Pairs of window and axis whose weights are remembered: a cine is cut and drawn back piece by piece."""


def linear_weights(n_in: int, coordinates: NDArray[np.float64], step: float) -> NDArray[np.float32]:
    """Weights of a linear interpolation, widened to average over a whole sample when downsampling.

    Args:
        n_in: number of samples of the source axis.
        coordinates: (n_out,) where to sample, in source index units.
        step: distance between neighbouring output samples in source index units, positive.

    Returns:
        (n_out, n_in) weights; rows sum to one, and rows that fall outside the source are zero: outside
        there is no image, and none is invented.
    """
    half_width = max(1.0, step)
    distance = np.abs(coordinates[:, None] - np.arange(n_in)[None, :])
    weights = np.clip(1.0 - distance / half_width, 0.0, None)
    inside = (coordinates >= -0.5) & (coordinates <= n_in - 0.5)
    total = weights.sum(axis=1, keepdims=True)
    return np.asarray(np.where(inside[:, None], weights / np.maximum(total, 1e-9), 0.0), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Window:
    """A square-pixelled window into an image plane, at a spacing of its own.

    Args:
        shape: (rows, columns) of the image plane.
        spacing_mm: (between rows, between columns) of the image plane.
        centre: (y, x) of the window's centre in pixels of the image plane.
        size: (rows, columns) of the window.
        window_spacing_mm: pixel size of the window.
    """

    shape: tuple[int, int]
    spacing_mm: tuple[float, float]
    centre: tuple[float, float]
    size: tuple[int, int]
    window_spacing_mm: float

    def step(self, axis: int) -> float:
        """Distance between neighbouring pixels of the window, in pixels of the image plane."""
        return self.window_spacing_mm / self.spacing_mm[axis]

    def _into(self, axis: int) -> NDArray[np.float32]:
        return _into(self, axis)

    def _back(self, axis: int) -> NDArray[np.float32]:
        return _back(self, axis)

    def cut(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., y, x) image planes resampled to (..., *size); zero outside the image."""
        return np.asarray(self._into(0) @ images @ self._into(1).T, dtype=np.float32)

    @property
    def footprint(self) -> tuple[slice, slice]:
        """Rows and columns of the image plane that lie in the window."""
        rows, columns = (_extent(self._back(axis)) for axis in (0, 1))
        return rows, columns

    def back(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., *size) maps resampled to the image plane's pixels within ``footprint``."""
        rows, columns = self.footprint
        return np.asarray(self._back(0)[rows] @ maps @ self._back(1)[columns].T, dtype=np.float32)

    def to_plane(self, point: tuple[float, float]) -> tuple[float, float]:
        """(y, x) in pixels of the image plane for a (y, x) in pixels of the window."""
        y, x = (
            self.centre[axis] + (point[axis] - (self.size[axis] - 1) / 2) * self.step(axis) for axis in (0, 1)
        )
        return y, x


@lru_cache(maxsize=_KEPT)
def _into(window: Window, axis: int) -> NDArray[np.float32]:
    """Weights that take an axis of the image plane to that of the window; read-only."""
    n, step = window.size[axis], window.step(axis)
    coordinates = window.centre[axis] + (np.arange(n, dtype=np.float64) - (n - 1) / 2) * step
    return _read_only(linear_weights(window.shape[axis], coordinates, step))


@lru_cache(maxsize=_KEPT)
def _back(window: Window, axis: int) -> NDArray[np.float32]:
    """Weights that take an axis of the window to that of the image plane; read-only."""
    n, step, n_plane = window.size[axis], window.step(axis), window.shape[axis]
    coordinates = (np.arange(n_plane, dtype=np.float64) - window.centre[axis]) / step + (n - 1) / 2
    return _read_only(linear_weights(n, coordinates, 1.0 / step))


def _read_only(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    weights.setflags(write=False)
    return weights


def _extent(back: NDArray[np.float32]) -> slice:
    touched = np.flatnonzero(back.any(axis=1))
    return slice(int(touched[0]), int(touched[-1]) + 1)


def full_window(shape: tuple[int, int], spacing_mm: tuple[float, float], window_spacing_mm: float) -> Window:
    """The window that holds the whole image plane."""
    size = tuple(int(np.ceil(n * s / window_spacing_mm)) for n, s in zip(shape, spacing_mm, strict=True))
    return Window(
        shape, spacing_mm, ((shape[0] - 1) / 2, (shape[1] - 1) / 2), (size[0], size[1]), window_spacing_mm
    )
