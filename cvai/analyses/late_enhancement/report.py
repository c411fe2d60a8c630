"""The page a cardiologist reads after late enhancement: numbers, every slice with its contours, findings."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from cvai.analyses.late_enhancement.analysis import EnhancementAnalysis
from cvai.analyses.late_enhancement.bullseyes import infarct_bullseyes
from cvai.analyses.late_enhancement.objects import DEFINITIONS, RULES, segment_remarks
from cvai.analyses.late_enhancement.pictures import SlicePicture, slice_pictures
from cvai.dicom.read.header.names import readable_name
from cvai.dicom.write import codes
from cvai.dicom.write.instance import ResultContext
from cvai.dicom.write.report.bounds import value_bounds
from cvai.dicom.write.report.bullseye import draw_bullseye
from cvai.dicom.write.report.curve import draw_key
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
from cvai.dicom.write.report.page import GREY, LIGHT, Box, Page, Stroke, wrapped
from cvai.dicom.write.report.reported import draw_reports
from cvai.dicom.write.source import checked_value
from cvai.domain.anatomy import Structure
from cvai.domain.geometry import StackGeometry
from cvai.domain.message import Message, joined, say
from cvai.domain.tissue.segments import share_name
from cvai.domain.ventricles.segments import Level

_IDENTITY_LEFTS = (LEFT, 62.0, 99.0, 140.0)
_TABLE, _ROW_HEIGHT, _VALUES_RIGHT = Box(LEFT, 56.0, 98.0, 44.0), 4.8, LEFT + 88.0
_BULLSEYE, _BULLSEYE_STEP = Box(LEFT + 102.0, 59.2, 37.5, 40.0), 40.5
_NOTES_TOP = 102.0
_PICTURES_TOP, _PICTURES_BOTTOM, _KEYS_Y = 119.5, 234.0, 237.5
_COLUMNS, _GAP = 4, 2.0
_ROWS = (
    (say("Infarct, share of the myocardium (%)"), "infarct_share", 1),
    (say("No-reflow, share of the myocardium (%)"), "no_reflow_share", 1),
    (say("Circumference with half or more of the wall infarcted (%)"), "transmural_share", 0),
    (say("Enhanced by 5 SD, share of the myocardium (%)"), "enhanced_share_5sd", 1),
    (say("Enhanced by FWHM, share of the myocardium (%)"), "enhanced_share_fwhm", 1),
    (say("Infarct mass (g)"), "infarct_mass", 1),
    (say("Myocardial mass (g)"), "lv_mass", 0),
)
_LEVELS = say("Infarct, basal / mid / apical slices (%)")
_STROKES: Mapping[Structure, Stroke] = MappingProxyType(
    {
        structure: Stroke(codes.STRUCTURE_RGB[structure], 0.9)
        for structure in (
            Structure.LV_MYOCARDIUM,
            Structure.LV_CAVITY,
            Structure.INFARCT,
            Structure.NO_REFLOW,
        )
    }
)
_EDGE = Stroke((0, 0, 0), 2.0)
"""Below the line of an infarct, which is as bright as its own colour."""
_KEYS = (say("LV epicardium"), say("LV cavity"), say("Infarct"), say("No-reflow"))


def enhancement_report_pdf(context: ResultContext[EnhancementAnalysis]) -> bytes:
    """The report as a PDF file; the same context gives the same bytes."""
    page = Page(f"cvai report: {context.plan.title.lower()}", context.language)
    draw_heading(page, context, say("short-axis late enhancement"))
    draw_identity(page, _IDENTITY_LEFTS, RIGHT, _identity(context))
    draw_section(page, _TABLE.left, _TABLE.top, say("Measurements"), _TABLE.width)
    _draw_table(page, context.analysis)
    _draw_bullseyes(page, context.analysis)
    draw_section(page, LEFT, _PICTURES_TOP - 4, say("Slices from base to apex"), WIDTH)
    _draw_pictures(page, slice_pictures(context.analysis))
    draw_conclusion(page, context)
    draw_footer(page, context)
    draw_long_impression(page, context)
    draw_reports(page, context)
    return page.pdf()


def _identity(context: ResultContext[EnhancementAnalysis]) -> tuple[Cell, ...]:
    header, analysis, patient = context.first_header, context.analysis, context.analysis.patient
    geometry = analysis.stack.stack.geometry
    pixel_mm = f"{geometry.spacing_x_mm:.2f} × {geometry.spacing_y_mm:.2f} mm"
    return (
        Cell(say("Patient"), readable_name(patient.name)),
        patient_id_cell(patient),
        Cell(say("Sex, year of birth, age"), sex_and_age(patient, analysis.subject)),
        Cell(say("Height, weight"), height_and_weight(analysis.subject)),
        Cell(say("Study date"), readable_date(str(checked_value(header, "StudyDate") or ""))),
        accession_cell(header),
        Cell(say("Slices"), _spaced(geometry)),
        Cell(say("Pixels"), pixel_mm),
    )


def _spaced(geometry: StackGeometry) -> Message:
    return say(
        "{n_slices}, {apart_mm:.1f} mm apart", n_slices=geometry.n_slices, apart_mm=geometry.slice_spacing_mm
    )


def _draw_table(page: Page, analysis: EnhancementAnalysis) -> None:
    rows = [
        (title, f"{m.value:.{decimals}f}", value_bounds(m, decimals)[:1])
        for title, name, decimals in _ROWS
        if (m := analysis.measurement(name))
    ]
    by_level = [analysis.measurement(share_name(level)) for level in Level]
    if any(by_level):
        rows.append((_LEVELS, " / ".join("–" if m is None else f"{m.value:.0f}" for m in by_level), []))
    for place, (title, value, bounds) in enumerate(rows):
        baseline, is_main = _TABLE.top + 4 + (place + 0.65) * _ROW_HEIGHT, title == _ROWS[0][0]
        page.text(_TABLE.left, baseline, title, 8, bold=is_main, width=_VALUES_RIGHT - _TABLE.left - 9)
        page.text(_VALUES_RIGHT, baseline, value, 8.5, bold=is_main, align="right")
        for bound in bounds:
            page.text(_VALUES_RIGHT + 1, baseline, bound, 6, colour=GREY)
        below = baseline + 0.3 * _ROW_HEIGHT
        page.line([(_TABLE.left, below), (_TABLE.right, below)], Stroke(LIGHT, 0.3))


def _draw_bullseyes(page: Page, analysis: EnhancementAnalysis) -> None:
    """Share and transmurality by segment, and below all numbers how they were made."""
    for place, bullseye in enumerate(infarct_bullseyes({m.name: m.value for m in analysis.measurements})):
        box = Box(_BULLSEYE.left + place * _BULLSEYE_STEP, _BULLSEYE.top, _BULLSEYE.width, _BULLSEYE.height)
        draw_section(page, box.left, _TABLE.top, bullseye.title, box.width)
        draw_bullseye(page, box, bullseye)
    notes = (DEFINITIONS, RULES, *segment_remarks(analysis))
    for place, line in enumerate(wrapped(page.said(joined(" ", notes)), 6, WIDTH)):
        page.text(LEFT, _NOTES_TOP + 2.5 * place, line, 6, colour=GREY)


def _draw_pictures(page: Page, pictures: tuple[SlicePicture, ...]) -> None:
    n_rows = -(-len(pictures) // _COLUMNS)
    width = (WIDTH - (_COLUMNS - 1) * _GAP) / _COLUMNS
    height = (_PICTURES_BOTTOM - _PICTURES_TOP - (n_rows - 1) * _GAP) / n_rows
    for place, picture in enumerate(pictures):
        row, column = divmod(place, _COLUMNS)
        left, top = LEFT + column * (width + _GAP), _PICTURES_TOP + row * (height + _GAP)
        _draw_picture(page, Box(left, top, width, height), picture)
    for column, (name, stroke) in enumerate(zip(_KEYS, _STROKES.values(), strict=True)):
        draw_key(page, LEFT + column * 30, _KEYS_Y, name, stroke, width=29)


def _draw_picture(page: Page, place: Box, picture: SlicePicture) -> None:
    """A slice as large as its place allows, in true proportion, with its contours."""
    page.block(place, (0, 0, 0))
    height = min(place.height, place.width / picture.aspect)
    width = height * picture.aspect
    box = Box(place.left + (place.width - width) / 2, place.top + (place.height - height) / 2, width, height)
    page.image(box, picture.grey)
    size = np.array([box.width, box.height])
    for structure, stroke in _STROKES.items():
        for outline in picture.outlines[structure]:
            points = outline * size + (box.left, box.top)
            if structure is Structure.INFARCT:
                page.line(points, _EDGE)
            page.line(points, stroke)
    page.text_over_image(place.left + 1.5, place.top + 3.4, say("Slice {slice}", slice=picture.z + 1), 6)
