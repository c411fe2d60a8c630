"""Phases of different slices put together by time: a heartbeat is a circle, and slices may begin anywhere on
it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.dicom.read.cine.image_groups import MIN_PHASES
from cvai.dicom.read.values import Images
from cvai.domain.findings import Finding, Place, Severity, whole_slices
from cvai.domain.message import Message, say
from cvai.errors import GeometryRefused

_UNEVEN_STEP = 1.75
"""A step this many times the usual one leaves room for a phase that is not there."""

_IN_STEP = 0.5
"""Phases by which slices may begin apart, and images of one moment lie apart."""

_ROUNDING = 0.05
"""Phases; times are stated in steps of the scanner's clock."""

_CLOSED = 1.5
"""Phases by which the images of a slice may fall short of its R-R interval, and still go all around the
beat."""

_COARSE = 0.85
"""Share of the longest step between phases above which steps count as equal."""

_LEAST_KEPT = 0.75
"""Share of the phases that has to be there in all slices; less is no cine with a phase more or less."""

_RESEND = say("Send the complete series again.")

Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Phases:
    """Slices whose images of one index show one moment of the heartbeat.

    Args:
        slices: (z)(t) images, equally many in each.
        times_ms: (t, z) time after the R wave, increasing along t; None where the study tells none.
        findings: what was done to get there.
    """

    slices: tuple[Images, ...]
    times_ms: Times | None
    findings: tuple[Finding, ...]


def put_in_step(slices: Sequence[Images], intervals_ms: Sequence[float | None]) -> Phases:
    """Bring slices, each in order of time, to phases that they have in common.

    Slices with equally many phases that begin together are taken as they are. Otherwise images go together by
    time, around the closed beat where slices state their R-R interval. Nothing is copied or interpolated: a
    moment that a slice does not have at the end of the beat is left out of all slices, anywhere else it is a
    refusal.

    Args:
        slices: (z)(t) images of one heartbeat of every slice, in order of time.
        intervals_ms: (z) R-R interval of every slice.

    Raises:
        GeometryRefused: ``missing_frame``, ``duplicate_frame`` or ``phases_out_of_step``.
    """
    times = [_trigger_times_ms(images) for images in slices]
    known = [t for t in times if t is not None]
    if len(known) < len(slices) or _are_in_step(known, intervals_ms):
        _check_complete(slices)
        return Phases(tuple(slices), *_stated_times(slices, times, intervals_ms))
    return _matched(slices, _Clock.of(known, intervals_ms))


def slice_name(z: int, slices: Sequence[object]) -> Message:
    """What a slice is called in messages."""
    return say("Slice {slice} of {n_slices}", slice=z + 1, n_slices=len(slices))


def _trigger_times_ms(images: Images) -> Times | None:
    times_ms = np.array([p.trigger_time_ms for p in images if p.trigger_time_ms is not None])
    is_increasing = times_ms.size == len(images) > 1 and bool(np.all(np.diff(times_ms) > 0))
    return times_ms if is_increasing else None


def _step_ms(times_ms: Times) -> float:
    return float(np.median(np.diff(times_ms)))


# --- slices that are in step as they are


def _are_in_step(times: Sequence[Times], intervals_ms: Sequence[float | None]) -> bool:
    """Whether the images of one index belong together: equally many, beginning together, over the same part
    of the beat or at the same times."""
    if len({t.size for t in times}) > 1:
        return False
    steps_ms = np.array([_step_ms(t) for t in times])
    starts = np.array([t[0] for t in times]) / steps_ms
    if np.any(np.abs(starts - np.median(starts)) > _IN_STEP + _ROUNDING):
        return False
    n_phases = times[0].size
    if np.ptp(steps_ms) * n_phases <= float(steps_ms.mean()) or None in intervals_ms:
        return True
    shares = steps_ms / np.array(intervals_ms, dtype=np.float64)
    return bool(np.ptp(shares) * n_phases <= (1.0 + 2 * _ROUNDING) * float(shares.mean()))


def _check_complete(slices: Sequence[Images]) -> None:
    n_phases = _usual_count(slices)
    for z, images in enumerate(slices):
        if len(images) < n_phases:
            raise _missing_frame(z, slices)
        if len(images) > n_phases:
            raise duplicate_frame(slice_name(z, slices), len(images), n_phases)


def duplicate_frame(name: str, n_images: int, n_phases: int) -> GeometryRefused:
    """A slice that has more images than there are phases."""
    message = say(
        "{name} has {n_images} images for {n_phases} phases.", name=name, n_images=n_images, n_phases=n_phases
    )
    return GeometryRefused("duplicate_frame", message, say("Send one acquisition of the slice only."))


def _missing_frame(z: int, slices: Sequence[Images]) -> GeometryRefused:
    message = say(
        "{slice_name} has {n_images} of {n_phases} phases.",
        slice_name=slice_name(z, slices),
        n_images=len(slices[z]),
        n_phases=_usual_count(slices),
    )
    return GeometryRefused("missing_frame", message, _RESEND)


