"""What no contour was drawn of in a loop that is read by hand: it has no volume, and no course over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.loop import LoopSegmentation
from cvai.domain.echo.views import EchoView
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.message import Message, joined, say, term
from cvai.domain.phases import KeyPhases

VENTRICLE = (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM)
"""What discs are made of: the cavity, and the wall whose gap is the mitral plane."""


@dataclass(frozen=True, slots=True)
class NotDrawn:
    """What a beat needs and has no contour in a frame; ``structures`` are at least one."""

    structures: tuple[Structure, ...]
    view: EchoView
    frame: int
    is_end_diastole: bool


def missing_in(labels: NDArray[np.uint8]) -> tuple[Structure, ...]:
    """What of the ventricle a frame (y, x) lacks.

    >>> missing_in(np.array([[0, ECHO_LABELS[Structure.LV_CAVITY]]], dtype=np.uint8))
    (<Structure.LV_MYOCARDIUM: 'lv_myocardium'>,)
    """
    return tuple(structure for structure in VENTRICLE if not (labels == ECHO_LABELS[structure]).any())


def not_drawn(segmentation: LoopSegmentation, beats: Sequence[KeyPhases]) -> tuple[NotDrawn, ...]:
    """What of the ventricle is not drawn at end-diastole and end-systole of the beats."""
    return tuple(
        NotDrawn(structures, segmentation.view, t, t == beat.end_diastole)
        for beat in beats
        for t in (beat.end_diastole, beat.end_systole)
        if (structures := missing_in(segmentation.labels[t]))
    )


def not_drawn_findings(missing: Sequence[NotDrawn], names: Mapping[EchoView, str]) -> tuple[Finding, ...]:
    """Why nothing is measured; ``names`` are those of the views in messages."""
    if not missing:
        return ()
    structures = joined(
        ", ",
        dict.fromkeys(
            say(
                "{structure} at {phase} ({view} view)",
                structure=_named(one.structures),
                phase=say("end-diastole") if one.is_end_diastole else say("end-systole"),
                view=names[one.view],
            )
            for one in missing
        ),
    )
    message = say(
        "Not drawn: {structures}. Nothing is measured until they are; a view without any contour is left "
        "out.",
        structures=structures,
    )
    places = tuple(dict.fromkeys(Place(one.frame, view=one.view.value) for one in missing))
    return (Finding("structure_not_drawn", Severity.WITHHELD, message, places),)


def _named(structures: tuple[Structure, ...]) -> Message:
    return say("Left ventricle") if structures == VENTRICLE else term(structures[0].display_name)


def single_frames_finding() -> Finding:
    """Of a loop in which frames between the two phases are left out."""
    message = say("Single frames alone are drawn: nothing is measured over the heartbeat.")
    return Finding("phases_not_drawn", Severity.INFO, message)
