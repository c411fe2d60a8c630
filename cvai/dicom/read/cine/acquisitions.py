"""Slices that were acquired more than once, within a group: acquisitions are separated and never mixed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise

import numpy as np

from cvai.dicom.read.cine.conditions import Condition, condition_of, have_same_rate
from cvai.dicom.read.cine.image_groups import MIN_PHASES, MIN_SLICES, ImageGroup
from cvai.dicom.read.header.attributes import texts, time_of_day_s, whole_number
from cvai.dicom.read.values import ImagePlane, Images

_MIN_OVERLAP = 0.5
"""Share of the shorter acquisition's time span that another acquisition of the same heartbeat also covers."""

SAME_PLACE = 0.35
"""Share of the distance between slices within which two acquisitions show the same part of the heart."""

_ACQUISITION_KEYS: tuple[Callable[[ImagePlane], Hashable], ...] = (
    lambda plane: plane.series_uid,
    lambda plane: texts(plane.header, "AcquisitionNumber"),
    lambda plane: (texts(plane.header, "AcquisitionDate"), time_of_day_s(plane.header, "AcquisitionTime")),
    lambda plane: plane.position_mm,
)
"""What two acquisitions of a slice differ in, the most telling first."""


Acquisitions = Callable[[Images], tuple[Images, ...]]
"""The images at one slice position to those of each acquisition."""


@dataclass(frozen=True, eq=False)
class SliceAcquisition:
    """The images of one slice from one acquisition."""

    images: Images
    position_mm: float

    @cached_property
    def condition(self) -> Condition:
        """When and how it was acquired."""
        return condition_of(self.images)

    @cached_property
    def order(self) -> tuple[float, int, int]:
        """Sorts acquisitions by when they were made: by time, series number, instance number."""
        return (
            -1.0 if self.condition.acquired_s is None else self.condition.acquired_s[0],
            whole_number(self.images[0].header, "SeriesNumber") or 0,
            max(plane.instance_number or 0 for plane in self.images),
        )


def stacks_apart(group: ImageGroup, acquisitions: Acquisitions) -> list[ImageGroup]:
    """The acquisitions of a series apart where it holds several stacks: rest and stress, or a stack and its
    repeat.

    A slice or two that were repeated on the spot stay: which of them counts is decided when the stack is
    assembled.

    Args:
        group: parallel images of one kind.
        acquisitions: the images at one slice position, apart by acquisition.
    """
    acquired = [
        SliceAcquisition(images, position_mm)
        for position_mm, at_position in zip(group.positions_mm, group.slices, strict=True)
        for images in acquisitions(at_position)
    ]
    stacks = [again for alike in _by_condition(acquired) for again in _by_round(alike)]
    if len(stacks) == 1:
        return [group]
    return [ImageGroup(tuple(p for a in stack for p in a.images)) for stack in stacks]


def acquisitions_of(images: Sequence[ImagePlane]) -> tuple[Images, ...]:
    """The images at one slice position, apart by acquisition, the latest one last.

    Whatever tells acquisitions apart must leave groups that each cover the heartbeat: the two halves of one
    acquisition do not, nor do images that each have an acquisition time of their own.
    """
    for key in _ACQUISITION_KEYS:
        groups = _grouped(images, key)
        if _are_acquisitions(groups):
            return tuple(sorted(groups, key=lambda group: SliceAcquisition(group, 0.0).order))
    groups = [] if _are_frames_of_one(images) else _runs_of_trigger_times(images)
    return tuple(groups) if _are_acquisitions(groups) else (tuple(images),)


def _are_frames_of_one(images: Sequence[ImagePlane]) -> bool:
    """Whether one multi-frame instance holds them all. Images of one moment in it are echoes or components of
    the signal that no header tells apart, rather than a repeat."""
    return images[0].frame_number is not None and len({plane.sop_instance_uid for plane in images}) == 1


def each_alone(images: Images) -> tuple[Images, ...]:
    """The images at one slice position, each an acquisition of its own, as where nothing moves."""
    return tuple((plane,) for plane in images)


def _by_condition(acquired: Sequence[SliceAcquisition]) -> list[list[SliceAcquisition]]:
    """Apart by what was done to the heart, by heart rate and by session, where that separates repeated
    places.

    Slices that are there once stay together, however the rate changed from one breath-hold to the next.
    """
    groups = [list(acquired)]
    for apart in (_by_name, _by_rate, _by_session):
        groups = [piece for group in groups for piece in _if_repeats_part(group, apart(group))]
    return groups


def _if_repeats_part(
    whole: list[SliceAcquisition], pieces: list[list[SliceAcquisition]]
) -> list[list[SliceAcquisition]]:
    places = _places(whole)
    n_places = sum(len({places[a] for a in piece}) for piece in pieces)
    return pieces if n_places > len(set(places.values())) else [whole]


