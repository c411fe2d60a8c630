"""The page a cardiologist reads after coronary angiography: lesions, the tree, diameters along vessels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from skimage.measure import find_contours

from cvai.analyses.coronary.analysis import CoronaryAnalysis, MeasuredRun, NumberedLesion
from cvai.analyses.coronary.objects import LESION_NUMBERS, METHOD, SEGMENT_RGB
from cvai.dicom.read.header.names import readable_name
from cvai.dicom.write.instance import ResultContext
from cvai.dicom.write.report.curve import Axis, draw_key, round_ticks
from cvai.dicom.write.report.document import (
    LEFT,
    RIGHT,
    WIDTH,
    accession_cell,
    draw_footer,
    draw_heading,
    draw_section,
    readable_date,
    sex_and_age,
)
from cvai.dicom.write.report.identity import Cell, draw_identity, patient_id_cell
from cvai.dicom.write.report.impression import draw_conclusion, draw_long_impression
from cvai.dicom.write.report.page import ALARM, BLACK, GREY, LIGHT, Box, Page, Stroke, fitted, wrapped
from cvai.dicom.write.report.reported import draw_reports
from cvai.dicom.write.source import checked_value
from cvai.domain.message import linked, say, term
from cvai.domain.vessels.segments import CORONARY_LABELS

_IDENTITY_LEFTS = (LEFT, 62.0, 99.0, 140.0)
_TABLE = Box(LEFT, 57.0, WIDTH, 51.0)
_PICTURE = Box(LEFT, 122.0, 104.0, 104.0)
_PROFILES = Box(127.0, 119.0, 68.0, 118.0)
_MOST_ROWS, _MOST_PROFILES = 8, 3
_COLUMNS = (0.0, 6.0, 66.0, 104.0, 119.0, 134.0, 150.0, 163.0)
_COLUMN_WIDTHS = tuple(right - left - 1 for left, right in pairwise((*_COLUMNS, WIDTH)))
_TITLES = (
    "",
    say("Segment (SYNTAX)"),
    say("View, frame"),
    say("Stenosis"),
    say("Minimum"),
    say("Reference"),
    say("Length"),
    say("Grade"),
)
_EDGE, _LESION = Stroke((240, 228, 66), 0.5), Stroke((220, 30, 30), 1.3)
_COMPARED = Stroke((220, 30, 30), 0.6)
"""From the narrowest diameter to the reference there, as they are measured or drawn."""
_MEASURED, _REFERENCE = Stroke((0, 114, 178), 1.0), Stroke((120, 120, 120), 0.8, (3.0, 2.0))


def coronary_report_pdf(context: ResultContext[CoronaryAnalysis]) -> bytes:
    """The report as a PDF file; the same context gives the same bytes."""
    analysis = context.analysis
    page = Page(f"cvai report: {context.plan.title.lower()}", context.language)
    n_runs = len(analysis.runs)
    several = say("{n_runs} runs of coronary angiography", n_runs=n_runs)
    draw_heading(page, context, say("1 run of coronary angiography") if n_runs == 1 else several)
    draw_identity(page, _IDENTITY_LEFTS, RIGHT, _identity(context))
    draw_section(page, _TABLE.left, _TABLE.top, say("Lesions, severest first"), _TABLE.width)
    _draw_table(page, analysis)
    run = analysis.lesions[0].run if analysis.lesions else analysis.runs[0]
    title = page.said(
        say(
            "{run}, frame {frame} of {n_frames}",
            run=run.source.name,
            frame=run.frame + 1,
            n_frames=run.source.run.n_frames,
        )
    )
    draw_section(page, _PICTURE.left, _PICTURE.top - 5, fitted(title, 9.5, _PICTURE.width), _PICTURE.width)
    _draw_picture(page, analysis, run)
    if analysis.lesions:
        draw_section(
            page, _PROFILES.left, _PROFILES.top - 2, say("Diameter along the vessel"), _PROFILES.width
        )
    height = _PROFILES.height / _MOST_PROFILES
    for place, found in enumerate(analysis.lesions[:_MOST_PROFILES]):
        box = Box(_PROFILES.left, _PROFILES.top + place * height, _PROFILES.width, height - 3)
        _draw_profile(page, box, found)
    draw_conclusion(page, context)
    draw_footer(page, context)
    draw_long_impression(page, context)
    draw_reports(page, context)
    return page.pdf()


def _identity(context: ResultContext[CoronaryAnalysis]) -> tuple[Cell, ...]:
    header, analysis = context.first_header, context.analysis
    return (
        Cell(say("Patient"), readable_name(analysis.patient.name)),
        patient_id_cell(analysis.patient),
        Cell(say("Sex, year of birth, age"), sex_and_age(analysis.patient, analysis.subject)),
        Cell(say("Arteries"), linked(map(term, sorted({run.artery for run in analysis.runs})))),
        Cell(say("Study date"), readable_date(str(checked_value(header, "StudyDate") or ""))),
        accession_cell(header),
        Cell(say("Runs"), str(len(analysis.runs))),
        Cell(say("Largest stenosis"), f"{analysis.measurements[0].value:.0f} %"),
    )


def _draw_table(page: Page, analysis: CoronaryAnalysis) -> None:
    y = _TABLE.top + 6
    for x, title, width in zip(_COLUMNS, _TITLES, _COLUMN_WIDTHS, strict=True):
        page.text(_TABLE.left + x, y, title, 7, colour=GREY, width=width)
    if not analysis.lesions:
        page.text(_TABLE.left, y + 6, say("No lesion was found."), 9)
    for found in analysis.lesions[:_MOST_ROWS]:
        y += 4.6
        row = _row(page, analysis, found)
        for x, text, width in zip(_COLUMNS, row, _COLUMN_WIDTHS, strict=True):
            is_severe = found.lesion.percent >= 70.0 and x >= _COLUMNS[3]
            page.text(_TABLE.left + x, y, text, 8, colour=ALARM if is_severe else BLACK, width=width)
    if (more := len(analysis.lesions) - _MOST_ROWS) > 0:
        page.text(
            _TABLE.left, y + 4, say("{count} more in the structured report.", count=more), 7, colour=GREY
        )
    for place, line in enumerate(
        wrapped(" ".join(map(page.said, (METHOD, *analysis.remarks))), 6, _TABLE.width)
    ):
        page.text(_TABLE.left, _TABLE.bottom - 1.5 + 2.6 * place, line, 6, colour=GREY)


def _row(page: Page, analysis: CoronaryAnalysis, found: NumberedLesion) -> tuple[str, ...]:
    run, lesion = found.run, found.lesion
    lengths = []
    for what in LESION_NUMBERS[1:]:
        length = analysis.measurement(f"lesion_{found.number}_{what}")
        lengths.append(say("no calibration") if length is None else f"{length.value:.1f} mm")
    segment = fitted(f"{page.said(term(lesion.segment.display_name))} ({lesion.segment.number})", 8, 59)
    view = fitted(f"{page.said(run.source.name)}, {run.frame + 1}", 8, 37)
    percent = f"{lesion.percent:.0f} %"
    if say("no calibration") in lengths:
        lengths = [say("not given")] * len(lengths)
    return f"{found.number}", segment, view, percent, *lengths, term(lesion.grade)


def _draw_picture(page: Page, analysis: CoronaryAnalysis, run: MeasuredRun) -> None:
    """The measured frame with segments in colours and lesions in red, with their numbers."""
    grey = (255 * run.source.run.grey(run.frame)).astype(np.uint8)
    scale = min(_PICTURE.width / grey.shape[1], _PICTURE.height / grey.shape[0])
    box = Box(_PICTURE.left, _PICTURE.top, grey.shape[1] * scale, grey.shape[0] * scale)
    page.block(_PICTURE, (0, 0, 0))
    page.image(box, grey)

    def placed(points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 2) points (y, x) in pixels as (x, y) on the page."""
        return np.asarray((points[:, ::-1] + 0.5) * scale + (box.left, box.top))

    for segment, label in CORONARY_LABELS.items():
        for outline in find_contours(np.pad(run.labels == label, 1).astype(float), 0.5):
            page.line(placed(outline - 1.0), Stroke(SEGMENT_RGB[segment], 0.6))
    for found in analysis.lesions:
        if found.run is not run:
            continue
        lesion = found.lesion
        at = slice(lesion.narrowing.first, lesion.narrowing.last + 1)
        for side in (0, 1):
            edge = lesion.profile.edges[at, side]
            edge = edge[np.isfinite(edge).all(axis=1)]
            if len(edge) > 1:
                page.line(placed(edge), _LESION)
        x, y = placed(lesion.profile.path.points[[lesion.narrowing.narrowest]])[0]
        page.text_over_image(float(x) + 3, float(y), str(found.number), 9)


