"""Step 3, stacks: cine groups joined; scanners store a stack as one series, or as a series per slice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cvai.dicom.read.cine.acquisitions import SAME_PLACE, Acquisitions, acquisitions_of, stacks_apart
from cvai.dicom.read.cine.image_groups import MIN_SLICES, ImageGroup
from cvai.dicom.read.cine.images import is_same_kind
from cvai.dicom.read.cine.placement import SAME_PLANE_MM, is_parallel, middle_mm, normal_of, tilt_deg
from cvai.dicom.read.header.attributes import number
from cvai.dicom.read.pixels.frames import frame_attributes
from cvai.dicom.read.values import Images

_LATTICE_TOLERANCE = 0.1
"""Share of the slice spacing by which a slice may miss the stack's regular positions."""

_REACH = 1.5
"""Slice spacings within which a slice counts as a neighbour."""

_CLOSEST_SLICES_MM = 2.0
"""Slices of one acquisition are further apart; what is closer was planned again."""

_SIMILAR_VIEW_DEG = 30.0
"""Planes that differ by less stand across the same axis of the heart, planned anew perhaps."""

_NEIGHBOUR_DEG = 12.0
"""Single slices that differ by less from a stack were meant to belong to it; planes of the aortic valve
differ by more."""


def stacks_of(groups: Sequence[ImageGroup], acquisitions: Acquisitions = acquisitions_of) -> list[ImageGroup]:
    """Every stack of parallel slices that groups make, each image in one of them at most.

    A stack is one acquisition. Groups are joined by place, and by when and how they were acquired: first
    those of one condition of the heart and one session, then what still has a place that nothing else takes.
    FrameOfReferenceUID plays no role: there are scanners and anonymisers that give every image its own.

    Args:
        groups: parallel images of one kind.
        acquisitions: the images at one slice position, apart by acquisition; of a cine by default.
    """
    pieces = [piece for group in groups for piece in stacks_apart(group, acquisitions)]
    whole = [piece for piece in pieces if piece.n_slices >= MIN_SLICES]
    loose = [piece for piece in pieces if piece.n_slices < MIN_SLICES]
    stacks = _joined([*whole, *_rounds_of(loose, acquisitions)], alike=True)
    return _joined(stacks, alike=False)


def continues(stack: ImageGroup, group: ImageGroup) -> bool:
    """Whether a group adds slices that are neighbours of the stack's slices, or lie between them.

    They need not be quite parallel: slices that were planned anew may be turned by several degrees.
    """
    if tilt_deg(stack.planes[0], group.planes[0]) > _NEIGHBOUR_DEG or stack.n_slices < 2:
        return False
    reach_mm = _REACH * stack.spacing_mm
    low_mm, high_mm = stack.positions_mm[0] - reach_mm, stack.positions_mm[-1] + reach_mm
    return any(low_mm <= p <= high_mm and not is_at(stack, p) for p in _positions_on(stack, group))


def overlaps(stack: ImageGroup, group: ImageGroup) -> bool:
    """Whether a group shows places of the stack once more."""
    is_near = tilt_deg(stack.planes[0], group.planes[0]) <= _NEIGHBOUR_DEG
    return is_near and any(is_at(stack, p) for p in _positions_on(stack, group))


def is_similar_view(stack: ImageGroup, group: ImageGroup) -> bool:
    """Whether the slices of both stand across the same axis, roughly."""
    return tilt_deg(stack.planes[0], group.planes[0]) <= _SIMILAR_VIEW_DEG


def is_at(stack: ImageGroup, position_mm: float) -> bool:
    """Whether the stack has a slice there."""
    reach_mm = max(SAME_PLANE_MM, SAME_PLACE * stack.spacing_mm)
    return any(abs(position_mm - p) <= reach_mm for p in stack.positions_mm)


def _positions_on(stack: ImageGroup, group: ImageGroup) -> list[float]:
    """Where the middles of a group's slices lie along the normal of the stack."""
    normal = normal_of(stack.planes[0])
    return [float(middle_mm(images[0]) @ normal) for images in group.slices]


def _rounds_of(loose: Sequence[ImageGroup], acquisitions: Acquisitions) -> list[ImageGroup]:
    """Series of one slice each: those of a stack that was acquired again as a whole are joined by
    themselves."""
    pools: list[list[ImageGroup]] = []
    for group in loose:
        pool = next((p for p in pools if _are_parallel_of_a_kind(p[0], group)), None)
        if pool is None:
            pools.append([group])
        else:
            pool.append(group)
    return [stack for pool in pools for stack in _rounds_of_pool(pool, acquisitions)]


def _rounds_of_pool(pool: Sequence[ImageGroup], acquisitions: Acquisitions) -> list[ImageGroup]:
    together = ImageGroup(tuple(plane for group in pool for plane in group.planes))
    rounds = stacks_apart(together, acquisitions)
    if len(rounds) == 1:
        return list(pool)
    members = [{id(plane) for plane in group.planes} for group in rounds]
    apart = [[ImageGroup(kept) for group in pool if (kept := _within(group, ids))] for ids in members]
    return [stack for groups in apart for stack in _joined(groups, alike=True)]


