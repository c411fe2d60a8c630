"""The page a cardiologist reads after late enhancement: numbers, every slice with its contours, findings."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from cvai.analyses.late_enhancement.analysis import EnhancementAnalysis
from cvai.analyses.late_enhancement.objects import DEFINITIONS, RULES
from cvai.analyses.late_enhancement.pictures import SlicePicture, slice_pictures
from cvai.dicom.read.header.names import readable_name
from cvai.dicom.write import codes
from cvai.dicom.write.instance import ResultContext
from cvai.dicom.write.report.bounds import value_bounds
from cvai.dicom.write.report.curve import draw_key
from cvai.dicom.write.report.document import (
    LEFT,
    RIGHT,
    WIDTH,
    accession_cell,
    draw_findings,
    draw_footer,
    draw_heading,
    draw_section,
    height_and_weight,
    readable_date,
    sex_and_age,
)
from cvai.dicom.write.report.identity import Cell, draw_identity, patient_id_cell
from cvai.dicom.write.report.page import GREY, LIGHT, Box, Page, Stroke, wrapped
from cvai.dicom.write.report.reported import draw_reports
from cvai.dicom.write.source import checked_value
from cvai.domain.anatomy import Structure

_IDENTITY_LEFTS = (LEFT, 62.0, 99.0, 140.0)
_TABLE = Box(LEFT, 56.0, WIDTH, 46.0)
_PICTURES_TOP, _PICTURES_BOTTOM, _KEYS_Y = 118.0, 234.0, 237.5
_COLUMNS, _GAP = 4, 2.0
_ROWS = (
    ("Infarct, share of the myocardium (%)", "infarct_share", 1),
    ("No-reflow, share of the myocardium (%)", "no_reflow_share", 1),
    ("Circumference with half or more of the wall infarcted (%)", "transmural_share", 0),
    ("Enhanced by 5 SD, share of the myocardium (%)", "enhanced_share_5sd", 1),
    ("Enhanced by FWHM, share of the myocardium (%)", "enhanced_share_fwhm", 1),
    ("Infarct mass (g)", "infarct_mass", 1),
    ("Myocardial mass (g)", "lv_mass", 0),
)
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
_KEYS = ("LV epicardium", "LV cavity", "Infarct", "No-reflow")


def enhancement_report_pdf(context: ResultContext[EnhancementAnalysis]) -> bytes:
    """The report as a PDF file; the same context gives the same bytes."""
    page = Page(f"cvai report: {context.plan.title.lower()}")
    draw_heading(page, context, "short-axis late enhancement")
    draw_identity(page, _IDENTITY_LEFTS, RIGHT, _identity(context))
    draw_section(page, _TABLE.left, _TABLE.top, "Measurements", _TABLE.width)
    _draw_table(page, context.analysis)
    draw_section(page, LEFT, _PICTURES_TOP - 4, "Slices from base to apex", WIDTH)
    _draw_pictures(page, slice_pictures(context.analysis))
    draw_findings(page, context.analysis.findings)
    draw_footer(page, context)
    draw_reports(page, context)
    return page.pdf()


def _identity(context: ResultContext[EnhancementAnalysis]) -> tuple[Cell, ...]:
    header, analysis, patient = context.first_header, context.analysis, context.analysis.patient
    geometry = analysis.stack.stack.geometry
    pixel_mm = f"{geometry.spacing_x_mm:.2f} × {geometry.spacing_y_mm:.2f} mm"
    return (
        Cell("Patient", readable_name(patient.name)),
        patient_id_cell(patient),
        Cell("Sex, year of birth, age", sex_and_age(patient, analysis.subject)),
        Cell("Height, weight", height_and_weight(analysis.subject)),
        Cell("Study date", readable_date(str(checked_value(header, "StudyDate") or ""))),
        accession_cell(header),
        Cell("Slices", f"{geometry.n_slices}, {geometry.slice_spacing_mm:.1f} mm apart"),
        Cell("Pixels", pixel_mm),
    )


def _draw_table(page: Page, analysis: EnhancementAnalysis) -> None:
    notes = [line for text in (DEFINITIONS, RULES) for line in wrapped(text, 6, _TABLE.width)]
    rows = [(title, m, digits) for title, name, digits in _ROWS if (m := analysis.measurement(name))]
    height = 5.4
    for place, (title, measurement, decimals) in enumerate(rows):
        baseline = _TABLE.top + 4 + (place + 0.65) * height
        is_main = measurement.name == "infarct_share"
        page.text(_TABLE.left, baseline, title, 8.5, bold=is_main)
        value = f"{measurement.value:.{decimals}f}"
        page.text(_TABLE.left + 110, baseline, value, 9, bold=is_main, align="right")
        for bounds in value_bounds(measurement, decimals)[:1]:
            page.text(_TABLE.left + 112, baseline, bounds, 6, colour=GREY)
        below = baseline + 0.3 * height
        page.line([(_TABLE.left, below), (_TABLE.right, below)], Stroke(LIGHT, 0.3))
    for place, note in enumerate(notes):
        page.text(_TABLE.left, _TABLE.top + 4 + len(rows) * height + 2.6 * (place + 1), note, 6, colour=GREY)


def _draw_pictures(page: Page, pictures: tuple[SlicePicture, ...]) -> None:
    n_rows = -(-len(pictures) // _COLUMNS)
    width = (WIDTH - (_COLUMNS - 1) * _GAP) / _COLUMNS
    height = (_PICTURES_BOTTOM - _PICTURES_TOP - (n_rows - 1) * _GAP) / n_rows
    for place, picture in enumerate(pictures):
        row, column = divmod(place, _COLUMNS)
        left, top = LEFT + column * (width + _GAP), _PICTURES_TOP + row * (height + _GAP)
        _draw_picture(page, Box(left, top, width, height), picture)
    for column, (name, stroke) in enumerate(zip(_KEYS, _STROKES.values(), strict=True)):
        draw_key(page, LEFT + column * 30, _KEYS_Y, name, stroke)


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
    page.text_over_image(place.left + 1.5, place.top + 3.4, f"Slice {picture.z + 1}", 6)
