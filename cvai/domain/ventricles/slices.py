"""Whether contours of one phase go together from slice to slice, and cavity and wall within a slice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.message import Message, joined, say
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation, apex_comes_first
from cvai.domain.ventricles.outline import OUTLINE_WORDS, within, worded

AREA_JUMP: Mapping[Structure, float] = MappingProxyType(
    {Structure.LV_CAVITY: 0.40, Structure.LV_MYOCARDIUM: 0.22, Structure.RV_CAVITY: 0.60}
)
"""By how much the area within an outline may leave the mean of both neighbouring slices, as a share of the
largest slice's. In the reference contours of 100 ACDC patients the most is 0.39 for the cavity of the left
ventricle, 0.20 for the outline of its wall, and 0.59 for the right ventricle."""


def slice_findings(segmentation: CineSegmentation, phases: KeyPhases) -> tuple[Finding, ...]:
    """Slices that a contour skips or in which it jumps, and a cavity or a wall without the other."""
    areas = {
        (structure, t): np.count_nonzero(within(segmentation.labels[t], structure), axis=(1, 2))
        for t in (phases.end_diastole, phases.end_systole)
        for structure in OUTLINE_WORDS
    }
    found = (
        _by_structure("slice_skipped", say("is not drawn"), areas, phases, _skipped),
        _by_structure(
            "area_jumps_between_slices", say("jumps against its neighbours"), areas, phases, _jumping
        ),
        *_cavity_and_wall(segmentation, phases),
    )
    return tuple(finding for finding in found if finding is not None)


_Areas = NDArray[np.intp]


def _by_structure(
    code: str,
    what: Message,
    areas: Mapping[tuple[Structure, int], _Areas],
    phases: KeyPhases,
    judge: Callable[[_Areas, Structure], NDArray[np.intp]],
) -> Finding | None:
    """One finding for the slices of both phases that ``judge`` names, by structure."""
    places = {
        structure: [
            Place(t, int(z))
            for (of, t), pixels in areas.items()
            if of is structure
            for z in judge(pixels, of)
        ]
        for structure in OUTLINE_WORDS
    }
    named = [
        say(
            "{structure} {what} in {slices}",
            structure=OUTLINE_WORDS[s],
            what=what,
            slices=worded(where, phases),
        )
        for s, where in places.items()
        if where
    ]
    if not named:
        return None
    others = (say("the {structure_and_slices}", structure_and_slices=other) for other in named[1:])
    message = say("The {places}: check the contours there.", places=joined("; ", (named[0], *others)))
    return Finding(
        code, Severity.WARNING, message, tuple(place for where in places.values() for place in where)
    )


def _skipped(pixels: _Areas, structure: Structure) -> NDArray[np.intp]:
    """Slices without it between slices with it; there are none in the reference contours of ACDC."""
    del structure
    drawn = np.flatnonzero(pixels)
    inside = np.arange(drawn[0], drawn[-1]) if drawn.size else drawn
    return np.setdiff1d(inside, drawn)


def _jumping(pixels: _Areas, structure: Structure) -> NDArray[np.intp]:
    """Slices drawn between drawn ones whose area leaves the mean of these."""
    between = (pixels[:-2] + pixels[2:]) / 2
    are_drawn = (pixels[:-2] > 0) & (pixels[1:-1] > 0) & (pixels[2:] > 0)
    departure = np.abs(pixels[1:-1] - between)
    return np.flatnonzero(are_drawn & (departure > AREA_JUMP[structure] * max(1, pixels.max()))) + 1


def _cavity_and_wall(segmentation: CineSegmentation, phases: KeyPhases) -> tuple[Finding | None, ...]:
    bare: list[Place] = []
    solid: list[Place] = []
    for t in (phases.end_diastole, phases.end_systole):
        labels = segmentation.labels[t]
        cavity, wall = (
            (labels == SAX_LABELS[structure]).any(axis=(1, 2))
            for structure in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM)
        )
        bare += [Place(t, int(z)) for z in np.flatnonzero(cavity & ~wall)]
        solid += [Place(t, int(z)) for z in _before_the_apex(wall & ~cavity, cavity, labels)]
    return (
        _pair("cavity_without_wall", say("cavity but no wall"), bare, phases),
        _pair("wall_without_cavity", say("wall but no cavity"), solid, phases),
    )


def _before_the_apex(
    slices: NDArray[np.bool_], cavity: NDArray[np.bool_], labels: NDArray[np.uint8]
) -> NDArray[np.intp]:
    """Slices with cavity beyond them towards the apex: the apex itself closes, in systole above all."""
    drawn = np.flatnonzero(cavity)
    if not drawn.size:
        return drawn
    z = np.arange(cavity.size)
    beyond = z > drawn[0] if apex_comes_first(labels) else z < drawn[-1]
    return np.flatnonzero(slices & beyond)


def _pair(code: str, what: Message, places: list[Place], phases: KeyPhases) -> Finding | None:
    if not places:
        return None
    message = say(
        "The left ventricle has {what} in {slices}: draw or remove the other one.",
        what=what,
        slices=worded(places, phases),
    )
    return Finding(code, Severity.WARNING, message, tuple(places))
