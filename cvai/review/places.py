"""Where in the images a finding can be looked at, as its own sentence says it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from cvai.analyses.echo_apical.codes import VIEW_NAMES

PHASE_NAMES: Mapping[str, str] = {"end-diastole": "ed", "end-systole": "es"}
SLICE = re.compile(r"\bslices? (\d+)(?: (?:at|in) (end-diastole|end-systole))?")
PHASE = re.compile(r"\bphase (\d+)")
FRAME = re.compile(r"\bFrame (\d+)")


class Place(TypedDict):
    """0-based phase and slice; None where the sentence leaves it open."""

    t: int | None
    z: int | None


class LoopPlace(TypedDict):
    """View and 0-based frame."""

    view: str
    t: int


def places_of(message: str, frames: Mapping[str, Any]) -> list[Place]:
    """Every place a finding names; slices and phases count from 1 in sentences.

    Args:
        message: the finding's sentence.
        frames: ``{"ed": 0, "es": 12}`` as in result.json.

    >>> frames = {"ed": 0, "es": 12}
    >>> places_of("The outline is ragged in slice 3 at end-systole, slice 9 at end-diastole.", frames)
    [{'t': 12, 'z': 2}, {'t': 0, 'z': 8}]
    >>> places_of("The left ventricle jumps by 40 mL at phase 7 against its neighbours.", frames)
    [{'t': 6, 'z': None}]
    >>> places_of("Stroke volumes differ: left 70 mL, right 40 mL.", frames)
    []
    """
    slices = [Place(t=_phase(name, frames), z=int(z) - 1) for z, name in SLICE.findall(message)]
    if slices:
        return slices
    phases = [Place(t=int(t) - 1, z=None) for t in PHASE.findall(message)]
    if phases:
        return phases
    named = sorted((message.find(name), name) for name in PHASE_NAMES if name in message)
    return [Place(t=_phase(name, frames), z=None) for _, name in named]


def loop_places_of(message: str, loops: Sequence[Mapping[str, Any]]) -> list[LoopPlace]:
    """Every place that a finding about loops names; without a frame the view's end-diastole is meant.

    Args:
        message: the finding's sentence.
        loops: as in ``LoopPack.meta``.

    >>> loops = [
    ...     {"view": "a4c", "beats": [{"ed": 2, "es": 9}]},
    ...     {"view": "a2c", "beats": [{"ed": 0, "es": 8}]},
    ... ]
    >>> loop_places_of("Frame 7 of the apical two-chamber view leaves the area of its neighbours.", loops)
    [{'view': 'a2c', 't': 6}]
    >>> loop_places_of("The long axes of the two views differ by 20 % at end-diastole.", loops)
    [{'view': 'a4c', 't': 2}, {'view': 'a2c', 't': 0}]
    >>> loop_places_of("Only one view was measured.", loops)
    []
    """
    named = [loop for loop in loops if f"{VIEW_NAMES[loop['view']]} " in message]
    if not named and "two views" in message:
        named = list(loops)
    return [LoopPlace(view=loop["view"], t=_frame(message, loop)) for loop in named]


def _frame(message: str, loop: Mapping[str, Any]) -> int:
    if frame := FRAME.search(message):
        return int(frame[1]) - 1
    key = "es" if "end-systole" in message and "end-diastole" not in message else "ed"
    return int(loop["beats"][0][key])


def _phase(name: str, frames: Mapping[str, Any]) -> int | None:
    return int(frames[PHASE_NAMES[name]]) if name else None
