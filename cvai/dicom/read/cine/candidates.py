"""Step 4, candidates: stacks that could be the short-axis cine, in order of preference, and what decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cvai.dicom.read.cine.conditions import may_be_several_beats
from cvai.dicom.read.cine.image_groups import MIN_SLICES, ImageGroup
from cvai.dicom.read.cine.images import (
    echo_time_ms,
    has_contrast,
    is_annotated,
    is_derived,
    is_prepared,
    is_spoiled,
)
from cvai.dicom.read.cine.placement import normal_of
from cvai.dicom.read.cine.stacks import is_similar_view
from cvai.dicom.read.header.attributes import texts
from cvai.domain.message import Message, say

_LONG_AXIS_LPS = np.array([0.70, -0.55, -0.45])
"""Usual direction of the left ventricle from base to apex: to the left, to the front, down. Short-axis slices
stand across it, transverse and long-axis ones do not. Only used to look at one stack before another: what
decides is whether the wall of the ventricle closes to a ring, see ``cvai.domain.ventricles.short_axis``."""

_SHORT_AXIS_MAX_DEG = 40.0
"""Short-axis stacks are turned by less from the usual direction, a sagittal one by 45 and a transverse one by
63 degrees."""

VENTRICLE_LENGTH_MM = 50.0
"""A stack that covers less does not hold a whole adult ventricle."""

_AS_LONG = 0.8
"""Share of the longest stack of the same view that another has to cover to be as good."""

_RESTING_RATE = 1.15
"""A heart rate this many times the lowest one, of two stacks of one heart, is no rate at rest."""

_LATER_ECHO = 1.5
"""Echoes of one excitation are further apart than this ratio; the echo times of repeats are not."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A stack of cine slices with what speaks for and against it.

    Whether it is at rest and as long is said in comparison with the other stacks of the same view.
    """

    stack: ImageGroup
    covers_ventricle: bool
    stands_across: bool
    is_original: bool
    is_two_dimensional: bool
    is_plain: bool
    is_gated: bool
    is_not_stress: bool
    is_at_rest: bool
    is_native: bool
    is_as_long: bool
    is_not_spoiled: bool
    is_first_echo: bool

    @property
    def rate_bpm(self) -> float | None:
        """Heart rate during acquisition."""
        rr_ms = self.stack.condition.rr_ms
        return None if rr_ms is None else 60_000.0 / rr_ms

    @property
    def preference(self) -> tuple[float, ...]:
        """Sorts candidates, the preferred one last."""
        return tuple(float(value(self)) for value, _ in _CRITERIA)

    def why_not(self, preferred: Candidate) -> Message:
        """What speaks against it where another was preferred, as the end of a sentence."""
        for value, reason in _CRITERIA:
            if value(self) < value(preferred):
                return reason
        return say("is equal to it")


_CRITERIA: tuple[tuple[Callable[[Candidate], float], Message], ...] = (
    (lambda c: c.covers_ventricle, say("covers less than {length_mm:.0f} mm", length_mm=VENTRICLE_LENGTH_MM)),
    (lambda c: c.stands_across, say("does not stand across the usual long axis of the heart")),
    (lambda c: c.is_original, say("is derived from other images or has something burnt in")),
    (lambda c: c.is_two_dimensional, say("is a 3D slab")),
    (lambda c: c.is_plain, say("is a tagged or inversion-prepared cine")),
    (lambda c: c.is_gated, say("runs over several heartbeats in real time")),
    (lambda c: c.is_not_stress, say("is called a stress acquisition")),
    (lambda c: c.is_at_rest, say("was acquired at a higher heart rate")),
    (lambda c: c.is_native, say("was acquired after a contrast agent")),
    (lambda c: c.is_as_long, say("covers less of the heart")),
    (lambda c: c.is_not_spoiled, say("is a spoiled gradient echo, as flow and tags are imaged")),
    (lambda c: c.is_first_echo, say("is of a later echo")),
    (lambda c: c.stack.n_slices, say("has fewer slices")),
    (lambda c: c.stack.n_phases, say("has fewer phases")),
    (lambda c: c.stack.latest_series_number, say("has a lower series number")),
    (lambda c: (c.stack.condition.acquired_s or (0.0, 0.0))[1], say("was acquired earlier")),
)
"""What decides between stacks, the most telling first, and what is said of one that falls short."""


def candidates_of(stacks: Sequence[ImageGroup]) -> list[Candidate]:
    """The stacks of enough slices with what speaks for and against them, the preferred one first."""
    stacks = [stack for stack in stacks if stack.n_slices >= MIN_SLICES]
    candidates = [_candidate(stack, [s for s in stacks if is_similar_view(stack, s)]) for stack in stacks]
    return sorted(candidates, key=lambda c: c.preference, reverse=True)


def turned_deg(stack: ImageGroup) -> float:
    """Angle between the normal of a stack and the usual long axis of the heart."""
    cosine = abs(float(normal_of(stack.planes[0]) @ _LONG_AXIS_LPS)) / float(np.linalg.norm(_LONG_AXIS_LPS))
    return float(np.degrees(np.arccos(min(cosine, 1.0))))


def _candidate(stack: ImageGroup, of_same_view: Sequence[ImageGroup]) -> Candidate:
    first = stack.planes[0]
    return Candidate(
        stack=stack,
        covers_ventricle=stack.length_mm >= VENTRICLE_LENGTH_MM,
        stands_across=turned_deg(stack) <= _SHORT_AXIS_MAX_DEG,
        is_original=not (is_derived(first) or is_annotated(first)),
        is_two_dimensional=texts(first.header, "MRAcquisitionType") != ("3D",),
        is_plain=not is_prepared(first),
        is_gated=not may_be_several_beats(stack.slices[stack.n_slices // 2]),
        is_not_stress=not stack.condition.under_stress,
        is_at_rest=_is_at_rest(stack, of_same_view),
        is_native=not has_contrast(first),
        is_as_long=stack.length_mm >= _AS_LONG * max(s.length_mm for s in of_same_view),
        is_not_spoiled=not is_spoiled(first),
        is_first_echo=_is_first_echo(stack, of_same_view),
    )


def _is_first_echo(stack: ImageGroup, of_same_view: Sequence[ImageGroup]) -> bool:
    """Against stacks that state an echo time; one that states none may be any echo."""
    own_ms, *others_ms = (echo_time_ms(s.planes[0]) for s in (stack, *of_same_view))
    return not own_ms or own_ms <= _LATER_ECHO * min(ms for ms in (own_ms, *others_ms) if ms)


def _is_at_rest(stack: ImageGroup, of_same_view: Sequence[ImageGroup]) -> bool:
    """Against stacks that are long enough to be measured: a scout may have any rate."""
    longest_mm = max(s.length_mm for s in of_same_view)
    rivals = [s.condition for s in of_same_view if s.length_mm >= _AS_LONG * longest_mm]
    intervals_ms = [c.rr_ms for c in rivals if c.rr_ms is not None and not c.under_stress]
    rr_ms = stack.condition.rr_ms
    return rr_ms is None or not intervals_ms or rr_ms * _RESTING_RATE >= max(intervals_ms)
