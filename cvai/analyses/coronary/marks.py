"""Lesions on the reader's page: where each is, what it measures, and what a reader drags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.coronary.analyse import measurements_of, stenosis_name
from cvai.analyses.coronary.analysis import Lesion, NumberedLesion, standing
from cvai.analyses.coronary.given import BEGIN, END, MINIMUM, REFERENCE
from cvai.analyses.coronary.reading import ReopenedRuns, runs_with
from cvai.analyses.coronary.views import view_key
from cvai.analyses.shown import FewFrames, Handle, Line, Mark, Preview
from cvai.domain.message import Message, say, term
from cvai.domain.vessels.diameters import DiameterProfile
from cvai.domain.vessels.narrowings import Caliper, grade_of
from cvai.languages import msgid

_REACH_PX = 150
"""Along a vessel to both sides of a lesion's end: as far as it is dragged at once."""
_BESIDE_PX = 12
"""From a lesion's end to where the vessel beside it is measured as reference, where a reader wants to."""


def percent_in_words(percent: float) -> Message:
    """A diameter stenosis with its grade."""
    if percent == 0.0:
        return say("no stenosis")
    return say("{percent:.0f} %, {grade}", percent=percent, grade=term(grade_of(percent)))


def lesion_in_words(name: str, values: Mapping[str, float]) -> Message:
    """Percentage and grade of a lesion and, where pixels have a size, its diameters and length.

    Args:
        name: of its stenosis.
        values: of all measurements, by name.
    """
    percent, lesion = percent_in_words(values[name]), name.removesuffix("stenosis")
    names = [lesion + what for what in ("minimal_diameter", "reference_diameter", "length")]
    if not values.keys() >= set(names):
        return percent
    minimum, reference, length = (values[measured] for measured in names)
    return say(
        "{percent}; {minimum:.1f} of {reference:.1f} mm, {length:.1f} mm long",
        percent=percent,
        minimum=minimum,
        reference=reference,
        length=length,
    )


def preview_of_runs(reopened: ReopenedRuns, few: FewFrames) -> Preview:
    """What lesions measure as a reader draws them, and where."""
    runs = runs_with(reopened, few.factors, few.chosen)
    has_numbers = any(run.lesions for run in runs) or not reopened.study.is_read_by_hand
    measurements = measurements_of(runs) if has_numbers else ()
    values = {m.name: m.value for m in measurements}
    marks: dict[str, list[Mark]] = {view_key(run.number): [] for run in reopened.runs}
    for found in standing(runs):
        marks[view_key(reopened.runs[runs.index(found.run)].number)].append(_mark(found, values))
    return Preview(measurements, marks=marks)


def _mark(found: NumberedLesion, values: Mapping[str, float]) -> Mark:
    lesion = found.lesion
    narrowing, profile = lesion.narrowing, lesion.profile
    y, x = profile.path.points[narrowing.narrowest]
    calipers = (_caliper(found, MINIMUM), _caliper(found, REFERENCE))
    return Mark(
        name=stenosis_name(found.number),
        number=found.number,
        title=lesion_in_words(stenosis_name(found.number), values),
        frame=found.run.frame,
        at=(float(y), float(x)),
        lines=(
            *edges_of((profile,), slice(narrowing.first, narrowing.last + 1)),
            *(_across(profile, caliper.at, caliper.left_px, caliper.right_px) for caliper in calipers),
        ),
        handles=(
            _end(found, BEGIN),
            _end(found, END),
            *_sides(found, MINIMUM, calipers[0]),
            *_sides(found, REFERENCE, calipers[1]),
        ),
    )


