"""When the phases of a cine were acquired, and whether they are close enough to take rates from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.domain.message import say
from cvai.domain.phases import KeyPhases

LONGEST_STEP_MS = 40.0
"""Between two phases. Peak ejection and filling rates at rest need a frame in 40 ms: Bacharach et al., J Nucl
Med 1979;20:189-193. Times are compared in whole milliseconds."""

LEAST_COVERED, MOST_COVERED = 0.80, 1.10
"""Share of the heartbeat, as the heart rate tells it, that the phases may span. Triggered cines leave out up
to a fifth of it, the end of diastole; more than the whole contradicts the heart rate."""

FEWEST_PHASES = 5
"""Of fewer, no smooth curve can be made."""

_STEP_MS = 1.0
"""Between the times at which the smooth curve is looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class BeatTimes:
    """When the phases of a cine were acquired.

    Args:
        times_ms: (t,) after the R wave.
        period_ms: duration of the heartbeat.
    """

    times_ms: NDArray[np.float64]
    period_ms: float

    def after_ms(self, first: int, then: int) -> float:
        """Time from one phase to another, into the next heartbeat where that one comes earlier."""
        return float((self.times_ms[then] - self.times_ms[first]) % self.period_ms)

    def systole_ms(self, phases: KeyPhases) -> NDArray[np.float64]:
        """(n,) times from end-diastole to end-systole, closely spaced."""
        start_ms = float(self.times_ms[phases.end_diastole])
        length_ms = self.after_ms(phases.end_diastole, phases.end_systole)
        return np.arange(start_ms, start_ms + length_ms, _STEP_MS)

    def diastole_ms(self, phases: KeyPhases) -> NDArray[np.float64]:
        """(n,) times from end-systole to the next end-diastole, closely spaced."""
        start_ms = float(self.times_ms[phases.end_systole])
        length_ms = self.after_ms(phases.end_systole, phases.end_diastole)
        return np.arange(start_ms, start_ms + length_ms, _STEP_MS)

    def early_diastole_ms(self, phases: KeyPhases) -> NDArray[np.float64]:
        """(n,) times of the first half of diastole, in which the ventricle fills by itself."""
        times_ms = self.diastole_ms(phases)
        return times_ms[: (times_ms.size + 1) // 2]


def beat_times(times_ms: NDArray[np.float64] | None, heart_rate_bpm: float | None) -> BeatTimes | str:
    """Times of the phases within their heartbeat, or in words why rates cannot be taken from them.

    Args:
        times_ms: (t,) after the R wave, None where they are not known.
        heart_rate_bpm: None where it is not known.
    """
    if times_ms is None or heart_rate_bpm is None:
        return say("the images do not state their times and the heart rate")
    if times_ms.size < FEWEST_PHASES:
        return say("there are only {size} phases", size=times_ms.size)
    period_ms = 60_000.0 / heart_rate_bpm
    step_ms = float(np.diff(times_ms).max())
    spanned_ms = float(times_ms[-1] - times_ms[0]) + float(np.median(np.diff(times_ms)))
    if round(step_ms) > LONGEST_STEP_MS:
        return say(
            "phases are {step_ms:.0f} ms apart, and rates need one in {longest_step_ms:.0f} ms",
            step_ms=step_ms,
            longest_step_ms=LONGEST_STEP_MS,
        )
    if not LEAST_COVERED <= spanned_ms / period_ms <= MOST_COVERED:
        return say(
            "phases span {spanned_ms:.0f} ms of a heartbeat of {period_ms:.0f} ms",
            spanned_ms=spanned_ms,
            period_ms=period_ms,
        )
    return BeatTimes(times_ms, max(period_ms, spanned_ms))
