"""Heartbeats in a loop: an ultrasound loop may hold several, and parts of others at its ends.

Beats are found in the curve alone. Times of frames are wrong in many loops, and a beat that is looked for at
the wrong scale has the wrong ejection fraction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.phases import KeyPhases

_LEAST_SWING = 0.35
"""Share of the curve's whole range by which an end-systole lies below what surrounds it."""

_SMOOTHED_SHARE = 0.04
"""Of a beat: standard deviation of the smoothing under which extremes are looked for, 32 of 800 ms. Of
phantoms at 25, 50 and 100 frames a second it gives ejection fractions with the least scatter; with half as
much, noise passes for extremes at high rates."""

_SHORTEST_SHARE = 0.4
"""Of the usual beat of a loop: end-systoles that are nearer to each other are one."""

_EMPTY_SHARE = 0.45
"""Of a beat in which the ventricle is less than half full; tells its length where a loop has only one."""


@dataclass(frozen=True, slots=True, eq=False)
class AreaCurve:
    """The area of the LV cavity over a loop, with its end-systoles.

    Args:
        smooth: (t,) smoothed area.
        end_systoles: frames of the troughs, in order.
    """

    smooth: NDArray[np.float64]
    end_systoles: tuple[int, ...]

    @property
    def beats(self) -> tuple[KeyPhases, ...]:
        """End-diastole and end-systole of every whole beat, in order of time; may be empty.

        The end-diastole is the largest frame before an end-systole and after the last one. A systole whose
        beginning lies before the loop is left out.
        """
        beats, start = [], 0
        for end_systole in self.end_systoles:
            end_diastole = start + int(self.smooth[start : end_systole + 1].argmax())
            if self._is_whole(start, end_diastole, end_systole):
                beats.append(KeyPhases(end_diastole, end_systole))
            start = end_systole
        return tuple(beats)

    @property
    def extremes(self) -> KeyPhases:
        """The largest and the smallest frame, which are no beat."""
        return KeyPhases(int(self.smooth.argmax()), int(self.smooth.argmin()))

    @property
    def beat_frames(self) -> float | None:
        """Frames from one end-systole to the next, None where there are fewer than two."""
        if len(self.end_systoles) < 2:
            return None
        return float(np.median(np.diff(self.end_systoles)))

    @property
    def empty_frames(self) -> int | None:
        """Frames around the first end-systole in which the ventricle is less than half full, 1 or more."""
        if not self.end_systoles:
            return None
        at = self.end_systoles[0]
        full = np.flatnonzero(self.smooth >= (self.smooth.max() + self.smooth[at]) / 2)
        before, after = full[full < at], full[full > at]
        first = int(before[-1]) + 1 if before.size else 0
        last = int(after[0]) if after.size else len(self.smooth)
        return last - first

    def _is_whole(self, start: int, end_diastole: int, end_systole: int) -> bool:
        """Whether the systole begins within the loop: near the largest area, and not cut off in its fall."""
        drop = float(self.smooth[end_diastole] - self.smooth[end_systole])
        is_full = drop >= 0.7 * float(np.ptp(self.smooth))
        falls_from_the_start = (
            start == 0 and end_diastole == 0 and self.smooth[0] < self.smooth.max() - 0.1 * drop
        )
        return is_full and not falls_from_the_start


@dataclass(frozen=True, slots=True)
class BeatSpan:
    """A heartbeat from end-diastole over end-systole to the next end-diastole, as frames.

    Raises:
        ValueError: they do not follow one another.
    """

    start: int
    end_systole: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end_systole < self.end:
            raise ValueError(f"frames {self.start}, {self.end_systole}, {self.end} are no heartbeat")

    @property
    def n_frames(self) -> int:
        """Frames from end-diastole to end-diastole."""
        return self.end - self.start


def span_of(curve: AreaCurve, beat: KeyPhases) -> BeatSpan | None:
    """The beat with its filling, up to the largest frame before the next end-systole; None where none is."""
    end_diastole, end_systole = beat.end_diastole, beat.end_systole
    later = [t for t in curve.end_systoles if t > end_systole]
    filling = curve.smooth[end_systole : later[0] if later else len(curve.smooth)]
    end = end_systole + int(filling.argmax())
    return BeatSpan(end_diastole, end_systole, end) if end_diastole < end_systole < end else None


def area_curve(area: NDArray[np.float64]) -> AreaCurve:
    """Smooth a curve as its own beats ask for, and find its end-systoles.

    A first look at the hardly smoothed curve gives the length of a beat, and that the smoothing. The median
    of three takes out single bad frames, which would be troughs of their own.

    Args:
        area: (t,) area of the LV cavity, in any unit.
    """
    steady = ndimage.median_filter(area, 3, mode="nearest")
    first = _curve(steady, 1.0, 1.0)
    beat_frames = first.beat_frames or (first.empty_frames or 0) / _EMPTY_SHARE
    return _curve(steady, _SMOOTHED_SHARE * beat_frames, _SHORTEST_SHARE * beat_frames)


def beats_of(area: NDArray[np.float64]) -> tuple[KeyPhases, ...]:
    """End-diastole and end-systole of every whole beat, in order of time; at least one.

    Where no beat is whole, the largest and the smallest frame stand for one.

    Args:
        area: (t,) area of the LV cavity, in any unit.
    """
    curve = area_curve(area)
    return curve.beats or (curve.extremes,)


def _curve(area: NDArray[np.float64], sigma_frames: float, apart_frames: float) -> AreaCurve:
    from scipy.signal import find_peaks  # brings scipy.stats along: a quarter of a service's start

    smooth = ndimage.gaussian_filter1d(area, max(1.0, sigma_frames), mode="nearest")
    prominence = max(_LEAST_SWING * float(np.ptp(smooth)), 1e-9)
    troughs, _ = find_peaks(-smooth, prominence=prominence, distance=max(1.0, apart_frames))
    return AreaCurve(smooth, tuple(troughs.tolist()))
