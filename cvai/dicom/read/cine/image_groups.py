"""Step 2, groups: parallel images of one kind, sorted into slices, and whether they show a beating heart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

import numpy as np

from cvai.dicom.read.cine.conditions import Condition, common_condition, condition_of
from cvai.dicom.read.cine.images import StudyImages, is_same_kind
from cvai.dicom.read.cine.placement import (
    along_normal_mm,
    grouped,
    is_parallel,
    is_placed,
    normal_of,
    slices_along_normal,
)
from cvai.dicom.read.header.attributes import time_of_day_s, whole_number
from cvai.dicom.read.values import ImagePlane, Images

MIN_SLICES = 3
"""Fewer parallel slices cannot be summed to the volume of a ventricle."""

MIN_PHASES = 8
"""Fewer phases over a heartbeat miss end-systole by more than its own duration."""

MAX_STILLS = 2
"""A position with so few images beside whole cine slices holds scouts, not what is left of a cine slice."""

_LONGEST_STEP_MS = 300.0
"""An R-R interval at 200 beats a minute: images further apart may come one a heartbeat."""

_SHORTEST_CINE_MS = 150.0
"""Half an R-R interval at 200 beats a minute: trigger times that spread over less show one phase repeated."""

_SHORTEST_STEP_MS = 10.0
"""No cine has phases that are nearer in time; preparations and echoes at one trigger time have."""

_SHORTEST_BEAT_S = 0.3
"""An R-R interval at 200 beats a minute: images acquired further apart may come one a heartbeat."""


@dataclass(frozen=True, eq=False)
class ImageGroup:
    """Parallel images of one kind; from one series, or from several that were joined."""

    planes: Images

    @cached_property
    def slices(self) -> tuple[Images, ...]:
        """Images by slice, in order along the normal."""
        return tuple(tuple(images) for images in slices_along_normal(self.planes))

    @cached_property
    def positions_mm(self) -> tuple[float, ...]:
        """Distance of every slice from the origin along the normal, increasing."""
        firsts = [images[0] for images in self.slices]
        return tuple(float(p) for p in along_normal_mm(firsts, normal_of(self.planes[0])))

    @property
    def n_slices(self) -> int:
        """Number of slices."""
        return len(self.slices)

    @cached_property
    def n_phases(self) -> int:
        """Images in a typical slice."""
        return int(median(len(images) for images in self.slices))

    @cached_property
    def series_uids(self) -> tuple[str, ...]:
        """Series the images come from, in order of first appearance."""
        return tuple(dict.fromkeys(plane.series_uid for plane in self.planes))

    @property
    def latest_series_number(self) -> int:
        """SeriesNumber that was acquired last, 0 where none is stated."""
        return max(whole_number(plane.header, "SeriesNumber") or 0 for plane in self.planes)

    @cached_property
    def is_cine(self) -> bool:
        """Whether the slices show a beating heart in many phases."""
        return self.n_phases >= MIN_PHASES and shows_heartbeat(self.slices[self.n_slices // 2])

    @property
    def stands_still(self) -> bool:
        """Whether all images of a slice were acquired at one trigger time, as those of maps are."""
        span_ms = trigger_span_ms(self.slices[self.n_slices // 2])
        return span_ms is not None and span_ms[1] - span_ms[0] < _SHORTEST_STEP_MS

    @cached_property
    def condition(self) -> Condition:
        """When and how its slices were acquired."""
        return common_condition([condition_of(images) for images in self.slices])

    @property
    def length_mm(self) -> float:
        """From the first slice to the last."""
        return self.positions_mm[-1] - self.positions_mm[0]

    @property
    def spacing_mm(self) -> float:
        """Usual distance between slices, 0 for a single one."""
        return float(np.median(np.diff(self.positions_mm))) if self.n_slices > 1 else 0.0


def image_groups_of(images: StudyImages) -> tuple[ImageGroup, ...]:
    """The placed images of every series, apart by orientation, pixel grid and pulse sequence.

    Scouts, several views and several contrasts share a series more often than they should.
    """
    return tuple(
        group for series in images.series for group in _grouped(p for p in series.planes if is_placed(p))
    )


def cine_groups_of(groups: Sequence[ImageGroup]) -> list[ImageGroup]:
    """The groups that show a beating heart, and those that do once their images are joined: stacks whose
    phases are series of their own."""
    stills = [g for g in groups if not g.is_cine]
    phases = _grouped(plane for g in stills if g.n_phases == 1 for plane in g.planes)
    joined = [g for g in phases if g.is_cine and g.n_slices >= MIN_SLICES]
    return [*(g for g in groups if g.is_cine), *joined]


def _grouped(planes: Iterable[ImagePlane]) -> list[ImageGroup]:
    groups = []
    ordered = sorted(planes, key=lambda p: (p.instance_number or 0, p.sop_instance_uid, p.frame_number or 0))
    for parallel in grouped(ordered, is_parallel):
        for images in grouped(parallel, is_same_kind):
            groups.extend(_cine_apart_from_stills(ImageGroup(tuple(images))))
    return groups


def shows_heartbeat(images: Sequence[ImagePlane]) -> bool:
    """Whether images of one slice run through a heartbeat or several, not one image from each of many.

    Perfusion and other dynamic series also have dozens of images at a position. Their trigger times do not
    run through the heartbeat but stand nearly still, or go on by a heartbeat each, or the images were
    acquired a heartbeat apart. Where a study tells no times, many images count as phases.
    """
    if (span_ms := trigger_span_ms(images)) is not None:
        if span_ms[1] - span_ms[0] < _SHORTEST_CINE_MS:
            return False
        different_ms = np.unique([p.trigger_time_ms for p in images])
        if np.median(np.diff(different_ms)) > _LONGEST_STEP_MS:
            return False
        if different_ms.size > len(images) / 2:
            return True
    return not _are_a_beat_apart(images)


def trigger_span_ms(images: Sequence[ImagePlane]) -> tuple[float, float] | None:
    """The first and last trigger time of a slice, where all images state one and not all are zero."""
    triggers_ms = [p.trigger_time_ms for p in images if p.trigger_time_ms is not None]
    if len(triggers_ms) < len(images) or max(triggers_ms) <= 0:
        return None
    return min(triggers_ms), max(triggers_ms)


def _are_a_beat_apart(images: Sequence[ImagePlane]) -> bool:
    times_s = [t for p in images if (t := time_of_day_s(p.header, "AcquisitionTime")) is not None]
    if len(times_s) < len(images):
        return False
    return float(np.median(np.diff(sorted(times_s)))) >= _SHORTEST_BEAT_S


def _cine_apart_from_stills(group: ImageGroup) -> list[ImageGroup]:
    """Separate positions with one or two images from a group that otherwise holds whole cine slices."""
    stills = [plane for images in group.slices if len(images) <= MAX_STILLS for plane in images]
    cine = [plane for images in group.slices if len(images) > MAX_STILLS for plane in images]
    if not stills or not cine or not ImageGroup(tuple(cine)).is_cine:
        return [group]
    return [ImageGroup(tuple(cine)), ImageGroup(tuple(stills))]