def _draw_profile(page: Page, box: Box, found: NumberedLesion) -> None:
    """Diameter and reference along the vessel, the narrowed stretch shaded."""
    size, lesion = found.run.source.run.pixel_size, found.lesion
    mm, unit = (1.0, "px") if size is None else (size.mm, "mm")
    diameters, reference = lesion.profile.diameter_px * mm, lesion.reference_px * mm
    along = np.arange(len(diameters)) * mm
    top = float(np.nanmax(np.concatenate([diameters, reference])))
    plot = Box(box.left + 9, box.top + 6, box.width - 11, box.height - 13)
    ticks = round_ticks(0.0, top, 3)
    x_axis = Axis(
        0.0, float(along[-1]), tuple(t for t in round_ticks(0.0, float(along[-1]), 4) if t <= along[-1])
    )
    y_axis = Axis(0.0, ticks[-1], ticks)
    segment = page.said(term(lesion.segment.display_name))
    title = f"{found.number}: {segment}, {lesion.narrowing.percent:.0f} %"
    if lesion.given_percent is not None:
        title = page.said(
            say(
                "{number}: {given:.0f} % given, {measured:.0f} % measured",
                number=found.number,
                given=lesion.given_percent,
                measured=lesion.narrowing.percent,
            )
        )
    page.text(box.left, box.top + 4, fitted(title, 7, box.width), 7, bold=True)
    left, right = (
        plot.left + x_axis.share(at * mm) * plot.width
        for at in (lesion.narrowing.first, lesion.narrowing.last)
    )
    page.block(Box(left, plot.top, max(right - left, 0.3), plot.height), (250, 226, 222))
    for tick in y_axis.ticks:
        y = plot.bottom - y_axis.share(tick) * plot.height
        page.line([(plot.left, y), (plot.right, y)], Stroke(LIGHT, 0.3))
        page.text(plot.left - 1.2, y + 0.8, f"{tick:g}", 6, colour=GREY, align="right")
    for tick in x_axis.ticks:
        x = plot.left + x_axis.share(tick) * plot.width
        page.text(x, plot.bottom + 3.2, f"{tick:g}", 6, colour=GREY, align="centre")
    trunk = say("from trunk ({unit})", unit=unit)
    page.text(plot.right, plot.bottom + 6, trunk, 6, colour=GREY, align="right", width=20)
    for values, stroke in ((reference, _REFERENCE), (diameters, _MEASURED)):
        known = np.flatnonzero(np.isfinite(values))
        for piece in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
            if len(piece) > 1:
                points = [
                    (
                        plot.left + x_axis.share(float(along[i])) * plot.width,
                        plot.bottom - y_axis.share(float(values[i])) * plot.height,
                    )
                    for i in piece
                ]
                page.line(points, stroke)
    narrowing = lesion.narrowing
    x = plot.left + x_axis.share(narrowing.narrowest * mm) * plot.width
    compared = (narrowing.minimal_px * mm, narrowing.reference_px * mm)
    page.line([(x, plot.bottom - y_axis.share(value) * plot.height) for value in compared], _COMPARED)
    draw_key(page, plot.left - 9, plot.bottom + 5.2, say("diameter ({unit})", unit=unit), _MEASURED, width=26)
    draw_key(page, plot.left + 18, plot.bottom + 5.2, say("reference"), _REFERENCE, width=26)
