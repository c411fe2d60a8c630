"""What corrected labels measure, and what a reader sent as corrections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from cvai.domain.anatomy import SAX_LABELS
from cvai.domain.function import measure_sax
from cvai.domain.geometry import StackGeometry
from cvai.domain.measurement import Measurement
from cvai.domain.phases import KeyPhases
from cvai.domain.runs import decoded_runs
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.volumes import volume_curves_ml
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


def checked_edits(changes: ChangesBody, labels: NDArray[np.uint8]) -> tuple[FrameEdit, ...]:
    """The frames that really differ from the model's, in order.

    Args:
        changes: as the page sent them.
        labels: (t, z, y, x) of the model.

    Raises:
        RequestInvalid: ``changes_invalid``: a frame that is not there, or runs that do not fill it.
    """
    n_phases, n_slices = labels.shape[:2]
    if max(changes.ed, changes.es) >= n_phases or changes.ed == changes.es:
        raise _invalid(f"end-diastole {changes.ed} and end-systole {changes.es} of {n_phases} phases")
    edits = {}
    for frame in changes.frames:
        if frame.t >= n_phases or frame.z >= n_slices:
            raise _invalid(f"phase {frame.t}, slice {frame.z} of {n_phases} x {n_slices}")
        if not np.array_equal(_frame_labels(frame.runs, labels.shape[2:]), labels[frame.t, frame.z]):
            edits[frame.t, frame.z] = FrameEdit(frame.t, frame.z, tuple(frame.runs))
    return tuple(edits[place] for place in sorted(edits))


def with_edits(labels: NDArray[np.uint8], edits: Sequence[FrameEdit]) -> NDArray[np.uint8]:
    """(t, z, y, x) labels, those of edited frames replaced."""
    edited = labels.copy()
    for edit in edits:
        edited[edit.t, edit.z] = decoded_runs(edit.runs, labels.shape[2:])
    return edited


def measured(
    labels: NDArray[np.uint8], phases: KeyPhases, cine: Mapping[str, Any]
) -> tuple[Measurement, ...]:
    """Volumes and function of labels (t, z, y, x) on the grid that ``CinePack.meta`` describes."""
    spacing_mm = (cine["slice_spacing_mm"], cine["spacing_y_mm"], cine["spacing_x_mm"])
    geometry = StackGeometry.unplaced(labels.shape[1], spacing_mm)
    curves_ml = volume_curves_ml(CineSegmentation(labels, geometry))
    return measure_sax(curves_ml, phases, cine["heart_rate_bpm"])


def _frame_labels(runs: Sequence[int], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    try:
        labels = decoded_runs(runs, shape)
    except ValueError as error:
        raise _invalid(str(error)) from error
    if int(labels.max()) > max(SAX_LABELS.values()):
        raise _invalid(f"label {int(labels.max())} has no name")
    return labels


def _invalid(what: str) -> RequestInvalid:
    return RequestInvalid(
        "changes_invalid",
        f"The changes do not fit this study: {what}.",
        "Load the study again; a draft from before it changed cannot be used.",
    )
