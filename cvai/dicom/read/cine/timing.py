"""Order and times of the phases of a cine, and the heart rate, as far as the headers tell them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from cvai.dicom.read.cine.conditions import (
    SAME_RATE,
    covered_ms,
    rr_interval_ms,
    stated_interval_ms,
    stated_rate_bpm,
)
from cvai.dicom.read.header.attributes import whole_number
from cvai.dicom.read.values import ImagePlane, Images
from cvai.domain.findings import Finding, Severity, whole_slices
from cvai.domain.message import say
from cvai.domain.subject import is_heart_rate
from cvai.errors import GeometryRefused

_MOST_COVERED, _LEAST_COVERED = 1.15, 0.55
"""Share of the R-R interval that the phases may cover. Retrospective gating covers all of it and prospective
gating somewhat less; more, or hardly half, is a heart rate that belongs to something else."""

_SAME_STATED_RATE = 1.2
"""Ratio of HeartRate and 60 s over NominalInterval that is no more than two ways of averaging."""

_MOST_REPEATED_TIMES = 2
"""So many pairs of images of a slice may state one time; more is no slip of the scanner."""

_PHASE_KEYS: tuple[Callable[[ImagePlane], float | tuple[int, ...] | None], ...] = (
    lambda plane: plane.trigger_time_ms,
    lambda plane: plane.temporal_position,
    lambda plane: plane.dimension_index or None,
    lambda plane: plane.instance_number,
    lambda plane: plane.frame_number,
    lambda plane: whole_number(plane.header, "SeriesNumber"),
)
"""What orders phases, the most telling first."""


def in_phase_order(images: Images, slice_name: str) -> Images:
    """The images of one slice in order of time.

    Trigger times decide where they are stated and distinct, else temporal positions, dimension indices,
    instance numbers, which may count phase by phase or slice by slice, or frame numbers. A time that is
    stated twice is taken for a slip where instance numbers run with the times.

    Raises:
        GeometryRefused: ``duplicate_frame``, two images claim the same phase.
    """
    keys: Sequence[Callable[[ImagePlane], float | tuple[int, ...] | None]] = _PHASE_KEYS
    if _some_but_not_all_coincide(images):
        keys = _PHASE_KEYS[1:2]  # times that hold for most images must not be overruled by mere numbering
    for key in keys:
        values = [key(plane) for plane in images]
        if None not in values and len(set(values)) == len(values):
            return tuple(plane for _, plane in sorted(zip(values, images, strict=True), key=lambda p: p[0]))  # type: ignore[arg-type,return-value]
    if (ordered := _with_repeated_times(images)) is not None:
        return ordered
    raise GeometryRefused(
        "duplicate_frame",
        say("{slice_name} holds different images that claim the same phase.", slice_name=slice_name),
        say("Send one acquisition of the slice only."),
    )


def images_at_one_time(images: Images) -> list[tuple[ImagePlane, ImagePlane]]:
    """Neighbours, in order of phase, that state the same trigger time."""
    return [
        (a, b)
        for a, b in pairwise(images)
        if a.trigger_time_ms is not None and a.trigger_time_ms == b.trigger_time_ms
    ]


def heart_rate(
    slices: Sequence[Images], times_ms: NDArray[np.float64] | None
) -> tuple[float | None, list[Finding]]:
    """Heart rate in beats per minute, and what is to be said about it.

    HeartRate counts, else the nominal R-R interval, else the time the phases cover: with retrospective gating
    they cover the whole heartbeat, with prospective gating somewhat less, which the finding says. Where these
    contradict each other, none counts.
    """
    planes = [plane for images in slices for plane in images]
    rate_bpm, interval_ms = stated_rate_bpm(planes), stated_interval_ms(planes)
    stated_bpm = rate_bpm if rate_bpm is not None else (60_000.0 / interval_ms if interval_ms else None)
    if stated_bpm is not None:
        contradiction = _contradiction(rate_bpm, interval_ms, _usually_covered_ms(slices))
        if contradiction is None:
            return stated_bpm, _varying_rate(slices)
        message = say(
            "{contradiction}: the heart rate is not known, and the cardiac output is not given.",
            contradiction=contradiction,
        )
        return None, [Finding("heart_rate_contradicted", Severity.WITHHELD, message)]
    if times_ms is None:
        return None, []
    step_ms = float(np.median(np.diff(times_ms, axis=0)))
    estimated_bpm = 60_000.0 / (step_ms * len(times_ms))
    if not is_heart_rate(estimated_bpm):
        return None, []
    message = say(
        "The heart rate is not stated; {estimated_bpm:.0f}/min follows if the phases cover the whole "
        "heartbeat, and is too high if they do not.",
        estimated_bpm=estimated_bpm,
    )
    return estimated_bpm, [Finding("heart_rate_estimated", Severity.WARNING, message)]


def _contradiction(rate_bpm: float | None, interval_ms: float | None, cover_ms: float | None) -> str | None:
    if rate_bpm is not None and interval_ms is not None:
        ratio = rate_bpm * interval_ms / 60_000.0
        if not 1 / _SAME_STATED_RATE <= ratio <= _SAME_STATED_RATE:
            return say(
                "HeartRate says {rate_bpm:.0f}/min, NominalInterval {interval_bpm:.0f}/min",
                rate_bpm=rate_bpm,
                interval_bpm=60_000.0 / interval_ms,
            )
    rr_ms = interval_ms if interval_ms is not None else 60_000.0 / (rate_bpm or 1.0)
    if cover_ms is None or _LEAST_COVERED * rr_ms <= cover_ms <= _MOST_COVERED * rr_ms:
        return None
    return say(
        "The phases cover {cover_ms:.0f} ms, the stated R-R interval is {rr_ms:.0f} ms",
        cover_ms=cover_ms,
        rr_ms=rr_ms,
    )


def _usually_covered_ms(slices: Sequence[Images]) -> float | None:
    covered = [c for images in slices if (c := covered_ms(images)) is not None]
    return float(median(covered)) if len(covered) == len(slices) else None


def _varying_rate(slices: Sequence[Images]) -> list[Finding]:
    intervals_ms = {z: i for z, images in enumerate(slices) if (i := rr_interval_ms(images)) is not None}
    if not intervals_ms:
        return []
    slowest, fastest = (pick(intervals_ms, key=intervals_ms.__getitem__) for pick in (max, min))
    if intervals_ms[slowest] <= SAME_RATE * intervals_ms[fastest]:
        return []
    low_bpm, high_bpm = 60_000.0 / intervals_ms[slowest], 60_000.0 / intervals_ms[fastest]
    message = say(
        "Slices were acquired at {low_bpm:.0f} to {high_bpm:.0f} beats a minute: they may show "
        "hearts of different filling, or not have been acquired under one condition.",
        low_bpm=low_bpm,
        high_bpm=high_bpm,
    )
    return [Finding("heart_rate_varies", Severity.WARNING, message, whole_slices((slowest, fastest)))]


def _some_but_not_all_coincide(images: Images) -> bool:
    times_ms = [p.trigger_time_ms for p in images]
    return None not in times_ms and 1 < len(set(times_ms)) < len(times_ms)


def _with_repeated_times(images: Images) -> Images | None:
    """The order of instance numbers, if it is that of the times but for a time or two that are stated
    twice."""
    if None in (numbers := [p.instance_number for p in images]) or len(set(numbers)) < len(numbers):
        return None
    ordered = tuple(sorted(images, key=lambda p: p.instance_number or 0))
    times_ms = [p.trigger_time_ms for p in ordered if p.trigger_time_ms is not None]
    steps_ms = np.diff(times_ms)
    if len(times_ms) < len(images) or np.any(steps_ms < 0):
        return None
    return ordered if np.count_nonzero(steps_ms == 0) <= _MOST_REPEATED_TIMES else None
