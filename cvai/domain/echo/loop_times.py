"""Whether the times and the heart rate that a loop states are those of the heart seen in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cvai.domain.beats import AreaCurve, span_of
from cvai.domain.echo.loop import EchoLoop
from cvai.domain.findings import Finding, Severity
from cvai.domain.message import Message, say

RATES_DIFFER = 1.5
"""Ratio of two heart rates of one loop above which one is wrong; atrial fibrillation mostly stays below."""

_RATES_DOUBTFUL = 1.25
"""Ratio above which a stated rate that may still be right is flagged: cardiac output is off by as much."""

_BEAT_MS = (240.0, 3000.0)
"""R-R intervals at 250 and 20 beats a minute."""

_EMPTY_MS = (100.0, 2000.0)
"""How long a ventricle is less than half full in a beat: a third to a half of it."""

_EMPTY_SHARE = 0.85
"""Of a beat: a ventricle that relaxes badly is less than half full for up to three quarters of it."""

_HIDDEN_BEATS = 0.4
"""Beats that may go unseen at the ends of a loop, where a trough does not stand out."""


@dataclass(frozen=True, slots=True, eq=False)
class CheckedLoop:
    """A loop that states only what its images do not contradict.

    Args:
        loop: without times, or without times and heart rate, where they are contradicted.
        findings: what was contradicted by what.
    """

    loop: EchoLoop
    findings: tuple[Finding, ...]


def checked_times(name: str, loop: EchoLoop, curve: AreaCurve) -> CheckedLoop:
    """Compare what a loop states with the beats seen in it, which were found without its times.

    Args:
        name: the view, in messages.
        loop: as stated.
        curve: of the area of its LV cavity.
    """
    if loop.times_ms is None:
        return CheckedLoop(loop, ())
    step_ms = float(np.median(np.diff(loop.times_ms)))
    doubt = _implausible(curve, step_ms)
    if doubt is not None:
        message = say(
            "By the frame times of the {name} loop {doubt}; they are withheld.", name=name, doubt=doubt
        )
        finding = Finding("frame_times_contradicted", Severity.WITHHELD, message)
        return CheckedLoop(replace(loop, times_ms=None), (finding,))
    doubt = _other_rate(curve, loop, step_ms)
    if doubt is not None and loop.heart_rate_bpm is not None:
        message = say(
            "The {name} loop states a heart rate of {rate_bpm:.0f}/min, but by its frame times {doubt}. "
            "Heart rate, cardiac output and frame times are withheld.",
            name=name,
            rate_bpm=loop.heart_rate_bpm,
            doubt=doubt,
        )
        finding = Finding("heart_rate_contradicted", Severity.WITHHELD, message)
        return CheckedLoop(replace(loop, times_ms=None, heart_rate_bpm=None), (finding,))
    return CheckedLoop(loop, _doubtful_rate(name, curve, loop, step_ms))


def seen_rate_bpm(loop: EchoLoop, curve: AreaCurve) -> float | None:
    """Heart rate between the end-systoles of a loop; None with fewer than two, or without times."""
    if loop.times_ms is None or curve.beat_frames is None:
        return None
    return 60_000.0 / (curve.beat_frames * float(np.median(np.diff(loop.times_ms))))


def _doubtful_rate(name: str, curve: AreaCurve, loop: EchoLoop, step_ms: float) -> tuple[Finding, ...]:
    """Whether the beats are of another length than stated, as far as one loop can tell."""
    seen_ms = _beat_ms(curve, step_ms)
    if loop.heart_rate_bpm is None or seen_ms is None:
        return ()
    stated_ms = 60_000.0 / loop.heart_rate_bpm
    is_cut_short = curve.beat_frames is None and seen_ms < stated_ms  # its end may lie after the loop's
    if is_cut_short or max(seen_ms, stated_ms) <= _RATES_DOUBTFUL * min(seen_ms, stated_ms):
        return ()
    message = say(
        "The {name} loop states a heart rate of {rate_bpm:.0f}/min, and a heartbeat in it takes "
        "{seen_ms:.0f} ms, as at {seen_bpm:.0f}/min. Cardiac output counts on the stated rate: compare it "
        "with the ECG.",
        name=name,
        rate_bpm=loop.heart_rate_bpm,
        seen_ms=seen_ms,
        seen_bpm=60_000.0 / seen_ms,
    )
    return (Finding("heart_rate_doubtful", Severity.WARNING, message),)


def _beat_ms(curve: AreaCurve, step_ms: float) -> float | None:
    """From one end-systole to the next; of a single beat from end-diastole to where it is largest again."""
    if curve.beat_frames is not None:
        return curve.beat_frames * step_ms
    spans = [span for beat in curve.beats if (span := span_of(curve, beat)) is not None]
    return spans[0].n_frames * step_ms if spans else None


def _implausible(curve: AreaCurve, step_ms: float) -> Message | None:
    """What no heart does, if these were its times."""
    if curve.beat_frames is not None:
        beat_ms = curve.beat_frames * step_ms
        is_plausible = _BEAT_MS[0] <= beat_ms <= _BEAT_MS[1]
        return None if is_plausible else say("a heartbeat takes {beat_ms:.0f} ms", beat_ms=beat_ms)
    if curve.empty_frames is not None:
        empty_ms = curve.empty_frames * step_ms
        is_plausible = _EMPTY_MS[0] <= empty_ms <= _EMPTY_MS[1]
        return (
            None
            if is_plausible
            else say("the ventricle empties and fills again within {empty_ms:.0f} ms", empty_ms=empty_ms)
        )
    return None


def _other_rate(curve: AreaCurve, loop: EchoLoop, step_ms: float) -> Message | None:
    """How often the heart is seen to beat instead of as stated."""
    if loop.heart_rate_bpm is None or loop.times_ms is None or not curve.end_systoles:
        return None
    stated_ms = 60_000.0 / loop.heart_rate_bpm
    if curve.beat_frames is not None:
        seen_ms = curve.beat_frames * step_ms
        agree = max(seen_ms, stated_ms) <= RATES_DIFFER * min(seen_ms, stated_ms)
        return None if agree else say("the heart beats at {rate_bpm:.0f}/min", rate_bpm=60_000.0 / seen_ms)
    empty_ms = (curve.empty_frames or 0) * step_ms
    if empty_ms > _EMPTY_SHARE * stated_ms:
        return say("the ventricle empties and fills again within {empty_ms:.0f} ms", empty_ms=empty_ms)
    length_ms = float(loop.times_ms[-1])
    if int(length_ms / stated_ms - _HIDDEN_BEATS) <= 1:
        return None
    return say("it lasts {length_ms:.0f} ms, and the heart beats once in it", length_ms=length_ms)
