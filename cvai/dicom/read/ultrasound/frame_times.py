"""When the frames of an ultrasound loop were acquired, as far as its header says so without contradiction.

Beats and ejection fractions do not depend on it (cvai.domain.beats): a loop without times can be measured. A
loop whose only statement is impossible, such as a FrameTime in seconds, is refused: whoever wrote it cannot
be believed in other things either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from cvai.dicom.read.header.attributes import number, numbers
from cvai.domain.findings import Finding, Severity
from cvai.domain.message import Message, joined, linked, say
from cvai.domain.subject import is_heart_rate
from cvai.errors import GeometryRefused

STEPS_MS = (2.0, 200.0)
"""From frame to frame, 500 to 5 frames a second: no machine makes more, and fewer show no heartbeat."""

_AGREE = 1.25
"""Ratio of two statements up to which they are the same; CineRate is rounded, and durations count n or n - 1
steps."""

_WHOLE_SECONDS_MS = 500.0
"""By how much a duration may be off that is written as a whole number of seconds."""

_SAME_RATE = 1.5
"""Ratio of two heart rates of one loop up to which they may be the same, one counted beat by beat."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameTimes:
    """The times of the frames of a loop.

    Args:
        times_ms: (t,) increasing, the first 0; None where the header tells none that can be used.
        findings: where times come from other attributes, or why there are none.
    """

    times_ms: NDArray[np.float64] | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Statement:
    """What one attribute says: (t,) times in ms, the step between frames, and the words for messages."""

    keyword: str
    times_ms: NDArray[np.float64]
    words: Message

    @property
    def step_ms(self) -> float:
        return float(np.median(np.diff(self.times_ms)))

    @property
    def is_plausible(self) -> bool:
        steps_ms = np.diff(self.times_ms)
        return bool(
            np.all(steps_ms > 0) and STEPS_MS[0] <= self.step_ms <= STEPS_MS[1] and not _are_times(steps_ms)
        )


def frame_times(header: Dataset, n_frames: int) -> FrameTimes:
    """Times by FrameTimeVector, FrameTime, CineRate or EffectiveDuration (PS3.3 C.7.6.5), the first stated.

    RecommendedDisplayFrameRate says how to show a loop, not how it was acquired, and is not used.

    Args:
        header: of the instance.
        n_frames: two or more.

    Raises:
        GeometryRefused: ``frame_times_implausible``, every statement is impossible.
    """
    stated = _statements(header, n_frames)
    if not stated:
        return _by_duration(header, n_frames)
    first = next((s for s in stated if s.is_plausible), None)
    if first is None:
        raise GeometryRefused(
            "frame_times_implausible",
            say(
                "The loop of {n_frames} frames states {statements}: no ultrasound machine acquires so.",
                n_frames=n_frames,
                statements=_listed(stated),
            ),
            say(
                "Send the loop as the ultrasound machine stored it, with the time of its frames in "
                "milliseconds."
            ),
        )
    against = [s.words for s in stated if not _agree(s, first)] + _durations_against(header, first)
    if against:
        message = say(
            "The frame times contradict each other: {statements}; not used.",
            statements=joined(", ", [first.words, *against]),
        )
        return FrameTimes(None, (Finding("frame_times_contradicted", Severity.WITHHELD, message),))
    return FrameTimes(first.times_ms, _other_source(first) if first.keyword == "CineRate" else ())


def _statements(header: Dataset, n_frames: int) -> list[_Statement]:
    """Machines write 0 where they know nothing; a vector of another length is of another loop."""
    stated = []
    steps_ms = numbers(header, "FrameTimeVector") or ()
    if len(steps_ms) in (n_frames - 1, n_frames):
        times_ms = np.concatenate([[0.0], np.cumsum(steps_ms[1 - n_frames :])])
        words = say(
            "FrameTimeVector with steps of {shortest_ms:g} to {longest_ms:g} ms",
            shortest_ms=min(steps_ms),
            longest_ms=max(steps_ms),
        )
        stated.append(_Statement("FrameTimeVector", times_ms, words))
    step_ms, rate = number(header, "FrameTime") or 0.0, number(header, "CineRate") or 0.0
    if step_ms > 0:
        times_ms = step_ms * np.arange(n_frames, dtype=np.float64)
        stated.append(_Statement("FrameTime", times_ms, say("FrameTime {step_ms:g} ms", step_ms=step_ms)))
    if rate > 0:
        times_ms = 1000.0 / rate * np.arange(n_frames, dtype=np.float64)
        stated.append(_Statement("CineRate", times_ms, say("CineRate {rate:g}/s", rate=rate)))
    return stated


