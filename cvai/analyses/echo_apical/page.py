"""Apical loops on the reader's page: contours, and the discs that a ventricle was measured by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.echo_apical.reading import ReopenedLoop, ReopenedLoops
from cvai.analyses.page import Curve, CurveLine, Headline, Layer, Overlay, OverlayLine, Row, Table
from cvai.analyses.shown import Line, ShownLoop
from cvai.analyses.spec import PageSpec
from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.beats import area_curve, beats_of
from cvai.domain.echo.loop_times import checked_times
from cvai.domain.echo.simpson import disc_chords_mm, disc_stack
from cvai.domain.echo.views import EchoView
from cvai.errors import HeartRefused

_CAVITY, _WALL, _ATRIUM = (
    ECHO_LABELS[s] for s in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM, Structure.LEFT_ATRIUM)
)
_CAVITY_COLOUR = "#ff7a1a"
_TITLES = {EchoView.APICAL_4_CHAMBER: "Four chambers", EchoView.APICAL_2_CHAMBER: "Two chambers"}

AXIS, CHORDS = "axis", "chords"
SQUARE_PX = (1.0, 1.0)
ROOM_PX = 3
"""Around the heart, so that cutting a frame down to it changes nothing that is measured."""

HEADLINE = Headline("lv_ef", "LV ejection fraction", "LVEF", "%")
COMPARED = ("lv_ef", "lv_edv", "lv_esv", "lv_sv")


def shown_loops(reopened: ReopenedLoops) -> tuple[ShownLoop, ...]:
    """What a reader is shown."""
    return tuple(map(_shown, reopened.loops))


def _shown(reopened: ReopenedLoop) -> ShownLoop:
    loop, labels = reopened.source.loop, reopened.labels
    lines = tuple(drawn_discs(frame, loop.spacing_mm or SQUARE_PX) for frame in labels)
    area_px = np.count_nonzero(labels == _CAVITY, axis=(1, 2)).astype(np.float64)
    # Measured are the beats with discs at both ends.
    beats = tuple(b for b in beats_of(area_px) if lines[b.end_diastole] and lines[b.end_systole])
    return ShownLoop(
        view=reopened.view.value,
        title=_TITLES[reopened.view],
        loop=checked_times("", loop, area_curve(area_px)).loop,
        labels=labels,
        beats=beats,
        lines=lines,
    )


def drawn_discs(labels: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> Mapping[str, Sequence[Line]]:
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
        Layer("endo", "LV inside", _CAVITY_COLOUR, (_CAVITY,), leaves=_WALL, editable=False),
        Layer("epi", "LV outside", "#00c08b", (_WALL, _CAVITY), editable=False),
        Layer("atrium", "Left atrium", "#56b4e9", (_ATRIUM,), editable=False),
    ),
    curve=Curve("Area of the left ventricle", "area", (CurveLine(_CAVITY, _CAVITY_COLOUR),)),
    table=Table(
        columns=("Left",),
        rows=(
            Row("End-diastolic volume", ("lv_edv",)),
            Row("End-systolic volume", ("lv_esv",)),
            Row("Stroke volume", ("lv_sv",)),
            Row("Ejection fraction", ("lv_ef",), decimals=1),
            Row("Cardiac output", ("lv_co",), decimals=1),
        ),
    ),
    overlay=Overlay("Discs", "d", (OverlayLine(CHORDS, "#f0e442", 0.8), OverlayLine(AXIS, "#ffffff", 1.3))),
    note="Papillary muscles count as cavity.",
)
