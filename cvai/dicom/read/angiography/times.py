"""When the frames of a run were made, and which of them show an R wave."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from cvai.dicom.read.angiography.attributes import is_enhanced, of_frame
from cvai.dicom.read.header.attributes import number, numbers, texts
from cvai.domain.findings import Finding, Severity
from cvai.domain.message import say

STEPS_MS = (5.0, 1100.0)
"""From frame to frame: 200 to one frame a second."""


def run_times(header: Dataset, n_frames: int) -> tuple[NDArray[np.float64] | None, tuple[Finding, ...]]:
    """Times by FrameTimeVector, FrameTime, CineRate or the frames' own date and time, the first that holds.

    Returns:
        (t,) ms from 0, None where nothing is stated that can be, and what a reader should know.
    """
    if n_frames == 1:
        return None, ()
    for times_ms in (_by_vector(header, n_frames), _by_step(header, n_frames), _by_frames(header, n_frames)):
        if times_ms is not None and _is_plausible(times_ms):
            return times_ms, ()
    message = say("The run states no frame times that can be used; there is no time axis.")
    return None, (Finding("times_unknown", Severity.INFO, message),)


def r_wave_frames(header: Dataset, n_frames: int, times_ms: NDArray[np.float64] | None) -> tuple[int, ...]:
    """0-based frames by RWavePointer, or by RWaveTimeVector where frames have times."""
    pointers = numbers(header, "RWavePointer") or ()
    frames = [round(pointer) - 1 for pointer in pointers]
    if not frames and times_ms is not None:
        waves_ms = numbers(header, "RWaveTimeVector") or ()
        frames = [int(np.argmin(np.abs(times_ms - wave))) for wave in waves_ms if 0 <= wave <= times_ms[-1]]
    return tuple(sorted({frame for frame in frames if 0 <= frame < n_frames}))


def _by_vector(header: Dataset, n_frames: int) -> NDArray[np.float64] | None:
    """FrameTimeVector: increments, of which the first is 0."""
    steps_ms = numbers(header, "FrameTimeVector") or ()
    if len(steps_ms) not in (n_frames - 1, n_frames):
        return None
    return np.concatenate([[0.0], np.cumsum(steps_ms[1 - n_frames :])])


def _by_step(header: Dataset, n_frames: int) -> NDArray[np.float64] | None:
    step_ms, rate = number(header, "FrameTime") or 0.0, number(header, "CineRate") or 0.0
    if step_ms <= 0 and rate > 0:
        step_ms = 1000.0 / rate
    return step_ms * np.arange(n_frames, dtype=np.float64) if step_ms > 0 else None


def _by_frames(header: Dataset, n_frames: int) -> NDArray[np.float64] | None:
    if not is_enhanced(header):
        return None
    stamps = []
    for frame in range(1, n_frames + 1):
        content = of_frame(header, "FrameContentSequence", frame)
        text = (
            texts(content, "FrameReferenceDateTime") or texts(content, "FrameAcquisitionDateTime") or ("",)
        )[0]
        try:
            stamps.append(datetime.strptime(text[:21].ljust(21, "0"), "%Y%m%d%H%M%S.%f").timestamp())
        except ValueError:
            return None
    return 1000.0 * (np.array(stamps) - stamps[0])


def _is_plausible(times_ms: NDArray[np.float64]) -> bool:
    steps_ms = np.diff(times_ms)
    return bool(np.all(steps_ms > 0) and STEPS_MS[0] <= float(np.median(steps_ms)) <= STEPS_MS[1])
