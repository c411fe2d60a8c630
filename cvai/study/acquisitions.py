"""A slice that was acquired twice: the acquisitions are told apart and never mixed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from itertools import combinations, pairwise

from cvai.study.header import texts, time_of_day_s, whole_number
from cvai.study.parts import MIN_PHASES, series_uid_of
from cvai.study.values import ImagePlane, Images

_MIN_OVERLAP = 0.5
"""Share of the shorter acquisition's time span that another acquisition of the same heartbeat also covers."""

_ACQUISITION_KEYS: tuple[Callable[[ImagePlane], Hashable], ...] = (
    series_uid_of,
    lambda plane: texts(plane.header, "AcquisitionNumber"),
    lambda plane: (texts(plane.header, "AcquisitionDate"), time_of_day_s(plane.header, "AcquisitionTime")),
    lambda plane: plane.position_mm,
)
"""What two acquisitions of a slice differ in, the most telling first."""


def acquisitions_of(images: Sequence[ImagePlane]) -> tuple[Images, ...]:
    """The images at one slice position, apart by acquisition, the latest one last.

    Whatever tells acquisitions apart must leave groups that each cover the heartbeat: the two halves of one
    acquisition do not, nor do images that each have an acquisition time of their own.
    """
    for key in _ACQUISITION_KEYS:
        groups = _grouped(images, key)
        if _are_acquisitions(groups):
            return tuple(sorted(groups, key=_acquired))
    groups = _runs_of_trigger_times(images)
    return tuple(groups) if _are_acquisitions(groups) else (tuple(images),)


def _grouped(images: Sequence[ImagePlane], key: Callable[[ImagePlane], Hashable]) -> list[Images]:
    groups: dict[Hashable, list[ImagePlane]] = defaultdict(list)
    for plane in images:
        groups[key(plane)].append(plane)
    return [tuple(group) for group in groups.values()]


def _runs_of_trigger_times(images: Sequence[ImagePlane]) -> list[Images]:
    """Cut the images, in order of InstanceNumber, wherever the trigger time starts over."""
    ordered = sorted(images, key=lambda p: p.instance_number or 0)
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


def _acquired(images: Images) -> tuple[tuple[str, ...], float, int, int]:
    """Sorts acquisitions by when they were made."""
    header = images[0].header
    time_s = time_of_day_s(header, "AcquisitionTime")
    return (
        texts(header, "AcquisitionDate"),
        -1.0 if time_s is None else time_s,
        whole_number(header, "SeriesNumber") or 0,
        max(plane.instance_number or 0 for plane in images),
    )
