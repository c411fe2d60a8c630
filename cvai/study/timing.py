"""Order and times of the phases of a cine, and the heart rate, as far as the headers tell them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from cvai.errors import GeometryRefused
from cvai.heart.findings import Finding, Severity
from cvai.study.header import whole_number
from cvai.study.values import ImagePlane, Images

_HEART_RATES_BPM = (20.0, 250.0)
"""Outside of these a stated heart rate is a placeholder; some scanners write 0."""

_UNEVEN_STEP = 1.75
"""A step this many times the usual one leaves room for a phase that is not there."""

_PHASE_KEYS: tuple[Callable[[ImagePlane], float | None], ...] = (
    lambda plane: plane.trigger_time_ms,
    lambda plane: plane.temporal_position,
    lambda plane: plane.instance_number,
    lambda plane: whole_number(plane.header, "SeriesNumber"),
)
"""What orders phases, the most telling first."""


def in_phase_order(images: Images, slice_name: str) -> Images:
    """The images of one slice in order of time.

    Trigger times decide where they are stated and distinct, else temporal positions, else instance numbers,
    which may count phase by phase or slice by slice.

    Raises:
        GeometryRefused: ``duplicate_frame``, two images claim the same phase.
    """
    keys: Sequence[Callable[[ImagePlane], float | None]] = _PHASE_KEYS
    if _some_but_not_all_coincide(images):
        keys = _PHASE_KEYS[1:2]  # times that hold for most images must not be overruled by mere numbering
    for key in keys:
        values = [key(plane) for plane in images]
        if None not in values and len(set(values)) == len(values):
            return tuple(sorted(images, key=lambda p: key(p) or 0.0))
    raise GeometryRefused(
        "duplicate_frame",
        f"{slice_name} holds different images that claim the same phase.",
        "Send one acquisition of the slice only.",
    )


def phase_times(slices: Sequence[Images]) -> tuple[NDArray[np.float64] | None, list[Finding]]:
    """(t, z) times after the R wave in ms, and what is to be said about them.

    Args:
        slices: (z)(t) images in order of phase, equally many in every slice.
    """
    columns = [_trigger_times_ms(images) for images in slices]
    if all(column is not None for column in columns):
        times_ms = np.array(columns, dtype=np.float64).T
        return times_ms, _uneven_steps(times_ms)
    intervals_ms = [_nominal_interval_ms(images) for images in slices]
    if all(interval is not None for interval in intervals_ms):
        n_phases = len(slices[0])
        shares = np.arange(n_phases, dtype=np.float64)[:, np.newaxis] / n_phases
        message = "Trigger times are missing; phases were spread evenly over the nominal R-R interval."
        finding = Finding("times_from_nominal_interval", Severity.INFO, message)
        return shares * np.array(intervals_ms, dtype=np.float64), [finding]
    message = "The study tells no times of the phases; they are only ordered."
    return None, [Finding("times_unknown", Severity.WARNING, message)]


def heart_rate(
    slices: Sequence[Images], times_ms: NDArray[np.float64] | None
) -> tuple[float | None, list[Finding]]:
    """Heart rate in beats per minute, and what is to be said about it.

    HeartRate counts, else the nominal R-R interval, else the time the phases cover: with retrospective gating
    they cover the whole heartbeat, with prospective gating somewhat less, which the finding says.
    """
    planes = [plane for images in slices for plane in images]
    stated_bpm = [p.heart_rate_bpm for p in planes if p.heart_rate_bpm is not None]
    intervals_ms = [p.nominal_interval_ms for p in planes if p.nominal_interval_ms is not None]
    for rates_bpm in (stated_bpm, [60_000.0 / i for i in intervals_ms if i > 0]):
        plausible_bpm = [rate for rate in rates_bpm if _is_heart_rate(rate)]
        if plausible_bpm:
            return float(median(plausible_bpm)), []
    if times_ms is None:
        return None, []
    step_ms = float(np.median(np.diff(times_ms, axis=0)))
    estimated_bpm = 60_000.0 / (step_ms * len(times_ms))
    if not _is_heart_rate(estimated_bpm):
        return None, []
    message = (
        f"The heart rate is not stated; {estimated_bpm:.0f}/min follows if the phases cover the whole "
        "heartbeat, and is too high if they do not."
    )
    return estimated_bpm, [Finding("heart_rate_estimated", Severity.WARNING, message)]


def _some_but_not_all_coincide(images: Images) -> bool:
    times_ms = [p.trigger_time_ms for p in images]
    return None not in times_ms and 1 < len(set(times_ms)) < len(times_ms)


def _trigger_times_ms(images: Images) -> list[float] | None:
    times_ms = [p.trigger_time_ms for p in images if p.trigger_time_ms is not None]
    is_increasing = len(times_ms) == len(images) and all(np.diff(times_ms) > 0)
    return times_ms if is_increasing else None


def _nominal_interval_ms(images: Images) -> float | None:
    intervals_ms = [p.nominal_interval_ms for p in images if p.nominal_interval_ms is not None]
    plausible_ms = [
        interval for interval in intervals_ms if interval > 0 and _is_heart_rate(60_000.0 / interval)
    ]
    return float(median(plausible_ms)) if plausible_ms else None


def _is_heart_rate(rate_bpm: float) -> bool:
    return _HEART_RATES_BPM[0] <= rate_bpm <= _HEART_RATES_BPM[1]


def _uneven_steps(times_ms: NDArray[np.float64]) -> list[Finding]:
    steps_ms = np.diff(times_ms, axis=0)
    usual_ms = np.median(steps_ms, axis=0)
    uneven = np.flatnonzero((steps_ms > _UNEVEN_STEP * usual_ms).any(axis=0))
    if uneven.size == 0:
        return []
    message = (
        f"Phases of {uneven.size} slice(s) are up to {steps_ms.max():.0f} ms apart where "
        f"{np.median(usual_ms):.0f} ms are usual; a phase may be missing."
    )
    return [Finding("uneven_phase_times", Severity.WARNING, message)]