def _end(found: NumberedLesion, name: str) -> Handle:
    """The handle of a lesion's first or last point, which stays on its side of the narrowest one."""
    lesion = found.lesion
    narrowing, points = lesion.narrowing, lesion.profile.path.points
    fixed = lesion.drawn is not None and lesion.drawn.minimum is not None
    if name == BEGIN:
        at, title = narrowing.first, msgid("Begin of the lesion")
        low, high = max(0, at - _REACH_PX), narrowing.narrowest if fixed else narrowing.last - 1
    else:
        at, title = narrowing.last, msgid("End of the lesion")
        low = narrowing.narrowest if fixed else narrowing.first + 1
        high = min(len(points) - 1, at + _REACH_PX)
    track = points[low : max(high, low + 1) + 1]
    return Handle(name, title, points_of(track), (low, low + len(track) - 1), at, 1.0)


def _sides(found: NumberedLesion, name: str, caliper: Caliper) -> tuple[Handle, Handle]:
    """Handles of both edges of a caliper."""
    reach_px = found.lesion.narrowing.reference_px + 6.0
    values = {
        f"{name}_at": float(caliper.at),
        f"{name}_left": caliper.left_px,
        f"{name}_right": caliper.right_px,
    }
    spans = {"left": (-reach_px, caliper.right_px), "right": (caliper.left_px, reach_px)}

    def side(which: str) -> Handle:
        place, (low, high) = f"{name}_{which}", spans[which]
        others = {other: value for other, value in values.items() if other != place}
        track = _across(found.lesion.profile, caliper.at, low, high)
        return Handle(place, _CALIPERS[name], track, (low, high), values[place], 0.1, others)

    return side("left"), side("right")


_CALIPERS = {MINIMUM: msgid("Edge at the narrowest place"), REFERENCE: msgid("Edge of the healthy vessel")}


def _caliper(found: NumberedLesion, name: str) -> Caliper:
    """Both edges at the narrowest place or beside the lesion, as a reader has drawn them or as measured."""
    lesion = found.lesion
    narrowing, drawn = lesion.narrowing, None
    if lesion.drawn is not None:
        drawn = lesion.drawn.minimum if name == MINIMUM else lesion.drawn.reference
    if drawn is not None:
        return drawn
    if name == MINIMUM:
        at, diameter_px = narrowing.narrowest, narrowing.minimal_px
    else:
        at = _beside(lesion)
        measured_px = float(lesion.profile.diameter_px[at])
        diameter_px = measured_px if np.isfinite(measured_px) else narrowing.reference_px
    middle_px = float(lesion.profile.offsets_px[at].mean())
    middle_px = middle_px if np.isfinite(middle_px) else 0.0
    return Caliper(at, round(middle_px - diameter_px / 2, 1), round(middle_px + diameter_px / 2, 1))


def _beside(lesion: Lesion) -> int:
    """The point nearest before a lesion, else behind it, at which the vessel was measured."""
    known = np.flatnonzero(lesion.profile.measured)
    first, last = lesion.narrowing.first - _BESIDE_PX, lesion.narrowing.last + _BESIDE_PX
    if (known <= first).any():
        return int(known[known <= first][-1])
    behind = known[known >= last]
    return int(behind[0]) if len(behind) else min(last, len(lesion.profile.diameter_px) - 1)


def _across(profile: DiameterProfile, at: int, left_px: float, right_px: float) -> Line:
    point, normal = profile.path.points[at], profile.path.normals[at]
    return points_of(np.stack([point + left_px * normal, point + right_px * normal]))


def points_of(points: NDArray[np.float64]) -> Line:
    """(n, 2) points (y, x) as a line."""
    return [(float(y), float(x)) for y, x in points]


def edges_of(profiles: Sequence[DiameterProfile], part: slice = slice(None)) -> list[Line]:
    """Both edges of every vessel, or of a part of it, in pieces where they could be measured."""
    lines: list[Line] = []
    for profile in profiles:
        points = np.arange(len(profile.diameter_px))[part]
        known = points[profile.measured[part]]
        for piece in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
            if len(piece) > 1:
                lines += [profile.edges[piece, side].tolist() for side in (0, 1)]
    return lines
