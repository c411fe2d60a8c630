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


@dataclass(frozen=True, slots=True, eq=False)
class ShownLoop:
    """A loop of ultrasound.

    Args:
        view: tells it from the other loops of the study; part of addresses.
        title: of the view, for readers.
        loop: its frames; the page shows the sector alone.
        labels: (t, y, x) as they were drawn.
        beats: that were measured.
        lines: by frame and by the name of an ``OverlayLine``; empty where nothing is drawn on a frame.
        traces: by the name of a ``Trace``, one value a frame; empty where there are none.
    """

    view: str
    title: str
    loop: EchoLoop
    labels: NDArray[np.uint8]
    beats: tuple[KeyPhases, ...] = ()
    lines: Sequence[Mapping[str, Sequence[Line]]] = ()
    traces: Mapping[str, Sequence[float]] = field(default_factory=dict)


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
    """

    labels: Mapping[tuple[str, int], NDArray[np.uint8]]
    beats: Mapping[str, tuple[KeyPhases, ...]]
    factors: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """What is quickly known of ``FewFrames``: the main measurements, and the lines of each of the frames."""

    measurements: tuple[Measurement, ...]
    lines: Mapping[tuple[str, int], Mapping[str, Sequence[Line]]]


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
    """

    title: str
    scores: tuple[Score, ...]
    options: tuple[tuple[float, str], ...]
    given: tuple[str, str]
    missing: str = ""
    note: str = ""


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