def _by_name(acquired: list[SliceAcquisition]) -> list[list[SliceAcquisition]]:
    named = [[a for a in acquired if a.condition.under_stress == stress] for stress in (False, True)]
    return [group for group in named if group]


def _by_rate(acquired: list[SliceAcquisition]) -> list[list[SliceAcquisition]]:
    """R-R intervals are cut where they leap, not where they drift."""
    timed = sorted((a for a in acquired if a.condition.rr_ms), key=lambda a: a.condition.rr_ms or 0.0)
    leaps = [not have_same_rate(a.condition.rr_ms, b.condition.rr_ms) for a, b in pairwise(timed)]
    groups = _cut_where(timed, leaps) or [[]]
    groups[0].extend(a for a in acquired if not a.condition.rr_ms)
    return groups


def _by_session(acquired: list[SliceAcquisition]) -> list[list[SliceAcquisition]]:
    ordered = sorted(acquired, key=lambda a: a.order)
    return _cut_where(ordered, [not a.condition.is_in_session_of(b.condition) for a, b in pairwise(ordered)])


def _by_round(acquired: Sequence[SliceAcquisition]) -> list[list[SliceAcquisition]]:
    """Apart where the stack was acquired again as a whole: at the cut in time that leaves the fewest
    repeats."""
    places = _places(acquired)
    if _n_repeats(acquired, places) < MIN_SLICES:
        return [list(acquired)]
    ordered = sorted(acquired, key=lambda a: a.order)

    def n_left(cut: int) -> int:
        return _n_repeats(ordered[:cut], places) + _n_repeats(ordered[cut:], places)

    best = min(range(1, len(ordered)), key=n_left)
    if n_left(best) == _n_repeats(ordered, places):
        return [ordered]
    return [*_by_round(ordered[:best]), *_by_round(ordered[best:])]


def _places(acquired: Sequence[SliceAcquisition]) -> dict[SliceAcquisition, int]:
    """Which acquisitions show the same part of the heart, by number along the normal."""
    ordered = sorted(acquired, key=lambda a: a.position_mm)
    gaps_mm = np.diff([a.position_mm for a in ordered])
    apart_mm = gaps_mm[gaps_mm > 0]
    reach_mm = SAME_PLACE * float(np.percentile(apart_mm, 75)) if apart_mm.size else 0.0
    places: dict[SliceAcquisition, int] = {}
    place, start_mm = 0, ordered[0].position_mm
    for acquisition in ordered:
        if acquisition.position_mm - start_mm > reach_mm:
            place, start_mm = place + 1, acquisition.position_mm
        places[acquisition] = place
    return places


def _n_repeats(acquired: Sequence[SliceAcquisition], places: dict[SliceAcquisition, int]) -> int:
    return len(acquired) - len({places[a] for a in acquired})


def _cut_where(ordered: Sequence[SliceAcquisition], cuts: Iterable[bool]) -> list[list[SliceAcquisition]]:
    """``cuts`` says of every neighbouring pair whether it comes apart."""
    groups: list[list[SliceAcquisition]] = [list(ordered[:1])] if ordered else []
    for acquisition, is_cut in zip(ordered[1:], cuts, strict=True):
        if is_cut:
            groups.append([])
        groups[-1].append(acquisition)
    return groups


def _grouped(images: Sequence[ImagePlane], key: Callable[[ImagePlane], Hashable]) -> list[Images]:
    groups: dict[Hashable, list[ImagePlane]] = defaultdict(list)
    for plane in images:
        groups[key(plane)].append(plane)
    return [tuple(group) for group in groups.values()]


def _runs_of_trigger_times(images: Sequence[ImagePlane]) -> list[Images]:
    """Cut the images, in order of InstanceNumber, wherever the trigger time starts over."""
    ordered = sorted(images, key=lambda p: (p.instance_number or 0, p.frame_number or 0))
    times_ms = [p.trigger_time_ms or 0.0 for p in ordered]
    starts = [0, *(i for i, (a, b) in enumerate(pairwise(times_ms), start=1) if b <= a), len(ordered)]
    return [tuple(ordered[a:b]) for a, b in pairwise(starts)]


def _are_acquisitions(groups: Sequence[Images]) -> bool:
    if len(groups) < 2 or min(len(group) for group in groups) < MIN_PHASES:
        return False
    return all(_cover_the_same_heartbeat(a, b) for a, b in combinations(groups, 2))


def _cover_the_same_heartbeat(first: Images, second: Images) -> bool:
    times_ms = [
        [p.trigger_time_ms for p in group if p.trigger_time_ms is not None] for group in (first, second)
    ]
    a, b = times_ms
    if len(a) < len(first) or len(b) < len(second) or max(a) == min(a) or max(b) == min(b):
        return len(first) == len(second)
    overlap_ms = min(max(a), max(b)) - max(min(a), min(b))
    return overlap_ms >= _MIN_OVERLAP * min(max(a) - min(a), max(b) - min(b))
