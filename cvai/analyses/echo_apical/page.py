"""Apical loops on the reader's page: contours, and the discs that a ventricle was measured by."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.echo_apical.analysis import EchoAnalysis, MeasuredLoop
from cvai.analyses.echo_apical.besides import SQUARE_PX
from cvai.analyses.echo_apical.reading import ReopenedLoops, measured_loops, previewed_loops
from cvai.analyses.page import (
    Curve,
    CurveLine,
    Headline,
    Number,
    Overlay,
    OverlayLine,
    Row,
    Statement,
    Table,
    Trace,
    Traces,
)
from cvai.analyses.page import Layer as Contour
from cvai.analyses.shown import FewFrames, Line, Preview, Redrawn, ShownLoop
from cvai.analyses.spec import PageSpec
from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.simpson import DiscStack, disc_chords_mm, disc_stack
from cvai.domain.echo.strain import Layer
from cvai.domain.echo.views import EchoView
from cvai.errors import HeartRefused
from cvai.languages import msgid

_CAVITY, _WALL, _ATRIUM = (
    ECHO_LABELS[s] for s in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM, Structure.LEFT_ATRIUM)
)
_CAVITY_COLOUR, _WALL_COLOUR, _ATRIUM_COLOUR = "#ff7a1a", "#00c08b", "#56b4e9"
_TITLES = {
    EchoView.APICAL_4_CHAMBER: msgid("Four chambers"),
    EchoView.APICAL_2_CHAMBER: msgid("Two chambers"),
}

AXIS, CHORDS = "axis", "chords"
ROOM_PX = 3
"""Around the heart, so that cutting a frame down to it changes nothing that is measured."""

Lines = Mapping[str, Sequence[Line]]
"""Of one frame, by the name of an overlay line."""

HEADLINE = Headline("lv_ef", "LV ejection fraction", "LVEF", "%")
COMPARED = ("lv_ef", "lv_edv", "lv_esv", "lv_sv")


def shown_loops(reopened: ReopenedLoops) -> tuple[ShownLoop, ...]:
    """What a reader is shown."""
    return tuple(map(_shown, measured_loops(reopened)))


def _shown(measured: MeasuredLoop) -> ShownLoop:
    lines = _lines(measured, range(measured.segmentation.n_frames))
    return ShownLoop(
        view=measured.view.value,
        title=_TITLES[measured.view],
        loop=measured.source.loop,
        labels=measured.segmentation.labels,
        beats=measured.beats,
        lines=tuple(lines.values()),
        traces=_traces(measured),
    )


def redrawn_loops(analysis: EchoAnalysis, frames: Mapping[str, Collection[int]]) -> tuple[Redrawn, ...]:
    """What a correction changes of the loops, with the lines of these frames of each view."""
    return tuple(
        Redrawn(loop.view.value, loop.beats, _lines(loop, frames[loop.view.value]), _traces(loop))
        for loop in analysis.loops
    )


def preview_of_loops(reopened: ReopenedLoops, few: FewFrames) -> Preview:
    """Volumes, and the ventricle's discs on the frames that are being drawn."""
    spacings = {loop.view.value: loop.source.loop.spacing_mm or SQUARE_PX for loop in reopened.loops}
    lines = {(view, t): drawn_discs(labels, spacings[view]) for (view, t), labels in few.labels.items()}
    return Preview(previewed_loops(reopened, few), lines)


def _traces(measured: MeasuredLoop) -> dict[str, list[float]]:
    return {layer.value: curve.tolist() for layer, curve in measured.strain.curves_percent.items()}


def _lines(measured: MeasuredLoop, frames: Iterable[int]) -> dict[int, Lines]:
    """The lines of some frames, with long axis and discs of the atrium where it was measured as largest."""
    labels, spacing_mm = measured.segmentation.labels, measured.source.loop.spacing_mm or SQUARE_PX
    lines = {t: drawn_discs(labels[t], spacing_mm) for t in frames}
    for atria in measured.atria:
        t = atria.end_systole
        if t in lines:
            lines[t] = _with_atrium(lines[t], labels[t], atria.largest, spacing_mm)
    return lines


def _with_atrium(
    drawn: Lines, frame: NDArray[np.uint8], stack: DiscStack, spacing_mm: tuple[float, float]
) -> Lines:
    both = {
        CHORDS: disc_chords_mm(frame, stack, spacing_mm, Structure.LEFT_ATRIUM),
        AXIS: [np.stack([stack.axis.apex_mm, stack.axis.mitral_mm])],
    }
    return {
        name: [*drawn.get(name, ()), *((line / np.asarray(spacing_mm)).tolist() for line in of_name)]
        for name, of_name in both.items()
    }


