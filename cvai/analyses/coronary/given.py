"""What a reader gives of lesions, as numbers that drafts and readings keep: percentages, and places drawn.

``lesion_2_stenosis`` is a percentage. ``lesion_2_stenosis:begin`` and the like are places along a vessel, as
points of its path from the trunk, and edges across it, in pixels from the centreline. A lesion that no
analysis has found is numbered after those that it has, and names the run and vessel that it is in; where no
model has drawn that vessel, the points of a line along it, and its segment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.coronary.analyse import MOST_RUNS
from cvai.analyses.coronary.analysis import Lesion, MeasuredRun, numbered
from cvai.analyses.coronary.tree import lesion_of
from cvai.domain.message import Message, say
from cvai.domain.vessels.diameters import DiameterProfile
from cvai.domain.vessels.drawn import drawn_profile, likely_lesion, lumen_of
from cvai.domain.vessels.narrowings import Caliper, DrawnLesion, Narrowing, drawn_narrowing
from cvai.domain.vessels.segments import CORONARY_LABELS
from cvai.errors import HeartRefused, StudyRefused

BEGIN, END = "begin", "end"
MINIMUM, REFERENCE = "minimum", "reference"
AXES = "yx"
RUN, VESSEL, SEGMENT = "view", "course", "segment"
MOST_LINE_POINTS = 24
"""Of a line that a reader draws along a vessel, ``y1``, ``x1`` and so on."""
_MOST_POINTS, _WIDEST_PX, _MOST_VESSELS = 8192.0, 400.0, 1000.0

PLACES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        RUN: (1.0, float(MOST_RUNS)),
        VESSEL: (1.0, _MOST_VESSELS),
        SEGMENT: (1.0, float(len(CORONARY_LABELS))),
        **{
            f"{axis}{number}": (0.0, _MOST_POINTS)
            for number in range(1, MOST_LINE_POINTS + 1)
            for axis in AXES
        },
        BEGIN: (0.0, _MOST_POINTS),
        END: (0.0, _MOST_POINTS),
        **{f"{caliper}_at": (0.0, _MOST_POINTS) for caliper in (MINIMUM, REFERENCE)},
        **{
            f"{caliper}_{side}": (-_WIDEST_PX, _WIDEST_PX)
            for caliper in (MINIMUM, REFERENCE)
            for side in ("left", "right")
        },
    }
)
"""Least and largest value of each."""

_NAME = re.compile(r"lesion_(\d+)_stenosis(?::(\w+))?")

Profiles = Sequence[DiameterProfile]
Given = Mapping[str, float]
"""Places of one lesion, by their names."""


def with_given(
    runs: Sequence[MeasuredRun], profiles: Sequence[Profiles], chosen: Mapping[str, float]
) -> tuple[MeasuredRun, ...]:
    """The runs with what a reader gives of their lesions, and with the lesions that they have added.

    Args:
        runs: as they were measured.
        profiles: of the vessels of each run.
        chosen: what a reader has given, by name.

    Raises:
        HeartRefused: ``lesion_not_measurable``: what was drawn gives no diameters.
        StudyRefused: ``reading_does_not_fit``: it names what these runs do not have.
    """
    found = {lesion.number: lesion.lesion for lesion in numbered(runs)}
    by_identity = {id(lesion): number for number, lesion in found.items()}
    given, percents = _by_lesion(chosen)
    changed = [
        replace(
            run,
            lesions=tuple(
                _given(run, lesion, number, given.get(number, {}), percents.get(number))
                for lesion in run.lesions
                for number in (by_identity[id(lesion)],)
            ),
        )
        for run in runs
    ]
    for number in sorted((given.keys() | percents.keys()) - found.keys()):
        place = round(given.get(number, {}).get(RUN, 0.0)) - 1
        if not 0 <= place < len(runs):
            raise _does_not_fit(number)
        added = _added(runs[place], profiles[place], number, given[number], percents.get(number))
        changed[place] = replace(changed[place], lesions=(*changed[place].lesions, added))
        if f"{AXES[0]}1" in given[number]:
            changed[place] = _with_lumen(changed[place], added)
    return tuple(changed)


def _by_lesion(chosen: Mapping[str, float]) -> tuple[dict[int, dict[str, float]], dict[int, float]]:
    """Places by the number of their lesion, and percentages."""
    given: dict[int, dict[str, float]] = {}
    percents: dict[int, float] = {}
    for name, value in chosen.items():
        if match := _NAME.fullmatch(name):
            number, place = int(match[1]), match[2]
            if place is None:
                percents[number] = value
            else:
                given.setdefault(number, {})[place] = value
    return given, percents


def _given(run: MeasuredRun, lesion: Lesion, number: int, given: Given, percent: float | None) -> Lesion:
    """A measured lesion with what a reader gives of it."""
    if given:
        drawn = _drawn(number, given, lesion.narrowing)
        moved = _measured(run, lesion.profile, number, drawn)
        lesion = replace(moved, found=lesion.found, probability=lesion.probability, seen_at=lesion.seen_at)
    return replace(lesion, given_percent=percent)


def _added(run: MeasuredRun, profiles: Profiles, number: int, given: Given, percent: float | None) -> Lesion:
    if f"{AXES[0]}1" in given:
        return _along_line(run, number, given, percent)
    vessel = round(given.get(VESSEL, 0.0)) - 1
    if not {BEGIN, END} <= given.keys() or not 0 <= vessel < len(profiles):
        raise _does_not_fit(number)
    lesion = _measured(run, profiles[vessel], number, _drawn(number, given))
    return replace(lesion, found=None, added=number, given_percent=percent)


def _along_line(run: MeasuredRun, number: int, given: Given, percent: float | None) -> Lesion:
    """A lesion on a vessel along which a reader has drawn a line."""
    points, label = _line_of(given), round(given.get(SEGMENT, 0.0))
    if label not in CORONARY_LABELS.values():
        raise _does_not_fit(number)
    try:
        profile = drawn_profile(run.source.run.absorption(run.frame), points)
    except ValueError as error:
        raise _not_measurable(number) from error
    likely = likely_lesion(profile)
    ends = {BEGIN: float(likely.first), END: float(likely.last)}
    lesion = _measured(run, profile, number, _drawn(number, {**ends, **given}))
    segment = next(segment for segment, known in CORONARY_LABELS.items() if known == label)
    return replace(lesion, found=None, added=number, given_percent=percent, segment=segment)


def _line_of(given: Given) -> NDArray[np.float64]:
    """(n, 2) points (y, x) of a line, as far as both of each are given."""
    points = []
    for place in range(1, MOST_LINE_POINTS + 1):
        names = [f"{axis}{place}" for axis in AXES]
        if not given.keys() >= set(names):
            break
        points.append([given[name] for name in names])
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def _with_lumen(run: MeasuredRun, lesion: Lesion) -> MeasuredRun:
    """The run with the vessel of a lesion labelled where no model has labelled one."""
    lumen = lumen_of(lesion.profile, run.labels.shape[:2]) & (run.labels == 0)
    return replace(run, labels=np.where(lumen, CORONARY_LABELS[lesion.segment], run.labels).astype(np.uint8))


def _drawn(number: int, given: Given, found: Narrowing | None = None) -> DrawnLesion:
    ends = [round(given[BEGIN] if BEGIN in given or found is None else found.first)]
    ends.append(round(given[END] if END in given or found is None else found.last))
    try:
        return DrawnLesion(min(ends), max(ends), _caliper(given, MINIMUM), _caliper(given, REFERENCE))
    except ValueError as error:
        raise _not_measurable(number) from error


def _caliper(given: Given, name: str) -> Caliper | None:
    names = [f"{name}_{what}" for what in ("at", "left", "right")]
    if not given.keys() >= set(names):
        return None
    at, left_px, right_px = (given[what] for what in names)
    return Caliper(round(at), left_px, right_px)


def _measured(run: MeasuredRun, profile: DiameterProfile, number: int, drawn: DrawnLesion) -> Lesion:
    narrowing = drawn_narrowing(profile, drawn)
    if narrowing is None:
        raise _not_measurable(number)
    nothing_seen = np.zeros(run.labels.shape, dtype=np.float32)
    return replace(lesion_of(profile, narrowing, run.labels, nothing_seen), drawn=drawn)


def _not_measurable(number: int) -> HeartRefused:
    return HeartRefused(
        "lesion_not_measurable",
        _of(number, say("as it is drawn, no diameters can be measured.")),
        say("Draw both its ends on one vessel with healthy points beside them, or give its percentage."),
    )


def _does_not_fit(number: int) -> StudyRefused:
    return StudyRefused(
        "reading_does_not_fit",
        _of(number, say("it is on a vessel that these images do not have.")),
        say("The study has changed since; read it again."),
    )


def _of(number: int, text: Message) -> Message:
    return say("Lesion {number}: {text}", number=number, text=text)
