"""What a reader sent as corrections, checked against what can be corrected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from cvai.analyses.registry import AnyEditing
from cvai.domain.runs import decoded_runs
from cvai.errors import RequestInvalid
from cvai.jobs.reading import FrameEdit


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FrameBody(_Body):
    """One frame as the page sends it."""

    t: int = Field(ge=0)
    z: int = Field(ge=0)
    runs: list[int]


class ChangesBody(_Body):
    """Everything a reader has changed: whole frames, and the two phases."""

    ed: int = Field(ge=0)
    es: int = Field(ge=0)
    frames: list[FrameBody] = Field(default=[], max_length=5000)


def checked_edits(
    changes: ChangesBody, labels: NDArray[np.uint8], editing: AnyEditing
) -> tuple[FrameEdit, ...]:
    """The frames that really differ from the model's, in order.

    Args:
        changes: as the page sent them.
        labels: (t, z, y, x) of the model.
        editing: of the analysis; its segments are the labels that there are.

    Raises:
        RequestInvalid: ``changes_invalid``: a frame that is not there, runs that do not fill it, or a label
            without a segment.
    """
    known = np.array([0, *(segment.number for segment in editing.segments)])
    n_phases, n_slices = labels.shape[:2]
    is_one_phase_for_both = changes.ed == changes.es and n_phases > 1
    if max(changes.ed, changes.es) >= n_phases or is_one_phase_for_both:
        raise _invalid(f"end-diastole {changes.ed} and end-systole {changes.es} of {n_phases} phases")
    edits = {}
    for frame in changes.frames:
        if frame.t >= n_phases or frame.z >= n_slices:
            raise _invalid(f"phase {frame.t}, slice {frame.z} of {n_phases} x {n_slices}")
        if not np.array_equal(_frame_labels(frame.runs, labels.shape[2:], known), labels[frame.t, frame.z]):
            edits[frame.t, frame.z] = FrameEdit(frame.t, frame.z, tuple(frame.runs))
    return tuple(edits[place] for place in sorted(edits))


def with_edits(labels: NDArray[np.uint8], edits: Sequence[FrameEdit]) -> NDArray[np.uint8]:
    """(t, z, y, x) labels, those of edited frames replaced."""
    edited = labels.copy()
    for edit in edits:
        edited[edit.t, edit.z] = decoded_runs(edit.runs, labels.shape[2:])
    return edited


def _frame_labels(runs: Sequence[int], shape: tuple[int, ...], known: NDArray[np.int_]) -> NDArray[np.uint8]:
    try:
        labels = decoded_runs(runs, shape)
    except ValueError as error:
        raise _invalid(str(error)) from error
    if unknown := np.setdiff1d(labels, known).tolist():
        raise _invalid(f"labels {unknown} have no name")
    return labels


def _invalid(what: str) -> RequestInvalid:
    return RequestInvalid(
        "changes_invalid",
        f"The changes do not fit this study: {what}.",
        "Load the study again; a draft from before it changed cannot be used.",
    )