def drawn_discs(labels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> Lines:
    """Long axis and discs of one frame as lines of points (y, x) in pixels; empty where there are none.

    Args:
        labels: (y, x) values of ``ECHO_LABELS``.
        spacing_mm: (between rows, between columns).
    """
    heart = labels > 0
    if not heart.any():
        return {}
    top, bottom, left, right = _box(heart)
    near = labels[top:bottom, left:right]
    try:
        stack = disc_stack(near, spacing_mm)
    except HeartRefused:
        return {}

    def points(points_mm: NDArray[np.float64]) -> Line:
        """(n, 2) points in mm of the cut as pixels of the frame."""
        found: list[tuple[float, float]] = (points_mm / np.asarray(spacing_mm) + (top, left)).tolist()
        return found

    return {
        CHORDS: [points(chord) for chord in disc_chords_mm(near, stack, spacing_mm)],
        AXIS: [points(np.stack([stack.axis.apex_mm, stack.axis.mitral_mm]))],
    }


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """First and end of rows, first and end of columns that are occupied, with room around them."""
    y, x = np.nonzero(mask)
    ends = (min(int(y.max()) + 1 + ROOM_PX, mask.shape[0]), min(int(x.max()) + 1 + ROOM_PX, mask.shape[1]))
    return max(0, int(y.min()) - ROOM_PX), ends[0], max(0, int(x.min()) - ROOM_PX), ends[1]


PAGE: PageSpec[ReopenedLoops] = PageSpec(
    viewer="loops",
    shown=shown_loops,
    layers=(
        Contour("endo", "LV inside", _CAVITY_COLOUR, (_CAVITY,), leaves=None),
        Contour("epi", "LV outside", _WALL_COLOUR, (_WALL, _CAVITY), spares=(_ATRIUM,)),
        Contour("atrium", "Left atrium", _ATRIUM_COLOUR, (_ATRIUM,), spares=(_CAVITY, _WALL)),
    ),
    curve=Curve(
        "Areas of left ventricle and atrium",
        "area",
        (CurveLine(_CAVITY, _CAVITY_COLOUR), CurveLine(_ATRIUM, _ATRIUM_COLOUR, dashed=True)),
    ),
    carried=("phases",),
    traces=Traces(
        "Longitudinal strain",
        "%",
        (
            Trace(Layer.ENDOCARDIUM, "endocardium", _CAVITY_COLOUR),
            Trace(Layer.MID_WALL, "mid-wall", _WALL_COLOUR),
        ),
        "Withheld in this view; see the findings.",
    ),
    table=Table(
        columns=("Left",),
        rows=(
            Row("End-diastolic volume", ("lv_edv",)),
            Row("End-systolic volume", ("lv_esv",)),
            Row("Stroke volume", ("lv_sv",)),
            Row("EF, discs of one height", ("lv_ef",), decimals=1),
            Row("EF, each phase's own length", ("lv_ef_own_length",), decimals=1),
            Row("Cardiac output", ("lv_co",), decimals=1),
            Row("Atrium, largest", ("la_max",)),
            Row("Atrium, largest, area-length", ("la_max_area_length",)),
            Row("Atrium, smallest", ("la_min",)),
            Row("Atrium, emptying fraction", ("la_ef",)),
            Row("Strain, endocardium", ("lv_gls_endo",), decimals=1),
            Row("Strain, endocardium, four chambers", ("lv_gls_endo_a4c",), decimals=1),
            Row("Strain, endocardium, two chambers", ("lv_gls_endo_a2c",), decimals=1),
            Row("Strain, mid-wall", ("lv_gls_mid",), decimals=1),
            Row("Strain, mid-wall, four chambers", ("lv_gls_mid_a4c",), decimals=1),
            Row("Strain, mid-wall, two chambers", ("lv_gls_mid_a2c",), decimals=1),
            Row("Time to peak strain, four chambers", ("lv_gls_time_a4c",)),
            Row("Time to peak strain, two chambers", ("lv_gls_time_a2c",)),
        ),
    ),
    signed=(
        Number("lv_ef", "LV ejection fraction"),
        Number("lv_ef_own_length", "LVEF, each phase's own length"),
        Number("lv_edv", "LV end-diastolic volume", 0),
        Number("lv_esv", "LV end-systolic volume", 0),
        Number("la_max", "Left atrium, largest", 0),
        Number("lv_gls_endo", "Longitudinal strain, endocardium"),
    ),
    impression=(
        Statement(
            "Left ventricle",
            (
                Number("lv_ef", "ejection fraction", 0),
                Number("lv_edv", "end-diastolic volume", 0),
                Number("lv_esv", "end-systolic volume", 0),
                Number("lv_gls_endo", "longitudinal strain of the endocardial contour"),
            ),
        ),
        Statement("Left atrium", (Number("la_max", "largest volume", 0),)),
    ),
    overlay=Overlay("Discs", "m", (OverlayLine(CHORDS, "#f0e442", 0.8), OverlayLine(AXIS, "#ffffff", 1.3))),
    note="Papillary muscles count as cavity. Strain is of contours, not of speckle tracking.",
)
