"""The page a cardiologist reads after an ultrasound study: numbers, both phases with discs, findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.echo_apical.analysis import EchoAnalysis, MeasuredLoop
from cvai.analyses.echo_apical.codes import VIEW_NAMES, VIEW_TITLES
from cvai.analyses.echo_apical.objects import remarks_of
from cvai.analyses.echo_apical.pictures import EchoPicture, echo_picture
from cvai.dicom.read.header.names import readable_name
from cvai.dicom.write import codes
from cvai.dicom.write.codes import CardiacPhase
from cvai.dicom.write.instance import ResultContext
from cvai.dicom.write.report.bounds import MARKS, normal_note, value_bounds
from cvai.dicom.write.report.curve import Axis, draw_key, round_ticks
from cvai.dicom.write.report.document import (
    LEFT,
    RIGHT,
    WIDTH,
    accession_cell,
    draw_footer,
    draw_heading,
    draw_section,
    height_and_weight,
    readable_date,
    sex_and_age,
)
from cvai.dicom.write.report.identity import Cell, draw_identity, patient_id_cell
from cvai.dicom.write.report.impression import draw_conclusion, draw_long_impression
from cvai.dicom.write.report.page import ALARM, BLACK, GREY, LIGHT, Box, Page, Stroke, wrapped
from cvai.dicom.write.report.reported import draw_reports
from cvai.dicom.write.source import checked_value
from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.strain import Layer
from cvai.domain.message import joined, linked, say, term

METHOD = say(
    "Method of discs (20), all of one height: the longest long axis of all views and phases over 20. By each "
    "phase's own length, as many machines take it, ejection fractions are about 8 points higher."
)
NO_VOLUMES = say("Volumes are not given: the size of a pixel is not known.")

_IDENTITY_LEFTS = (LEFT, 62.0, 99.0, 140.0)
_TABLE = Box(LEFT, 57.0, 84.0, 125.0)
_CURVE = Box(108.0, 57.0, 87.0, 60.0)
_STRAIN_CURVE = Box(108.0, 122.0, 87.0, 60.0)
_PICTURES_TOP = 187.0
_PICTURES_BOTTOM = 238.0
_GAP = 2.0
_KEYS_Y = 240.5
_ROWS = (
    (say("Ejection fraction (%)"), "lv_ef", 0),
    (say("Ejection fraction, own lengths (%)"), "lv_ef_own_length", 0),
    (say("End-diastolic volume (mL)"), "lv_edv", 0),
    (say("End-diastolic volume (mL/m²)"), "lv_edv_index", 0),
    (say("End-systolic volume (mL)"), "lv_esv", 0),
    (say("Stroke volume (mL)"), "lv_sv", 0),
    (say("Cardiac output (L/min)"), "lv_co", 1),
    (say("Heart rate (/min)"), "heart_rate", 0),
    (say("Left atrium, largest (mL)"), "la_max", 0),
    (say("Left atrium, largest (mL/m²)"), "la_max_index", 0),
    (say("Left atrium, area-length (mL)"), "la_max_area_length", 0),
    (say("Left atrium, smallest (mL)"), "la_min", 0),
    (say("Left atrium, emptying (%)"), "la_ef", 0),
    (say("Strain, endocardium (%)"), "lv_gls_endo", 1),
    (say("Strain, endocardium, 4C (%)"), "lv_gls_endo_a4c", 1),
    (say("Strain, endocardium, 2C (%)"), "lv_gls_endo_a2c", 1),
    (say("Strain, mid-wall (%)"), "lv_gls_mid", 1),
    (say("Strain, mid-wall, 4C (%)"), "lv_gls_mid_a4c", 1),
    (say("Strain, mid-wall, 2C (%)"), "lv_gls_mid_a2c", 1),
    (say("Time to peak strain, 4C (ms)"), "lv_gls_time_a4c", 0),
    (say("Time to peak strain, 2C (ms)"), "lv_gls_time_a2c", 0),
)
_STROKES: Mapping[Structure, Stroke] = MappingProxyType(
    {structure: Stroke(codes.STRUCTURE_RGB[structure], 1.1) for structure in ECHO_LABELS}
)
_DISC_STROKE = Stroke((240, 228, 66), 0.45)
_CURVE_STROKES = (Stroke((213, 94, 0), 1.2), Stroke((0, 114, 178), 1.2, (3.5, 2.0)))
_KEYS = (say("LV cavity"), say("LV epicardium"), say("Left atrium"))


def echo_report_pdf(context: ResultContext[EchoAnalysis]) -> bytes:
    """The report as a PDF file; the same context gives the same bytes."""
    analysis = context.analysis
    views = linked(say("{view} view", view=VIEW_NAMES[loop.view]) for loop in analysis.loops)
    page = Page(f"cvai report: {context.plan.title.lower()}", context.language)
    draw_heading(page, context, views)
    draw_identity(page, _IDENTITY_LEFTS, RIGHT, _identity(context))
    draw_section(page, _TABLE.left, _TABLE.top, say("Measurements"), _TABLE.width)
    _draw_table(page, analysis)
    draw_section(page, _CURVE.left, _CURVE.top, say("Area of the left ventricle over the loop"), _CURVE.width)
    _draw_areas(page, analysis)
    title = say("Longitudinal strain over the loop")
    draw_section(page, _STRAIN_CURVE.left, _STRAIN_CURVE.top, title, _STRAIN_CURVE.width)
    _draw_strain(page, analysis)
    _draw_pictures(page, analysis)
    draw_conclusion(page, context)
    draw_footer(page, context)
    draw_long_impression(page, context)
    draw_reports(page, context)
    return page.pdf()


def _identity(context: ResultContext[EchoAnalysis]) -> tuple[Cell, ...]:
    header, analysis, patient = context.first_header, context.analysis, context.analysis.patient
    surface = analysis.measurement("bsa")
    counts = (loop.segmentation.n_frames for loop in analysis.loops)
    loops = joined(", ", (say("{n_frames} frames", n_frames=count) for count in counts))
    return (
        Cell(say("Patient"), readable_name(patient.name)),
        patient_id_cell(patient),
        Cell(say("Sex, year of birth, age"), sex_and_age(patient, analysis.subject)),
        Cell(say("Height, weight"), height_and_weight(analysis.subject)),
        Cell(say("Study date"), readable_date(str(checked_value(header, "StudyDate") or ""))),
        accession_cell(header),
        Cell(say("Loops"), loops),
        Cell(say("Body surface"), "" if surface is None else f"{surface.value:.2f} m²"),
    )


def _draw_table(page: Page, analysis: EchoAnalysis) -> None:
    notes: list[str] = [METHOD] if analysis.calibrated else [NO_VOLUMES, METHOD]
    if analysis.correction is not None:
        notes.append(analysis.correction)
    notes += remarks_of(analysis)
    notes.append(normal_note(analysis.measurements, analysis.subject))
    lines = [line for text in notes for line in wrapped(page.said(text), 6, _TABLE.width)]
    bottom = _TABLE.bottom - 2.6 * len(lines)
    rows = [(title, m, digits) for title, name, digits in _ROWS if (m := analysis.measurement(name))]
    height = min(8.0, (bottom - _TABLE.top - 4) / max(1, len(rows)))
    for place, (title, measurement, decimals) in enumerate(rows):
        baseline = _TABLE.top + 4 + (place + 0.65) * height
        is_ef = measurement.name == "lv_ef"
        page.text(_TABLE.left, baseline, title, 8.5, bold=is_ef, width=48)
        mark = MARKS.get(measurement.normality, "") if measurement.normality is not None else ""
        value, colour = f"{mark}{measurement.value:.{decimals}f}", ALARM if mark else BLACK
        size = 10 if is_ef else 9
        page.text(_TABLE.left + 56, baseline, value, size, bold=is_ef, colour=colour, align="right")
        for row, bounds in enumerate(value_bounds(measurement, decimals)):
            page.text(_TABLE.left + 58, baseline + 2.6 * row, bounds, 6, colour=GREY)
        page.line(
            [(_TABLE.left, baseline + 0.3 * height), (_TABLE.right, baseline + 0.3 * height)],
            Stroke(LIGHT, 0.3),
        )
    for place, note in enumerate(lines, start=1):
        page.text(_TABLE.left, bottom + 2.6 * place, note, 6, colour=GREY)


def _draw_areas(page: Page, analysis: EchoAnalysis) -> None:
    """Areas as a share of the largest: that needs no size of a pixel. A frame that is not drawn has none."""
    areas = [loop.segmentation.area_curve_px(Structure.LV_CAVITY) for loop in analysis.loops]
    shares = [np.where(area > 0, 100 * area / area.max(), np.nan) for area in areas]
    lines = [[(share, stroke)] for share, stroke in zip(shares, _CURVE_STROKES, strict=False)]
    _draw_plot(
        page, _CURVE, analysis.loops, lines, (say("Area (% of the largest)"), (0.0, 25.0, 50.0, 75.0, 100.0))
    )
    for place, (loop, stroke) in enumerate(zip(analysis.loops, _CURVE_STROKES, strict=False)):
        draw_key(page, _CURVE.left + place * 40, _CURVE.top + 5, VIEW_NAMES[loop.view], stroke, width=39)


def _draw_strain(page: Page, analysis: EchoAnalysis) -> None:
    """Endocardium of every view with dots, the mid-wall thin beside it."""
    loops = [loop for loop in analysis.loops if loop.strain.withheld is None]
    if not loops:
        page.text(
            _STRAIN_CURVE.left, _STRAIN_CURVE.top + 8, say("Withheld; see the findings."), 7, colour=GREY
        )
        return
    lines = []
    for loop, stroke in zip(analysis.loops, _CURVE_STROKES, strict=False):
        if loop in loops:
            curves, thin = loop.strain.curves_percent, Stroke(stroke.colour, 0.4, stroke.dash_pt)
            lines.append([(curves[Layer.ENDOCARDIUM], stroke), (curves[Layer.MID_WALL], thin)])
    lowest = min(float(curve.min()) for of_loop in lines for curve, _ in of_loop)
    highest = max(float(curve.max()) for of_loop in lines for curve, _ in of_loop)
    _draw_plot(page, _STRAIN_CURVE, loops, lines, (say("Strain (%)"), round_ticks(lowest, highest, 4)))
    key = say("Thick: endocardium; thin: mid-wall. Colours as above.")
    page.text(_STRAIN_CURVE.left, _STRAIN_CURVE.top + 5.8, key, 6.8, colour=GREY)


def _draw_plot(
    page: Page,
    place: Box,
    loops: Sequence[MeasuredLoop],
    lines: Sequence[Sequence[tuple[NDArray[np.float64], Stroke]]],
    y: tuple[str, tuple[float, ...]],
) -> None:
    """Curves of every loop, (t,) each; the first of a loop has dots at end-diastole and end-systole.

    ``y`` are title and ticks of the upright axis.
    """
    plot = Box(place.left + 11, place.top + 8, place.width - 13, place.height - 18)
    times, time_title = _times(loops)
    last = max(float(t[-1]) for t in times)
    x_axis = Axis(0.0, last, tuple(t for t in round_ticks(0.0, last, 5) if t <= last))
    y_axis = Axis(y[1][0], y[1][-1], y[1])
    for tick in y_axis.ticks:
        level = plot.bottom - y_axis.share(tick) * plot.height
        page.line([(plot.left, level), (plot.right, level)], Stroke(LIGHT, 0.4))
        page.text(plot.left - 1.2, level + 0.8, f"{tick:g}", 6.5, colour=GREY, align="right")
    for tick in x_axis.ticks:
        x = plot.left + x_axis.share(tick) * plot.width
        page.text(x, plot.bottom + 4, f"{tick:g}", 6.5, colour=GREY, align="centre")
    page.upright_text(place.left + 2.2, plot.top + plot.height / 2, y[0], 6.5, GREY)
    page.text(plot.left + plot.width / 2, plot.bottom + 8, time_title, 6.5, colour=GREY, align="centre")
    for loop, t, of_loop in zip(loops, times, lines, strict=True):
        for index, (curve, stroke) in enumerate(of_loop):
            points = [
                (plot.left + x_axis.share(at) * plot.width, plot.bottom - y_axis.share(v) * plot.height)
                for at, v in zip(t.tolist(), curve.tolist(), strict=True)
            ]
            for is_known, run in groupby(points, key=lambda point: np.isfinite(point[1])):
                if is_known:
                    page.line(list(run), stroke)
            if index == 0:
                for beat in loop.beats:
                    for frame in (beat.end_diastole, beat.end_systole):
                        page.dot(*points[frame], 0.9, stroke.colour)


def _times(loops: Sequence[MeasuredLoop]) -> tuple[list[NDArray[np.float64]], str]:
    """Times of every loop, or numbers of frames where one of them has no times, and what to call them."""
    times_ms = [t for loop in loops if (t := loop.source.loop.times_ms) is not None]
    if len(times_ms) == len(loops):
        return times_ms, say("Time (ms)")
    return [np.arange(1.0, loop.segmentation.n_frames + 1) for loop in loops], say("Frame")


def _draw_pictures(page: Page, analysis: EchoAnalysis) -> None:
    """Both phases of every view, side by side."""
    room = (WIDTH + _GAP) / len(analysis.loops)
    for place, loop in enumerate(analysis.loops):
        height = _PICTURES_BOTTOM - _PICTURES_TOP
        _draw_loop(page, Box(LEFT + place * room, _PICTURES_TOP, room - _GAP, height), loop)
    for column, (name, stroke) in enumerate(zip(_KEYS, _STROKES.values(), strict=True)):
        draw_key(page, LEFT + column * 30, _KEYS_Y, name, stroke, width=29)
    draw_key(page, LEFT + 90, _KEYS_Y, say("Discs and long axes"), Stroke((150, 140, 0), 0.8))


def _draw_loop(page: Page, place: Box, loop: MeasuredLoop) -> None:
    beat, discs = loop.beats[0], loop.discs[0]
    title = say("{view} view, beat 1 of {n_beats}", view=VIEW_TITLES[loop.view], n_beats=len(loop.beats))
    draw_section(page, place.left, place.top, title, place.width)
    phases = (
        (CardiacPhase.END_DIASTOLE, beat.end_diastole, discs.end_diastole, None),
        (CardiacPhase.END_SYSTOLE, beat.end_systole, discs.end_systole, loop.first_atrium),
    )
    width = (place.width - _GAP) / len(phases)
    for column, (phase, t, stack, atrium) in enumerate(phases):
        box = Box(place.left + column * (width + _GAP), place.top + 3.2, width, place.height - 5)
        _draw_picture(page, box, echo_picture(loop, t, stack, atrium))
        caption = say("{phase}, frame {frame}", phase=term(phase.capitalize()), frame=t + 1)
        page.text_over_image(box.left + 1.5, box.top + 3.4, caption, 6.8)


def _draw_picture(page: Page, place: Box, picture: EchoPicture) -> None:
    """A frame as large as its place allows, in true proportion, with contours, discs and long axis."""
    page.block(place, (0, 0, 0))
    height = min(place.height, place.width / picture.aspect)
    width = height * picture.aspect
    box = Box(place.left + (place.width - width) / 2, place.top + (place.height - height) / 2, width, height)
    page.image(box, picture.grey)
    size = np.array([box.width, box.height])
    for chord in (*picture.discs, *picture.axes):
        page.line(chord * size + (box.left, box.top), _DISC_STROKE)
    for structure in (Structure.LV_MYOCARDIUM, Structure.LEFT_ATRIUM, Structure.LV_CAVITY):
        for outline in picture.outlines[structure]:
            page.line(outline * size + (box.left, box.top), _STROKES[structure])
