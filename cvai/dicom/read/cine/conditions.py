"""When and under which conditions a slice was acquired: what tells a stack at rest from one under stress."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from pydicom import Dataset

from cvai.dicom.read.header.attributes import calendar_date, texts, time_of_day_s
from cvai.dicom.read.values import ImagePlane
from cvai.domain.subject import is_heart_rate

SAME_RATE = 1.25
"""Ratio of two R-R intervals of one state of the heart. Breath-holds change it by up to a fifth; adenosine
shortens it by a quarter and more, dobutamine and exercise by half."""

ONE_SESSION_S = 20 * 60.0
"""Slices of a stack follow each other within minutes, and a slice that went wrong is repeated at once. What
was acquired later belongs to another part of the examination."""

_SEVERAL_BEATS = 2.5
"""Stated R-R intervals that images have to cover to be taken for a real-time cine. Two may be one beat at a
rate that is stated twice too high."""

_LONGEST_BEAT_MS = 2000.0
"""An R-R interval at 30 beats a minute: images spread over more time than this are looked at for several
beats."""

_STRESS = re.compile(
    r"\b(stress|peak|dobu\w*|adeno\w*|regad\w*|dipyr\w*|exercise|exertion|ergomet\w*|belastung|effort)",
    re.IGNORECASE,
)
_REST = re.compile(r"\b(rest|resting|baseline|ruhe|repos)\b", re.IGNORECASE)
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "PerformedProcedureStepDescription", "ImageComments")

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Condition:
    """When and how images were acquired, as far as their headers tell.

    Args:
        rr_ms: R-R interval, from what NominalInterval, HeartRate and the trigger times agree on.
        under_stress: a description says so. Sites word descriptions their own way: nothing is ever selected
            for its words, but what is called a stress acquisition is not mixed with what is not.
        acquired_s: when the first and the last acquisition began, seconds on one clock.
    """

    rr_ms: float | None
    under_stress: bool
    acquired_s: tuple[float, float] | None

    def is_like(self, other: Condition) -> bool:
        """Whether both can be of one state of one heart."""
        return self.under_stress == other.under_stress and have_same_rate(self.rr_ms, other.rr_ms)

    def is_in_session_of(self, other: Condition) -> bool:
        """Whether both were acquired close to each other, as far as it is known."""
        if self.acquired_s is None or other.acquired_s is None:
            return True
        pauses_s = (self.acquired_s[0] - other.acquired_s[1], other.acquired_s[0] - self.acquired_s[1])
        return max(pauses_s) <= ONE_SESSION_S


def condition_of(images: Sequence[ImagePlane]) -> Condition:
    """The condition that the images of one slice were acquired under."""
    times_s = [t for plane in images if (t := acquired_s(plane.header)) is not None]
    return Condition(
        rr_ms=_rr_ms(images),
        under_stress=_is_called_stress(images[0].header),
        acquired_s=(min(times_s), max(times_s)) if times_s else None,
    )


def common_condition(conditions: Sequence[Condition]) -> Condition:
    """The condition of slices together: their middle R-R interval, and when the first was acquired."""
    rr_ms = [c.rr_ms for c in conditions if c.rr_ms is not None]
    times_s = [t for c in conditions if c.acquired_s is not None for t in c.acquired_s]
    return Condition(
        rr_ms=float(median(rr_ms)) if rr_ms else None,
        under_stress=any(c.under_stress for c in conditions),
        acquired_s=(min(times_s), max(times_s)) if times_s else None,
    )


def have_same_rate(first_rr_ms: float | None, second_rr_ms: float | None) -> bool:
    """Whether two R-R intervals are alike, as far as they are known."""
    if first_rr_ms is None or second_rr_ms is None:
        return True
    return max(first_rr_ms, second_rr_ms) <= SAME_RATE * min(first_rr_ms, second_rr_ms)


def stated_interval_ms(images: Sequence[ImagePlane]) -> float | None:
    """The R-R interval of NominalInterval or RRIntervalTimeNominal, the median of what can be true."""
    stated_ms = [p.nominal_interval_ms for p in images if p.nominal_interval_ms is not None]
    plausible_ms = [v for v in stated_ms if v > 0 and is_heart_rate(60_000.0 / v)]
    return float(median(plausible_ms)) if plausible_ms else None


def stated_rate_bpm(images: Sequence[ImagePlane]) -> float | None:
    """HeartRate, the median of what can be true."""
    plausible_bpm = [p.heart_rate_bpm for p in images if p.heart_rate_bpm and is_heart_rate(p.heart_rate_bpm)]
    return float(median(plausible_bpm)) if plausible_bpm else None


def rr_interval_ms(images: Sequence[ImagePlane]) -> float | None:
    """The R-R interval that a slice states, by NominalInterval or else HeartRate."""
    rate_bpm = stated_rate_bpm(images)
    return stated_interval_ms(images) or (60_000.0 / rate_bpm if rate_bpm else None)


def may_be_several_beats(images: Sequence[ImagePlane]) -> bool:
    """Whether the images of one slice run over several heartbeats, as a real-time cine does."""
    times_ms = [p.trigger_time_ms for p in images if p.trigger_time_ms is not None]
    if len(times_ms) < len(images):
        return False
    span_ms, rr_ms = max(times_ms) - min(times_ms), rr_interval_ms(images)
    return span_ms > _LONGEST_BEAT_MS or (rr_ms is not None and span_ms > _SEVERAL_BEATS * rr_ms)


def covered_ms(images: Sequence[ImagePlane]) -> float | None:
    """The time that the phases of one slice cover: their usual step times their number; None without
    times."""
    times_ms = [p.trigger_time_ms for p in images if p.trigger_time_ms is not None]
    different_ms = np.unique(times_ms)
    if len(times_ms) < len(images) or different_ms.size < 3:
        return None
    return float(np.median(np.diff(different_ms))) * different_ms.size


def acquired_s(header: Dataset) -> float | None:
    """When the acquisition began, in seconds; AcquisitionDateTime, else AcquisitionDate and
    AcquisitionTime."""
    together = (texts(header, "AcquisitionDateTime") or ("",))[0]
    if len(together) >= 14 and together[:14].isdigit():
        header = Dataset()
        header.AcquisitionDate, header.AcquisitionTime = together[:8], together[8:14]
    time_s = time_of_day_s(header, "AcquisitionTime")
    if time_s is None:
        return None
    day = calendar_date(header, "AcquisitionDate")
    return time_s + (day.toordinal() * _DAY_S if day is not None else 0.0)


def _rr_ms(images: Sequence[ImagePlane]) -> float | None:
    """The middle of three sources that may each be wrong, or the first that there is."""
    rate_bpm = stated_rate_bpm(images)
    sources_ms = (stated_interval_ms(images), 60_000.0 / rate_bpm if rate_bpm else None, covered_ms(images))
    known_ms = [v for v in sources_ms if v is not None]
    if not known_ms:
        return None
    return float(median(known_ms)) if len(known_ms) == len(sources_ms) else known_ms[0]


def _is_called_stress(header: Dataset) -> bool:
    words = " ".join(text for keyword in _DESCRIPTIONS for text in texts(header, keyword)).replace("_", " ")
    return bool(_STRESS.search(words)) and not _REST.search(words)
