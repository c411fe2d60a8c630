"""Curves over a heartbeat, drawn on a page: volume of both ventricles, and circumferential strain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.dicom.write.report.curve import TICK_SIZE_PT, Axis, draw_key, round_ticks
from cvai.dicom.write.report.page import GREY, LIGHT, Box, Page, Stroke
from cvai.domain.anatomy import Structure
from cvai.domain.message import say
from cvai.domain.ventricles.circumferential import CircumferentialStrain, Layer

LV_STROKE = Stroke((213, 94, 0), 1.4)
RV_STROKE = Stroke((0, 114, 178), 1.4, (3.5, 2.0))
"""Vermillion and blue of Okabe and Ito's palette, and solid and dashed for those who print in grey."""

STROKES: Mapping[Structure, Stroke] = MappingProxyType(
    {Structure.LV_CAVITY: LV_STROKE, Structure.RV_CAVITY: RV_STROKE}
)


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A quantity in every phase, NaN where there is none, and how it is drawn."""

    name: str
    values: NDArray[np.float64]
    stroke: Stroke


def draw_volume_curve(page: Page, box: Box, analysis: CineAnalysis) -> None:
    """Draw LV and RV volume over one beat, with end-diastole and end-systole marked.

    Phases stand at their time, or at their number where the study does not tell time. A phase in which no
    left ventricle is drawn has no volume.
    """
    lv_ml, rv_ml = analysis.lv_curve_ml, analysis.rv_curve_ml
    lines = (
        Line(say("Left ventricle"), np.where(lv_ml > 0, lv_ml, np.nan), LV_STROKE),
        Line(say("Right ventricle"), np.where(lv_ml > 0, rv_ml, np.nan), RV_STROKE),
    )
    ticks = round_ticks(0.0, max(float(lv_ml.max()), float(rv_ml.max())) or 1.0, 4)
    _draw_lines(page, box, analysis, lines, (say("Volume (mL)"), Axis(0.0, ticks[-1], ticks)))


def draw_strain_curve(page: Page, box: Box, analysis: CineAnalysis, strain: CircumferentialStrain) -> None:
    """Draw circumferential strain of both layers in the same way."""
    lines = (
        Line(say("Endocardial"), strain.percent[Layer.ENDOCARDIUM], LV_STROKE),
        Line(say("Mid-wall"), strain.percent[Layer.MID_WALL], RV_STROKE),
    )
    lowest, highest = (float(f([f(line.values) for line in lines])) for f in (min, max))
    ticks = round_ticks(lowest, max(highest, 0.0), 3)
    _draw_lines(page, box, analysis, lines, (say("Strain (%)"), Axis(ticks[0], ticks[-1], ticks)))


def _draw_lines(
    page: Page, box: Box, analysis: CineAnalysis, lines: Sequence[Line], upright: tuple[str, Axis]
) -> None:
    (y_title, y_axis), (x_values, x_title) = upright, _phase_axis(analysis)
    plot = Box(box.left + 11, box.top + 8, box.width - 13, box.height - 17)
    x_ticks = tuple(t for t in round_ticks(x_values[0], x_values[-1], 5) if t <= x_values[-1])
    x_axis = Axis(float(min(x_ticks[0], x_values[0])), float(x_values[-1]), x_ticks)
    _draw_axes(page, plot, x_axis, y_axis)
    middle = plot.left + plot.width / 2
    page.text(middle, plot.bottom + 6.6, x_title, TICK_SIZE_PT, colour=GREY, align="centre")
    page.upright_text(box.left + 2.2, plot.top + plot.height / 2, y_title, TICK_SIZE_PT, GREY)
    _mark_phases(page, plot, analysis, x_values, x_axis)
    for place, line in enumerate(lines):
        _draw_curve(page, plot, (x_axis, y_axis), (x_values, line.values), line.stroke)
        draw_key(page, box.left + place * 25, box.top + 1.5, line.name, line.stroke, width=24.5)


def _phase_axis(analysis: CineAnalysis) -> tuple[NDArray[np.float64], str]:
    times_ms = analysis.cine.stack.phase_times_ms
    if times_ms is None:
        return np.arange(1.0, analysis.segmentation.n_phases + 1), say("Phase")
    return times_ms, say("Time after the R wave (ms)")


def _draw_axes(page: Page, plot: Box, x_axis: Axis, y_axis: Axis) -> None:
    for tick in y_axis.ticks:
        y = plot.bottom - y_axis.share(tick) * plot.height
        page.line([(plot.left, y), (plot.right, y)], Stroke(LIGHT, 0.4))
        page.text(plot.left - 1.2, y + 0.8, f"{tick:g}", TICK_SIZE_PT, colour=GREY, align="right")
    for tick in x_axis.ticks:
        x = plot.left + x_axis.share(tick) * plot.width
        page.line([(x, plot.bottom), (x, plot.bottom + 1)], Stroke(GREY, 0.5))
        page.text(x, plot.bottom + 4, f"{tick:g}", TICK_SIZE_PT, colour=GREY, align="centre")
    page.line([(plot.left, plot.bottom), (plot.right, plot.bottom)], Stroke(GREY, 0.6))


def _mark_phases(
    page: Page, plot: Box, analysis: CineAnalysis, x_values: NDArray[np.float64], x_axis: Axis
) -> None:
    marks = {say("ED"): analysis.phases.end_diastole, say("ES"): analysis.phases.end_systole}
    for name, t in marks.items():
        x = plot.left + x_axis.share(float(x_values[t])) * plot.width
        page.line([(x, plot.top - 0.5), (x, plot.bottom)], Stroke(GREY, 0.6, (1.0, 1.6)))
        page.text(x, plot.top - 1.5, name, 7, bold=True, colour=GREY, align="centre")


def _draw_curve(
    page: Page,
    plot: Box,
    axes: tuple[Axis, Axis],
    values: tuple[Sequence[float] | NDArray[np.float64], NDArray[np.float64]],
    stroke: Stroke,
) -> None:
    (x_axis, y_axis), (x_values, y_values) = axes, values
    for is_drawn, run in groupby(zip(x_values, y_values, strict=True), key=lambda at: np.isfinite(at[1])):
        if not is_drawn:
            continue
        points = [
            (
                plot.left + x_axis.share(float(x)) * plot.width,
                plot.bottom - y_axis.share(float(y)) * plot.height,
            )
            for x, y in run
        ]
        page.line(points, stroke)
        for x, y in points:
            page.dot(x, y, 0.55, stroke.colour)
