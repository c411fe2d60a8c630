"""Coronary runs on the reader's page: the tree by artery, and the edges that diameters are between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.coronary.analyse import MOST_LESIONS, MOST_RUNS, stenosis_name
from cvai.analyses.coronary.given import MOST_LINE_POINTS, SEGMENT
from cvai.analyses.coronary.marks import edges_of, lesion_in_words, percent_in_words, points_of
from cvai.analyses.coronary.reading import ReopenedRun, ReopenedRuns
from cvai.analyses.coronary.views import view_key
from cvai.analyses.page import Headline, Layer, Overlay, OverlayLine, Row, Table
from cvai.analyses.shown import Adding, DrawnLine, Line, Score, Scores, ShownLoop
from cvai.analyses.spec import PageSpec
from cvai.domain.echo.loop import EchoLoop
from cvai.domain.measurement import Measurement
from cvai.domain.phases import KeyPhases
from cvai.domain.vessels.run import AngiographyRun
from cvai.domain.vessels.segments import CORONARY_LABELS, RIGHT_SEGMENTS
from cvai.languages import msgid

EDGES = "edges"
_RUN = msgid("Run")
HEADLINE = Headline("max_stenosis", "Largest diameter stenosis", "Stenosis", "%", decimals=0)
COMPARED = ("max_stenosis",)

_LEFT_ANTERIOR = ("5", "6", "7", "8", "9", "9a", "10", "10a")


def _labels_of(*numbers: str) -> tuple[int, ...]:
    return tuple(label for segment, label in CORONARY_LABELS.items() if segment.number in numbers)


_RIGHT = tuple(CORONARY_LABELS[segment] for segment in RIGHT_SEGMENTS)
_ANTERIOR = _labels_of(*_LEFT_ANTERIOR)
_CIRCUMFLEX = tuple(label for label in CORONARY_LABELS.values() if label not in (*_RIGHT, *_ANTERIOR))


PERCENTS = (0.0, *(float(percent) for percent in range(10, 100, 10)), 95.0, 99.0, 100.0)
"""What a reader may give: steps of 10, as a stenosis is estimated by eye, and those that grades end at."""

SCORES = {stenosis_name(n): PERCENTS for n in range(1, MOST_RUNS * MOST_LESIONS + 1)}


def lesion_scores(measurements: Sequence[Measurement]) -> Scores:
    """Every lesion with its percentage, grade and, where pixels have a size, its diameters and length."""
    values = {m.name: m.value for m in measurements}
    return Scores(
        title=msgid("Lesions"),
        scores=tuple(
            Score(m.name, "", lesion_in_words(m.name, values)) for m in measurements if m.name in SCORES
        ),
        options=tuple((percent, percent_in_words(percent)) for percent in PERCENTS),
        given=(msgid("1 stenosis given"), msgid("{n} stenoses given")),
        missing=msgid("taken out"),
        note=msgid(
            "Point at a lesion and drag its ends, its narrowest place or the reference beside it; or give a "
            "percentage, or take it out."
        ),
        adding=Adding(
            msgid("Add a lesion"),
            msgid("Click where the lesion begins and where it ends, on one vessel."),
            stenosis_name("{n}"),
            DrawnLine(
                msgid(
                    "Name the segment, then click along the vessel from healthy to healthy through the "
                    "narrowing. Enter or a double click ends the line, Escape withdraws it."
                ),
                msgid("Segment"),
                SEGMENT,
                tuple((label, s.number, s.display_name) for s, label in CORONARY_LABELS.items()),
                MOST_LINE_POINTS,
            ),
        ),
        concludes=True,
    )


def shown_runs(reopened: ReopenedRuns) -> tuple[ShownLoop, ...]:
    """What a reader is shown: every run, opened at the frame that was measured."""
    return tuple(map(_shown, reopened.runs))


def _shown(reopened: ReopenedRun) -> ShownLoop:
    run, frame = reopened.source.run, reopened.frame
    lines: list[Mapping[str, Sequence[Line]]] = [{} for _ in range(run.n_frames)]
    lines[frame] = {EDGES: edges_of(reopened.profiles)}
    spacing = None if run.pixel_size is None else (run.pixel_size.mm, run.pixel_size.mm)
    loop = EchoLoop(_bytes(run), run.field, spacing, run.times_ms, None)
    title = f"{_RUN} {reopened.number}, {reopened.source.name}"
    key = view_key(reopened.number)
    courses = [points_of(profile.path.points) for profile in reopened.profiles]
    beats = (KeyPhases(frame, frame),)
    source = reopened.source.series_uid, reopened.source.images[0].sop_instance_uid
    return ShownLoop(
        key,
        title,
        loop,
        reopened.labels,
        beats,
        lines,
        courses=courses,
        chosen_from=source if run.n_frames > 1 else None,
    )


def _bytes(run: AngiographyRun) -> NDArray[np.uint8]:
    """(t, y, x) 0..255, each frame by its own range."""
    frames = np.empty(run.frames.shape, dtype=np.uint8)
    for t in range(run.n_frames):
        frames[t] = 255 * run.grey(t)
    return frames


PAGE: PageSpec[ReopenedRuns] = PageSpec(
    viewer="loops",
    shown=shown_runs,
    layers=(
        Layer("right", "Right coronary artery", "#56b4e9", _RIGHT, editable=False),
        Layer("anterior", "Left main and anterior descending", "#ff7a1a", _ANTERIOR, editable=False),
        Layer("circumflex", "Circumflex", "#00c08b", _CIRCUMFLEX, editable=False),
    ),
    overlay=Overlay("Edges", "e", (OverlayLine(EDGES, "#f0e442", 1.0),)),
    note="Lesions are numbered from the severest. One frame of each run was measured.",
    table=Table(("Value",), (Row("Largest diameter stenosis", ("max_stenosis",)),)),
    scores=lesion_scores,
    reasons=("Wrong run", "Wrong segment", "Edges do not follow the vessel", "Image quality"),
)