def _within(group: ImageGroup, ids: set[int]) -> Images:
    return tuple(plane for plane in group.planes if id(plane) in ids)


def _are_parallel_of_a_kind(first: ImageGroup, second: ImageGroup) -> bool:
    return is_parallel(first.planes[0], second.planes[0]) and is_same_kind(first.planes[0], second.planes[0])


def _joined(pieces: Sequence[ImageGroup], *, alike: bool) -> list[ImageGroup]:
    """Stacks of what fits together, beginning with what has most slices."""
    left = sorted(pieces, key=lambda p: (p.n_slices, p.latest_series_number), reverse=True)
    stacks = []
    while left:
        stack = left.pop(0)
        for group in sorted(left, key=lambda p: _distance_mm(stack, p)):
            if _fits(stack, group, alike=alike):
                stack = ImageGroup((*stack.planes, *group.planes))
                left.remove(group)
        stacks.append(stack)
    return stacks


def _fits(stack: ImageGroup, group: ImageGroup, *, alike: bool) -> bool:
    """Whether a group belongs to the stack: its missing slices, or a slice that was acquired once more.

    A series of its own must have the stack's pixel grid and pulse sequence, and lie on its regular positions,
    midway between all of them or just beyond its ends. What covers several of the stack's places is another
    stack.
    Images of the stack's own series belong to it on any grid: whether they can be assembled is decided later,
    with a refusal that says so, while leaving them out would shorten the heart without a word.
    """
    if not is_parallel(stack.planes[0], group.planes[0]):
        return False
    positions_mm = _positions_on(stack, group)
    new_mm = [p for p in positions_mm if not is_at(stack, p)]
    n_repeated = group.n_slices - len(new_mm)
    is_shifted = any(is_at(stack, p) and not _is_exactly_at(stack, p) for p in positions_mm)
    if (
        is_shifted
        or n_repeated >= MIN_SLICES
        or not _goes_with(stack, group, alike=alike, repeats=n_repeated > 0)
    ):
        return False
    is_kin = is_same_kind(stack.planes[0], group.planes[0])
    if not new_mm:
        return is_kin
    shares_series = not set(stack.series_uids).isdisjoint(group.series_uids)
    if not shares_series and not is_kin:
        return False
    if stack.n_slices < MIN_SLICES:
        return all(abs(p - q) > _CLOSEST_SLICES_MM for p in new_mm for q in stack.positions_mm)
    return (
        _is_on_lattice(stack, new_mm)
        or _fills_between(stack, group, positions_mm)
        or (group.n_slices < MIN_SLICES and _is_next_to_an_end(stack, new_mm))
    )


def _goes_with(stack: ImageGroup, group: ImageGroup, *, alike: bool, repeats: bool) -> bool:
    """Whether condition and session let a group be joined.

    Places that are there already are repeated in the same condition and session only. What fills a gap may
    have been acquired later, and a slice or two at another heart rate.
    """
    is_like, is_near = (
        group.condition.is_like(stack.condition),
        group.condition.is_in_session_of(stack.condition),
    )
    if alike or repeats:
        return is_like and is_near
    is_named_alike = group.condition.under_stress == stack.condition.under_stress
    return is_like or (is_near and is_named_alike and group.n_slices < MIN_SLICES)


def _is_exactly_at(stack: ImageGroup, position_mm: float) -> bool:
    return any(abs(position_mm - p) <= SAME_PLANE_MM for p in stack.positions_mm)


def _fills_between(stack: ImageGroup, group: ImageGroup, positions_mm: Sequence[float]) -> bool:
    """Whether a group has every second slice of an interleaved acquisition, and the stack the others.

    Slices of a stack that was acquired again between its own places would overlap with these.
    """
    measures = frame_attributes(group.planes[0].header, group.planes[0].frame_number, "PixelMeasuresSequence")
    thick_mm = number(measures, "SliceThickness") or stack.spacing_mm
    steps = (np.asarray(positions_mm) - stack.positions_mm[0]) / stack.spacing_mm
    is_midway = np.abs(steps - np.floor(steps) - 0.5) <= _LATTICE_TOLERANCE
    return bool(np.all(is_midway)) and thick_mm <= stack.spacing_mm * (0.5 + _LATTICE_TOLERANCE)


def _is_on_lattice(stack: ImageGroup, positions_mm: Sequence[float]) -> bool:
    steps = (np.asarray(positions_mm) - stack.positions_mm[0]) / stack.spacing_mm
    return bool(np.all(np.abs(steps - np.round(steps)) <= _LATTICE_TOLERANCE))


def _is_next_to_an_end(stack: ImageGroup, positions_mm: Sequence[float]) -> bool:
    low_mm, high_mm = stack.positions_mm[0], stack.positions_mm[-1]
    beyond_mm = [max(low_mm - p, p - high_mm) for p in positions_mm]
    return any(0 < b <= _REACH * stack.spacing_mm for b in beyond_mm)


def _distance_mm(stack: ImageGroup, group: ImageGroup) -> float:
    if not is_parallel(stack.planes[0], group.planes[0]):
        return float("inf")
    return min(abs(p - q) for p in _positions_on(stack, group) for q in stack.positions_mm)
