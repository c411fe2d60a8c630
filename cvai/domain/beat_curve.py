"""A quantity over a heartbeat as a smooth, periodic curve, whose slope is known everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CUTOFF_HZ = 5.0
"""Frequency that is halved. Of phantoms with 25 and 30 phases peak rates come out within 1 % (ejection) and 6
% (filling) of the true ones; a higher cutoff turns an error of 1 mL in single phases into one of 10 % and
more."""


@dataclass(frozen=True, slots=True, eq=False)
class BeatCurve:
    """A Fourier series over one heartbeat.

    Args:
        period_ms: duration of the heartbeat.
        mean: of the curve.
        cosines: (k,) amplitudes of its harmonics from the first on.
        sines: (k,) the same.
    """

    period_ms: float
    mean: float
    cosines: NDArray[np.float64]
    sines: NDArray[np.float64]

    @classmethod
    def smoothed(
        cls, times_ms: NDArray[np.float64], values: NDArray[np.float64], period_ms: float
    ) -> BeatCurve:
        """The curve nearest to samples that need not be evenly spread, with a penalty on its bending.

        It is the periodic smoothing spline of the samples as far as they can tell it: the harmonic of
        frequency f keeps a share of 1 / (1 + (f / CUTOFF_HZ)^4) of its amplitude.

        Args:
            times_ms: (t,) of the samples, within one period.
            values: (t,) at these times.
            period_ms: duration of the heartbeat.

        Raises:
            ValueError: fewer than five samples, or a period they do not fit into.
        """
        n = values.size
        if n < 5 or not float(np.ptp(times_ms)) < period_ms:
            raise ValueError(f"{n} samples over {np.ptp(times_ms):.0f} ms for a period of {period_ms:.0f} ms")
        orders = np.arange(1, (n - 1) // 2 + 1)
        angles = np.outer(times_ms, orders) * (2.0 * np.pi / period_ms)
        design = np.concatenate([np.ones((n, 1)), np.cos(angles), np.sin(angles)], axis=1)
        bending = (orders / (CUTOFF_HZ * period_ms / 1000.0)) ** 4
        penalty = np.diag(n / 2 * np.concatenate([[0.0], bending, bending]))
        found = np.linalg.solve(design.T @ design + penalty, design.T @ values)
        cosines, sines = np.split(found[1:], 2)
        return cls(period_ms, float(found[0]), cosines, sines)

    def values(self, times_ms: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) the curve at any times."""
        angles, _ = self._angles(times_ms)
        return np.asarray(self.mean + np.cos(angles) @ self.cosines + np.sin(angles) @ self.sines)

    def rates(self, times_ms: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) the curve's slope at any times, per second."""
        angles, per_s = self._angles(times_ms)
        return np.asarray(np.cos(angles) @ (per_s * self.sines) - np.sin(angles) @ (per_s * self.cosines))

    def _angles(self, times_ms: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n, k) angles of every harmonic, and (k,) by how much they grow in a second."""
        per_ms = np.arange(1, self.cosines.size + 1) * (2.0 * np.pi / self.period_ms)
        return np.asarray(np.outer(times_ms, per_ms)), np.asarray(1000.0 * per_ms)
