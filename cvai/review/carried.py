"""A correction carried on to other phases or slices, as a preview that the page shows; nothing is kept."""

from __future__ import annotations

from statistics import mean

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from cvai.analyses.page import Along
from cvai.analyses.spec import STACK
from cvai.domain.carried import Reach, carried
from cvai.domain.runs import decoded_runs, encoded_runs
from cvai.errors import RequestInvalid
from cvai.jobs.reading import FrameEdit
from cvai.review.measured import ChangesBody, checked_edits
from cvai.review.page import Json, Page
from cvai.review.study import pack_of
from cvai.review.summary import Summary

FADING_SHARE = 0.25
"""Of all phases: how far a correction reaches at first towards phases that nobody corrected."""


class CarryBody(BaseModel):
    """What is carried on: the correction of one frame, and how far; None for as far as usual."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    changes: ChangesBody
    t: int = Field(ge=0)
    z: int = Field(ge=0)
    view: str = Field(default=STACK, max_length=20)
    along: Along
    frames: int | None = Field(default=None, ge=1, le=1000)


def carried_json(page: Page, summary: Summary, body: CarryBody) -> Json:
    """Frames with the correction of one frame, as runs of the part that the page shows.

    Frames that were corrected by hand stay as they are, and so do those that got the correction of another
    phase and another slice.

    Raises:
        RequestInvalid: ``study_unknown``: nothing is carried on in this analysis; ``changes_invalid``;
            ``nothing_to_carry``: the frame is not corrected.
    """
    editing, shown = summary.editing, summary.page
    if editing is None or shown is None or body.along not in shown.carried:
        raise RequestInvalid("study_unknown", "Nothing is carried on here.", "Its numbers can be read.")
    pack = pack_of(page, summary)
    edits = [e for e in checked_edits(body.changes, pack, editing) if e.view == body.view]
    if not any((edit.t, edit.z) == (body.t, body.z) for edit in edits):
        raise RequestInvalid(
            "nothing_to_carry", "This image has no correction.", "Correct it first, or go to one that has."
        )
    drawn = pack.read_views()[body.view]
    line = drawn[:, body.z] if body.along == "phases" else drawn[body.t]
    reach = _reach(body, len(line))
    found = carried(
        line,
        {
            _index(edit, body): decoded_runs(edit.runs, line.shape[1:])
            for edit in _on_line(edits, body, reach)
        },
        reach,
        [layer for layer in shown.layers if layer.editable],
    )
    part = pack.part_shown(body.view)
    return {"frames": [_frame_json(body, index, labels[part]) for index, labels in sorted(found.items())]}


def _on_line(edits: list[FrameEdit], body: CarryBody, reach: Reach) -> list[FrameEdit]:
    """Corrected frames between which a correction is carried: not those that got theirs from this line.

    In a loop those of other heartbeats, farther away than it reaches, have nothing to do with it.
    """
    place = 1 if body.along == "phases" else 0
    fixed = (body.t, body.z)[place]
    on_line = [edit for edit in edits if (edit.t, edit.z)[place] == fixed]
    if body.view != STACK:
        on_line = [edit for edit in on_line if abs(edit.t - body.t) <= reach.between]
    return [
        edit
        for edit in on_line
        if (edit.t, edit.z) == (body.t, body.z)
        or edit.carried_from is None
        or edit.carried_from[place] != fixed
    ]


def _index(edit: FrameEdit, body: CarryBody) -> int:
    return edit.t if body.along == "phases" else edit.z


def _reach(body: CarryBody, n: int) -> Reach:
    """Phases of a stack are those of one heartbeat; a loop has several, or a part of one."""
    if body.view != STACK:
        systole = _frames_of_systole(body)  # at first half of it, about as much of the heartbeat
        return Reach(body.t, body.frames or max(1, systole // 2), body.frames or systole, cyclic=False)
    along_phases = body.along == "phases"
    usual = max(1, round(FADING_SHARE * n)) if along_phases else 1
    return Reach(
        source=body.t if along_phases else body.z,
        fading=body.frames or usual,
        between=body.frames or n,
        cyclic=along_phases,
    )


def _frames_of_systole(body: CarryBody) -> int:
    """From end-diastole to end-systole, in the beats of the loop on average."""
    beats = body.changes.beats_by_view[body.view]
    return max(1, round(mean(abs(beat.end_systole - beat.end_diastole) for beat in beats)))


def _frame_json(body: CarryBody, index: int, labels: NDArray[np.uint8]) -> Json:
    t, z = (index, body.z) if body.along == "phases" else (body.t, index)
    return {"t": t, "z": z, "view": body.view, "runs": encoded_runs(labels)}
