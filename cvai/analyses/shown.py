"""What a reader is shown of one analysed study: images, what was drawn on them, and the wall by segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cvai.dicom.read.values import AssembledCine
from cvai.dicom.write.report.bullseye import Bullseye
from cvai.domain.crossing import CrossingCine
from cvai.domain.echo.loop import EchoLoop
from cvai.domain.measurement import Measurement
from cvai.domain.phases import KeyPhases

Line = Sequence[tuple[float, float]]
"""Points (y, x) in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class ShownStack:
    """A stack of slices over the phases of a heartbeat.

    Args:
        cine: with its sources.
        labels: (t, z, y, x) as they were drawn.
        last_slice_first: whether the slices are listed from the last to the first.
        window: lowest and highest intensity shown at first; None to go by all slices that are drawn in.
        crossings: cines of planes that cut through it, shown beside it.
    """

    cine: AssembledCine
    labels: NDArray[np.uint8]
    last_slice_first: bool = False
    window: tuple[float, float] | None = None
    crossings: tuple[CrossingCine, ...] = ()


@dataclass(frozen=True, slots=True)
class Handle:
    """What a reader drags along a track to move a place of a mark.

    What was dragged is kept among the values that a reader has chosen, as ``MARK:NAME``.

    Args:
        name: of the place.
        title: for readers.
        track: points (y, x) in pixels on which it is moved, two or more.
        span: values at both ends of the track, between which they are in proportion to its points.
        value: as it stands.
        step: to which values are rounded.
        beside: other places of the mark by name, which are kept as they stand when this one is moved.
    """

    name: str
    title: str
    track: Line
    span: tuple[float, float]
    value: float
    step: float
    beside: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a measurement was made in a frame of a loop.

    Args:
        name: of the measurement, as ``Scores`` list it.
        number: shown beside it; those of a study differ.
        title: its score in words, as ``Scores`` have it.
        frame: 0-based.
        at: (y, x) in pixels.
        lines: that are drawn while it is looked at.
        handles: by which a reader moves it; they are shown while it is looked at.
    """

    name: str
    number: int
    title: str
    frame: int
    at: tuple[float, float]
    lines: Sequence[Line]
    handles: Sequence[Handle]


@dataclass(frozen=True, slots=True, eq=False)
class ShownLoop:
    """A loop of ultrasound, or a run of angiography.

    Args:
        view: tells it from the other loops of the study; part of addresses.
        title: of the view, for readers.
        loop: its frames; the page shows the sector alone.
        labels: (t, y, x) as they were drawn.
        beats: that were measured.
        lines: by frame and by the name of an ``OverlayLine``; empty where nothing is drawn on a frame.
        traces: by the name of a ``Trace``, one value a frame; empty where there are none.
        courses: in the frame of the first beat, on which a reader marks what was missed; see ``Adding``.
        chosen_from: SeriesInstanceUID and SOPInstanceUID of a run of which a reader may have another frame
            measured; None where there is no choice.
    """

    view: str
    title: str
    loop: EchoLoop
    labels: NDArray[np.uint8]
    beats: tuple[KeyPhases, ...] = ()
    lines: Sequence[Mapping[str, Sequence[Line]]] = ()
    traces: Mapping[str, Sequence[float]] = field(default_factory=dict)
    courses: Sequence[Line] = ()
    chosen_from: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Redrawn:
    """What changes of a loop when its contours or beats have been corrected, see ``ShownLoop``.

    Args:
        view: of the loop.
        beats: that are measured.
        lines: by frame, of the frames that were asked for.
        traces: by the name of a ``Trace``.
    """

    view: str
    beats: tuple[KeyPhases, ...]
    lines: Mapping[int, Mapping[str, Sequence[Line]]]
    traces: Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True, eq=False)
class FewFrames:
    """Frames of loops as they are being drawn.

    Args:
        labels: (y, x) by view and frame; those of the model elsewhere.
        beats: that are measured, by view.
        factors: see ``Analysed.factors``.
        chosen: see ``Correction.chosen``.
    """

    labels: Mapping[tuple[str, int], NDArray[np.uint8]]
    beats: Mapping[str, tuple[KeyPhases, ...]]
    factors: Mapping[str, float]
    chosen: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """What is quickly known of ``FewFrames``.

    Args:
        measurements: the main ones.
        lines: of each of the frames.
        marks: by view; empty where the analysis has none.
    """

    measurements: tuple[Measurement, ...]
    lines: Mapping[tuple[str, int], Mapping[str, Sequence[Line]]] = field(default_factory=dict)
    marks: Mapping[str, Sequence[Mark]] = field(default_factory=dict)


Shown = ShownStack | tuple[ShownLoop, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """A measurement that a reader may give a score.

    Args:
        name: of the measurement.
        title: for readers; empty for what the measurement is.
        shown: its score as it stands, with its range, in words.
    """

    name: str
    title: str
    shown: str


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores that a reader may give.

    Args:
        title: of the section.
        scores: as they stand.
        options: every score that there is, in words.
        given: what one that a reader gives is called, and several: for what is said before signing.
        missing: what is said of one that stands no more.
        note: below them.
        adding: how one that was missed is added; None where none can be.
        concludes: whether the impression that the page proposes states each of them.
    """

    title: str
    scores: tuple[Score, ...]
    options: tuple[tuple[float, str], ...]
    given: tuple[str, str]
    missing: str = ""
    note: str = ""
    adding: Adding | None = None
    concludes: bool = False


@dataclass(frozen=True, slots=True)
class Adding:
    """How a reader adds a score, by two points on a course of a loop.

    It is numbered after all marks. Its places are ``view``, ``course`` (numbers of both, from 1), ``begin``
    and ``end`` (0-based points of the course).

    Args:
        title: of the button.
        hint: what to do then.
        name: of the measurement, with ``{n}`` for its number.
        line: where a loop has no courses, what is drawn instead; None where nothing is.
    """

    title: str
    hint: str
    name: str
    line: DrawnLine | None = None


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """A line of points in the frame of a loop's first beat, with a name that is chosen before it is drawn.

    Its places are ``view``, the place of the name, and ``y1``, ``x1`` and so on.

    Args:
        hint: what to do.
        title: of the name.
        place: of the name.
        names: that there are: value, number and title.
        most_points: of a line.
    """

    hint: str
    title: str
    place: str
    names: tuple[tuple[int, str, str], ...]
    most_points: int


@dataclass(frozen=True, slots=True)
class Wall:
    """Numbers of the 17 segments of the left ventricle's wall.

    Args:
        title: of the section.
        bullseyes: none where no segment was measured.
        columns: titles of the table, and the digits after the point of each.
        rows: name of a segment and its numbers, None where one was not measured.
        note: below the bullseyes.
        missing: what is said where no segment was measured.
        playing: bullseyes of curves over the heartbeat, which the page draws at the phase that it shows.
    """

    title: str
    bullseyes: tuple[Bullseye, ...]
    columns: tuple[tuple[str, int], ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]
    note: str
    missing: str
    playing: tuple[Bullseye, ...] = ()