def _usual_count(slices: Sequence[Images]) -> int:
    return most_common([len(images) for images in slices])


def most_common(sizes: Sequence[int]) -> int:
    """The size that occurs most often, the larger one of equals.

    >>> most_common([12, 11, 12, 10])
    12
    """
    counts = Counter(sizes)
    return max(counts, key=lambda size: (counts[size], size))


def _stated_times(
    slices: Sequence[Images], times: Sequence[Times | None], intervals_ms: Sequence[float | None]
) -> tuple[Times | None, tuple[Finding, ...]]:
    """(t, z) times as they are stated, and what is to be said about them."""
    known = [t for t in times if t is not None]
    if len(known) == len(slices):
        times_ms = np.stack(known, axis=1)
        return times_ms, tuple(_uneven_steps(times_ms))
    if None not in intervals_ms:
        shares = np.arange(len(slices[0]), dtype=np.float64)[:, np.newaxis] / len(slices[0])
        message = say("Trigger times are missing; phases were spread evenly over the nominal R-R interval.")
        finding = Finding("times_from_nominal_interval", Severity.INFO, message)
        return shares * np.array(intervals_ms, dtype=np.float64), (finding,)
    message = say("The study tells no times of the phases; they are only ordered.")
    return None, (Finding("times_unknown", Severity.WARNING, message),)


def _uneven_steps(times_ms: Times) -> list[Finding]:
    """``times_ms`` (t, z)."""
    steps_ms = np.diff(times_ms, axis=0)
    usual_ms = np.median(steps_ms, axis=0)
    is_long = steps_ms > _UNEVEN_STEP * usual_ms
    uneven = np.flatnonzero(is_long.any(axis=0))
    if uneven.size == 0:
        return []
    message = say(
        "Phases of {count} slice(s) are up to {longest_ms:.0f} ms apart where {usual_ms:.0f} ms are "
        "usual; a phase may be missing.",
        count=uneven.size,
        longest_ms=steps_ms.max(),
        usual_ms=np.median(usual_ms),
    )
    before = tuple(Place(int(is_long[:, z].argmax()), z) for z in uneven.tolist())
    return [Finding("uneven_phase_times", Severity.WARNING, message, before)]


# --- slices that have to be matched


