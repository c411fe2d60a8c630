"""What a reader sent as corrections, checked against what can be corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from cvai.analyses.registry import AnyEditing
from cvai.analyses.shown import FewFrames
from cvai.analyses.spec import STACK
from cvai.domain.phases import KeyPhases
from cvai.domain.runs import decoded_runs, encoded_runs
from cvai.errors import RequestInvalid
from cvai.jobs.reading import FrameEdit, Reading
from cvai.review.viewers.loops import LoopPack


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FrameBody(_Body):
    """One frame as the page sends it: of a loop the part that it shows."""

    t: int = Field(ge=0)
    z: int = Field(ge=0)
    runs: list[int]
    view: str = Field(default=STACK, max_length=20)
    carried_from: tuple[int, int] | None = None


class BeatBody(_Body):
    """A beat of a loop."""

    ed: int = Field(ge=0)
    es: int = Field(ge=0)

    @property
    def phases(self) -> KeyPhases:
        """The same as a value."""
        return KeyPhases(self.ed, self.es)


class ChangesBody(_Body):
    """What a reader has changed: whole frames, scores, and the phases of a stack or the beats of loops."""

    ed: int = Field(ge=0)
    es: int = Field(ge=0)
    frames: list[FrameBody] = Field(default=[], max_length=5000)
    beats: dict[str, Annotated[list[BeatBody], Field(min_length=1, max_length=100)]] = {}
    chosen: dict[str, float] = {}

    @property
    def beats_by_view(self) -> dict[str, tuple[KeyPhases, ...]]:
        """Every beat; the phases of a stack are its beat."""
        if not self.beats:
            return {STACK: (KeyPhases(self.ed, self.es),)}
        return {view: tuple(beat.phases for beat in of_view) for view, of_view in self.beats.items()}


class Pack(Protocol):
    """Images that a reader corrects, as the page has them."""

    def read_views(self) -> Mapping[str, NDArray[np.uint8]]:
        """(t, z, y, x) of whole frames as the model drew them, by view."""
        ...

    def part_shown(self, view: str, /) -> tuple[slice, slice]:
        """Rows and columns of a frame that the page has."""
        ...


def checked_edits(changes: ChangesBody, pack: Pack, editing: AnyEditing) -> tuple[FrameEdit, ...]:
    """The frames that really differ from the model's, in order, whole.

    Args:
        changes: as the page sent them.
        pack: the images, with the model's labels.
        editing: of the analysis; its segments are the labels that there are.

    Raises:
        RequestInvalid: ``changes_invalid``: a frame that is not there, runs that do not fill it, a label
            without a segment, or a score that there is not.
    """
    _require_scores(changes.chosen, editing)
    views = pack.read_views()
    _require_beats(changes.beats_by_view, views, pack, editing)
    edits = {}
    for frame in changes.frames:
        whole = _whole_frame(frame, views, pack, editing)
        if not np.array_equal(whole, views[frame.view][frame.t, frame.z]):
            edit = FrameEdit(frame.t, frame.z, encoded_runs(whole), frame.view, frame.carried_from)
            edits[frame.view, frame.t, frame.z] = edit
    return tuple(edits[place] for place in sorted(edits))


def few_frames(
    changes: ChangesBody,
    views: Mapping[str, NDArray[np.uint8]],
    pack: Pack,
    editing: AnyEditing,
    factors: Mapping[str, float],
) -> FewFrames:
    """Frames that a reader is drawing; ``views`` are those of ``pack``, errors as of ``checked_edits``."""
    _require_scores(changes.chosen, editing)
    _require_beats(changes.beats_by_view, views, pack, editing)
    labels = {(frame.view, frame.t): _whole_frame(frame, views, pack, editing) for frame in changes.frames}
    return FewFrames(labels, changes.beats_by_view, factors, changes.chosen)


def _whole_frame(
    frame: FrameBody, views: Mapping[str, NDArray[np.uint8]], pack: Pack, editing: AnyEditing
) -> NDArray[np.uint8]:
    """The model's frame with what the page has of it."""
    known = np.array([0, *(segment.number for segment in editing.segments)])
    whole, part = _drawn_frame(frame, views).copy(), pack.part_shown(frame.view)
    whole[part] = _frame_labels(frame.runs, whole[part].shape, known)
    return whole


def changes_of(reading: Reading, pack: Pack) -> ChangesBody:
    """What a reader has signed, as the page sends it."""
    views = pack.read_views()
    frames = []
    for edit in reading.edits:
        whole = decoded_runs(edit.runs, views[edit.view].shape[2:])
        runs = list(encoded_runs(whole[pack.part_shown(edit.view)]))
        body = FrameBody(t=edit.t, z=edit.z, runs=runs, view=edit.view, carried_from=edit.carried_from)
        frames.append(body)
    beats = {
        view: [BeatBody(ed=b.end_diastole, es=b.end_systole) for b in reading.beats[view]]
        for view in reading.beats
    }
    phases = reading.phases
    return ChangesBody(
        ed=phases.end_diastole, es=phases.end_systole, frames=frames, beats=beats, chosen=dict(reading.chosen)
    )


def with_edits(
    views: Mapping[str, NDArray[np.uint8]], edits: Sequence[FrameEdit]
) -> dict[str, NDArray[np.uint8]]:
    """(t, z, y, x) labels by view, those of edited frames replaced."""
    edited = {view: labels.copy() for view, labels in views.items()}
    for edit in edits:
        labels = edited[edit.view]
        labels[edit.t, edit.z] = decoded_runs(edit.runs, labels.shape[2:])
    return edited


def _require_beats(
    beats: Mapping[str, tuple[KeyPhases, ...]],
    views: Mapping[str, NDArray[np.uint8]],
    pack: Pack,
    editing: AnyEditing,
) -> None:
    if not editing.has_beats:
        if isinstance(pack, LoopPack) and beats != pack.found_beats:
            raise _invalid("frames are measured as they were found; beats are not chosen here")
        return
    if set(beats) != set(views):
        raise _invalid(f"phases of {sorted(beats)}, not of {sorted(views)}")
    for view, of_view in beats.items():
        n_phases = len(views[view])
        for beat in of_view:
            ed, es = beat.end_diastole, beat.end_systole
            if max(ed, es) >= n_phases or (ed == es and n_phases > 1):
                raise _invalid(f"end-diastole {ed} and end-systole {es} of {n_phases} phases")


def _require_scores(chosen: Mapping[str, float], editing: AnyEditing) -> None:
    for name, score in chosen.items():
        of, _, place = name.partition(":")
        if place:
            low, high = editing.places.get(place, (1.0, 0.0))
            is_known = of in editing.scores and low <= score <= high
        else:
            is_known = score in editing.scores.get(name, ())
        if not is_known:
            raise _invalid(f"no score {score:g} of {name[:80]}")


def _drawn_frame(frame: FrameBody, views: Mapping[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
    if frame.view not in views:
        raise _invalid(f"no view {frame.view!r}")
    labels = views[frame.view]
    n_phases, n_slices = labels.shape[:2]
    if frame.t >= n_phases or frame.z >= n_slices:
        raise _invalid(f"phase {frame.t}, slice {frame.z} of {n_phases} x {n_slices}")
    of_frame: NDArray[np.uint8] = labels[frame.t, frame.z]
    return of_frame


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
