"""Where in the images a finding can be looked at, as its own sentence says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypedDict

PHASE_NAMES: Mapping[str, str] = {"end-diastole": "ed", "end-systole": "es"}
SLICE = re.compile(r"\bslices? (\d+)(?: (?:at|in) (end-diastole|end-systole))?")
PHASE = re.compile(r"\bphase (\d+)")


class Place(TypedDict):
    """0-based phase and slice; None where the sentence leaves it open."""

    t: int | None
    z: int | None


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


def _phase(name: str, frames: Mapping[str, Any]) -> int | None:
    return int(frames[PHASE_NAMES[name]]) if name else None