def _matched(slices: Sequence[Images], clock: _Clock) -> Phases:
    moments_ms = clock.moments_ms()
    matches = [clock.match(z, moments_ms) for z in range(len(slices))]
    indices = np.stack([m.indices for m in matches])  # (z, t), -1 where a slice has no image
    n_kept = _common_beginning(indices, slices)
    kept = tuple(tuple(images[i] for i in indices[z, :n_kept]) for z, images in enumerate(slices))
    times_ms = np.stack([m.times_ms[:n_kept] for m in matches], axis=1)
    is_ordered = bool(np.all(np.diff(times_ms, axis=0) > 0))
    left_out = {z: n for z, images in enumerate(slices) if (n := len(images) - n_kept)}
    return Phases(
        kept,
        times_ms if is_ordered else None,
        tuple(_matching_findings(matches, left_out)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Match:
    """Which image of a slice shows each moment.

    Args:
        indices: (t,) into the images of the slice, -1 where it has none.
        times_ms: (t,) of these images on the slice's own clock, counted from the beat that the moments lie
            in.
        shift: phases by which the slice begins later than the others.
    """

    indices: NDArray[np.int64]
    times_ms: Times
    shift: float


@dataclass(frozen=True, slots=True, eq=False)
class _Clock:
    """Times of all slices on one scale.

    Args:
        times: (z)(t) on the common scale.
        scales: (z,) what stated times were multiplied by: 1, or what makes all R-R intervals equal.
        step_ms: usual distance of two phases.
        period_ms: R-R interval, None where it is not known and times do not go in a circle.
    """

    times: tuple[Times, ...]
    scales: Times
    step_ms: float
    period_ms: float | None

    @classmethod
    def of(cls, times: Sequence[Times], intervals_ms: Sequence[float | None]) -> _Clock:
        """Retrospectively gated slices have steps in proportion to their beats, which are scaled to one
        length; others keep their times, since contraction takes about as long at any heart rate."""
        steps_ms = np.array([_step_ms(t) for t in times])
        as_stated = np.ones(len(times))
        if None in intervals_ms:
            return cls(tuple(times), as_stated, float(np.median(steps_ms)), None)
        known_ms = np.array(intervals_ms, dtype=np.float64)
        period_ms = float(np.median(known_ms))
        in_proportion = period_ms / known_ms
        is_scaled = _spread(steps_ms * in_proportion) <= _spread(steps_ms)
        scales = in_proportion if is_scaled else as_stated
        scaled = tuple(t * scale for t, scale in zip(times, scales, strict=True))
        step_ms = float(np.median(steps_ms * scales))
        return cls(scaled, scales, step_ms, period_ms if is_scaled or np.ptp(known_ms) <= step_ms else None)

    def moments_ms(self) -> Times:
        """(t,) the moments to find in every slice: those of a slice with long steps, that has as many phases
        as most of these and begins as they do."""
        steps_ms = [_step_ms(t) for t in self.times]
        coarse = [t for t, step in zip(self.times, steps_ms, strict=True) if step >= _COARSE * max(steps_ms)]
        n_usual = most_common([t.size for t in coarse])
        usual = sorted((t for t in coarse if t.size == n_usual), key=lambda t: float(t[0]))
        return usual[(len(usual) - 1) // 2]

    def match(self, z: int, moments_ms: Times) -> _Match:
        """The image of slice ``z`` at each moment."""
        shift = float(
            np.median(self._away_ms(self.times[z][: moments_ms.size] - moments_ms[: self.times[z].size]))
        )
        shift /= self.step_ms
        indices = self._turned(z, moments_ms, shift)
        if indices is None:
            indices = self._nearest(z, moments_ms)
        matched_ms = moments_ms + self._away_ms(self.times[z][indices] - moments_ms)
        return _Match(indices, matched_ms / self.scales[z], shift)

    def _turned(self, z: int, moments_ms: Times, shift: float) -> NDArray[np.int64] | None:
        """All images of a slice that goes around the same beat in as many steps, turned until they fit."""
        n_phases = moments_ms.size
        goes_around = self.period_ms is not None and abs(self.period_ms / self.step_ms - n_phases) <= _CLOSED
        if self.times[z].size != n_phases or not goes_around:
            return None
        return np.asarray((np.arange(n_phases) - round(shift)) % n_phases)

    def _nearest(self, z: int, moments_ms: Times) -> NDArray[np.int64]:
        """The image nearest to each moment, -1 where none is near."""
        away_ms = self._away_ms(self.times[z][:, np.newaxis] - moments_ms)  # (image, moment)
        nearest_ms = away_ms[np.abs(away_ms).argmin(axis=0), np.arange(moments_ms.size)]
        drift_ms = float(np.clip(np.median(nearest_ms), -self._reach_ms, self._reach_ms))
        off_ms = np.abs(away_ms - drift_ms)
        indices = off_ms.argmin(axis=0)
        is_there = off_ms[indices, np.arange(moments_ms.size)] <= self._reach_ms
        is_there &= [i not in indices[:t] for t, i in enumerate(indices)]
        return np.where(is_there, indices, -1)

    @property
    def _reach_ms(self) -> float:
        return (_IN_STEP + _ROUNDING) * self.step_ms

    def _away_ms(self, differences_ms: Times) -> Times:
        """Differences of time, the short way around the beat."""
        if self.period_ms is None:
            return differences_ms
        return (differences_ms + self.period_ms / 2) % self.period_ms - self.period_ms / 2


def _spread(values: Times) -> float:
    return float(np.ptp(values) / values.mean())


def _common_beginning(indices: NDArray[np.int64], slices: Sequence[Images]) -> int:
    """How many moments, from the first on, every slice has.

    Args:
        indices: (z, t), -1 where a slice has no image.
        slices: (z)(t) images.

    Raises:
        GeometryRefused: there are too few, or slices have others after them.
    """
    is_common: NDArray[np.bool_] = np.all(indices >= 0, axis=0)
    n_kept = int(is_common.argmin()) if not is_common.all() else is_common.size
    n_usual = _usual_count(slices)
    if n_kept >= max(MIN_PHASES, _LEAST_KEPT * n_usual) and not is_common[n_kept:].any():
        return n_kept
    z = int((indices >= 0).sum(axis=1).argmin())
    if len(slices[z]) < n_usual:
        raise _missing_frame(z, slices)
    raise GeometryRefused(
        "phases_out_of_step",
        say(
            "The phases of slice {slice} of {n_slices} do not fit those of the others in time: they have "
            "{n_kept} of {n_usual} in common.",
            slice=z + 1,
            n_slices=len(slices),
            n_kept=n_kept,
            n_usual=n_usual,
        ),
        say("Send a cine whose slices were all gated in the same way."),
    )


def _matching_findings(matches: Sequence[_Match], left_out: Mapping[int, int]) -> list[Finding]:
    """``left_out`` says how many images of which slices have no counterpart."""
    findings = []
    shifted = {z: abs(m.shift) for z, m in enumerate(matches) if abs(m.shift) > _IN_STEP + _ROUNDING}
    if shifted:
        message = say(
            "{count} slice(s) begin up to {n_phases:.1f} phases later than the others; phases were put "
            "together by time.",
            count=len(shifted),
            n_phases=max(shifted.values()),
        )
        findings.append(Finding("phases_put_in_step", Severity.WARNING, message, whole_slices(shifted)))
    if left_out:
        message = say(
            "Slices have different numbers of phases; {count} image(s) without counterpart in other "
            "slices were left out.",
            count=sum(left_out.values()),
        )
        findings.append(Finding("phases_left_out", Severity.WARNING, message, whole_slices(left_out)))
    return findings