def _are_times(steps_ms: NDArray[np.float64]) -> bool:
    """Whether what stands for increments are times since the first frame: each longer than the last."""
    return steps_ms.size > 2 and bool(np.all(np.diff(steps_ms) > 0)) and steps_ms[-1] > 3 * steps_ms[0]


def _agree(one: _Statement, other: _Statement) -> bool:
    if not one.is_plausible:
        return False
    return max(one.step_ms, other.step_ms) <= _AGREE * min(one.step_ms, other.step_ms)


def _durations_against(header: Dataset, first: _Statement) -> list[Message]:
    """Durations that do not go with the times: of a frame longer than its step, or of another loop."""
    against: list[Message] = []
    frame_ms = number(header, "ActualFrameDuration") or 0.0
    if frame_ms > _AGREE * first.step_ms:
        against.append(say("ActualFrameDuration {frame_ms:g} ms", frame_ms=frame_ms))
    whole_s = number(header, "EffectiveDuration") or 0.0
    if whole_s > 0:
        last_ms = float(first.times_ms[-1])
        rounded_ms = _WHOLE_SECONDS_MS if whole_s.is_integer() else 0.0
        shortest_ms, longest_ms = last_ms / _AGREE, (last_ms + first.step_ms) * _AGREE
        if not shortest_ms - rounded_ms <= 1000.0 * whole_s <= longest_ms + rounded_ms:
            against.append(say("EffectiveDuration {whole_s:g} s", whole_s=whole_s))
    return against


def _by_duration(header: Dataset, n_frames: int) -> FrameTimes:
    whole_s = number(header, "EffectiveDuration") or 0.0
    times_ms = 1000.0 * whole_s / n_frames * np.arange(n_frames, dtype=np.float64)
    by_duration = _Statement(
        "EffectiveDuration", times_ms, say("EffectiveDuration {whole_s:g} s", whole_s=whole_s)
    )
    if by_duration.is_plausible:
        return FrameTimes(times_ms, _other_source(by_duration))
    message = say("The loop states no frame times; there is no time axis.")
    return FrameTimes(None, (Finding("times_unknown", Severity.INFO, message),))


def _other_source(statement: _Statement) -> tuple[Finding, ...]:
    message = say(
        "The loop states no FrameTime; its frame times are taken from {statement}.", statement=statement.words
    )
    return (Finding("times_from_frame_rate", Severity.INFO, message),)


def _listed(stated: Sequence[_Statement]) -> Message:
    return linked(statement.words for statement in stated)


def stated_heart_rate_bpm(header: Dataset) -> float | None:
    """HeartRate, None where it is not stated or cannot be one."""
    return _plausible_bpm(number(header, "HeartRate"))


def heart_rate(header: Dataset) -> tuple[float | None, tuple[Finding, ...]]:
    """HeartRate, unless the R waves of RWaveTimeVector (PS3.3 C.8.5.6, in ms) are at another rate."""
    stated_bpm, seen_bpm = stated_heart_rate_bpm(header), _r_wave_rate_bpm(header)
    if stated_bpm is None or seen_bpm is None:
        return stated_bpm, ()
    if max(seen_bpm, stated_bpm) <= _SAME_RATE * min(seen_bpm, stated_bpm):
        return stated_bpm, ()
    message = say(
        "A heart rate of {stated_bpm:.0f}/min is stated, and R waves at {seen_bpm:.0f}/min. Heart "
        "rate and cardiac output are withheld.",
        stated_bpm=stated_bpm,
        seen_bpm=seen_bpm,
    )
    return None, (Finding("heart_rate_contradicted", Severity.WITHHELD, message),)


def _r_wave_rate_bpm(header: Dataset) -> float | None:
    r_waves_ms = numbers(header, "RWaveTimeVector") or ()
    interval_ms = float(np.median(np.diff(r_waves_ms))) if len(r_waves_ms) > 1 else 0.0
    return _plausible_bpm(60_000.0 / interval_ms) if interval_ms > 0 else None


def _plausible_bpm(rate_bpm: float | None) -> float | None:
    return rate_bpm if rate_bpm is not None and is_heart_rate(rate_bpm) else None
