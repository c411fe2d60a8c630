"""The report a cardiologist reads after a short-axis cine: numbers, curve, both phases, wall, findings."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.analyses.cine_sax.curve import draw_strain_curve, draw_volume_curve
from cvai.analyses.cine_sax.objects import phase_index
from cvai.analyses.cine_sax.pictures import HeartPicture, heart_pictures
from cvai.analyses.cine_sax.table import draw_table
from cvai.dicom.read.header.names import readable_name
from cvai.dicom.write import codes
from cvai.dicom.write.codes import CardiacPhase
from cvai.dicom.write.instance import ResultContext
from cvai.dicom.write.report.bullseye import draw_bullseye, thickening_bullseye, thickness_bullseye
from cvai.dicom.write.report.curve import draw_key
from cvai.dicom.write.report.document import (
    LEFT,
    RIGHT,
    accession_cell,
    by_hand,
    draw_footer,
    draw_heading,
    draw_section,
    height_and_weight,
    readable_date,
    sex_and_age,
)
from cvai.dicom.write.report.identity import Cell, draw_identity, patient_id_cell
from cvai.dicom.write.report.impression import draw_conclusion, draw_long_impression
from cvai.dicom.write.report.page import GREY, WHITE, Box, Page, Stroke
from cvai.dicom.write.report.reported import draw_reports
from cvai.dicom.write.source import checked_value
from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.message import Message, joined, say, term

IDENTITY_LEFTS = (LEFT, 62.0, 99.0, 140.0, 171.0)
"""Left edges of the columns that say whose heart it is."""

TABLE = Box(LEFT, 57.0, 126.0, 66.5)
CURVE = Box(144.5, 57.0, 50.5, 70.0)
VOLUME_HEIGHT = 36.0

PICTURES_TOP = 130.5
PICTURES_STEP_MM = 57.0
PICTURE_NAMES = (say("LV cavity"), say("LV epicardium"), say("RV cavity"))
BULLSEYE_NOTE = say("Wall by segment (Cerqueira 2002), seen from the apex; – not measured in short axis.")
PICTURE = Box(LEFT, 0.0, 42.6, 46.0)
PICTURE_STEP_MM = 44.4
PICTURES_WIDTH = 2 * PICTURE_STEP_MM + PICTURE.width
BULLSEYE = Box(150.4, 0.0, 44.6, 46.0)
KEYS_Y = 240.4
_LEVELS = {"base": say("Base"), "mid": say("Mid"), "apex": say("Apex")}
PICTURE_STROKES: Mapping[Structure, Stroke] = MappingProxyType(
    {structure: Stroke(codes.STRUCTURE_RGB[structure], 1.1) for structure in SAX_LABELS}
)


def report_pdf(context: ResultContext[CineAnalysis]) -> bytes:
    """The report as a PDF file; the same context gives the same bytes."""
    page = Page(f"cvai report: {context.plan.title.lower()}", context.language)
    draw_heading(page, context, say("the short-axis cine"))
    draw_identity(page, IDENTITY_LEFTS, RIGHT, _identity(context))
    draw_section(page, TABLE.left, TABLE.top, say("Measurements"), TABLE.width)
    draw_table(page, TABLE, context.analysis)
    _draw_curves(page, context.analysis)
    _draw_pictures(page, context)
    _draw_bullseyes(page, context.analysis)
    draw_conclusion(page, context)
    draw_footer(page, context)
    draw_long_impression(page, context)
    draw_reports(page, context)
    return page.pdf()


def _identity(context: ResultContext[CineAnalysis]) -> tuple[Cell, ...]:
    header, analysis, patient = context.first_header, context.analysis, context.analysis.patient
    stack, surface = analysis.cine.stack, analysis.measurement("bsa")
    geometry = stack.geometry
    pixel_mm = f"{geometry.spacing_x_mm:.2f} × {geometry.spacing_y_mm:.2f} mm"
    rate, is_by_hand = analysis.measurement("heart_rate"), by_hand(analysis.subject, "heart_rate_bpm")
    heart_rate = "" if rate is None else joined("", (f"{rate.value:.0f} /min", is_by_hand))
    return (
        Cell(say("Patient"), readable_name(patient.name)),
        patient_id_cell(patient),
        Cell(say("Sex, year of birth, age"), sex_and_age(patient, analysis.subject)),
        Cell(say("Height, weight"), height_and_weight(analysis.subject)),
        Cell(say("Study date"), readable_date(str(checked_value(header, "StudyDate") or ""))),
        Cell(say("Pixels, slice spacing"), f"{pixel_mm}, {geometry.slice_spacing_mm:.1f} mm"),
        accession_cell(header),
        Cell(say("Cine"), _size(stack.n_phases, geometry.n_slices)),
        Cell(say("Body surface"), "" if surface is None else f"{surface.value:.2f} m²"),
        Cell(say("Heart rate"), heart_rate),
    )


def _draw_curves(page: Page, analysis: CineAnalysis) -> None:
    """Volume, and below it strain where it was measured."""
    strain = analysis.strain
    height = CURVE.height if strain is None else VOLUME_HEIGHT
    draw_section(page, CURVE.left, CURVE.top, say("Volume over a heartbeat"), CURVE.width)
    draw_volume_curve(page, Box(CURVE.left, CURVE.top + 3.5, CURVE.width, height - 3.5), analysis)
    if strain is not None:
        top = CURVE.top + height + 3.0
        draw_section(page, CURVE.left, top, say("Circumferential strain"), CURVE.width)
        box = Box(CURVE.left, top + 3.5, CURVE.width, CURVE.bottom - top - 3.5)
        draw_strain_curve(page, box, analysis, strain)


def _draw_pictures(page: Page, context: ResultContext[CineAnalysis]) -> None:
    top = PICTURES_TOP
    for phase in CardiacPhase:
        t = phase_index(context.analysis, phase)
        draw_section(page, LEFT, top, _phase_title(context.analysis, phase, t), PICTURES_WIDTH)
        pictures = heart_pictures(context.analysis, t, PICTURE.width / PICTURE.height)
        for place, picture in enumerate(pictures):
            left = LEFT + place * PICTURE_STEP_MM
            _draw_picture(page, Box(left, top + 3.2, PICTURE.width, PICTURE.height), picture)
        top += PICTURES_STEP_MM
    for place, (name, stroke) in enumerate(zip(PICTURE_NAMES, PICTURE_STROKES.values(), strict=True)):
        draw_key(page, LEFT + place * 28, KEYS_Y, name, stroke, width=27)


def _draw_bullseyes(page: Page, analysis: CineAnalysis) -> None:
    top = PICTURES_TOP
    for bullseye in (thickness_bullseye(analysis), thickening_bullseye(analysis)):
        draw_section(page, BULLSEYE.left, top, bullseye.title, BULLSEYE.width)
        draw_bullseye(page, Box(BULLSEYE.left, top + 3.2, BULLSEYE.width, BULLSEYE.height), bullseye)
        top += PICTURES_STEP_MM
    room = RIGHT - LEFT - len(PICTURE_NAMES) * 28
    page.text(RIGHT, KEYS_Y + 0.85, BULLSEYE_NOTE, 5.8, colour=GREY, align="right", width=room)


def _size(n_phases: int, n_slices: int) -> Message:
    return say("{n_phases} phases × {n_slices} slices", n_phases=n_phases, n_slices=n_slices)


def _phase_title(analysis: CineAnalysis, phase: CardiacPhase, t: int) -> Message:
    times_ms = analysis.cine.stack.phase_times_ms
    time = "" if times_ms is None else f", {times_ms[t]:.0f} ms"
    return say(
        "{key_phase} (phase {phase} of {n_phases}{time})",
        key_phase=term(phase.capitalize()),
        phase=t + 1,
        n_phases=analysis.segmentation.n_phases,
        time=time,
    )


def _draw_picture(page: Page, place: Box, picture: HeartPicture) -> None:
    """Draw a slice as large as its place allows, in true proportion, with its contours and directions."""
    page.block(place, (0, 0, 0))
    scale = min(place.width / picture.width_mm, place.height / picture.height_mm)
    width, height = picture.width_mm * scale, picture.height_mm * scale
    box = Box(place.left + (place.width - width) / 2, place.top + (place.height - height) / 2, width, height)
    page.image(box, picture.grey)
    for structure in (Structure.LV_MYOCARDIUM, Structure.RV_CAVITY, Structure.LV_CAVITY):
        for outline in picture.outlines[structure]:
            page.line(outline * scale + (box.left, box.top), PICTURE_STROKES[structure])
    _draw_edges(page, place, picture)
    page.line(
        [(place.right - 2 - 20 * scale, place.bottom - 2), (place.right - 2, place.bottom - 2)],
        Stroke(WHITE, 1.0),
    )
    page.text_over_image(place.right - 2, place.bottom - 3, "2 cm", 5.5, align="right")


def _draw_edges(page: Page, place: Box, picture: HeartPicture) -> None:
    left, right, top, bottom = picture.edges
    middle_x, middle_y = place.left + place.width / 2, place.top + place.height / 2 + 0.8
    page.text_over_image(place.left + 1, middle_y, left, 6)
    page.text_over_image(place.right - 1, middle_y, right, 6, align="right")
    page.text_over_image(middle_x, place.top + 3, top, 6, align="centre")
    page.text_over_image(middle_x, place.bottom - 1.2, bottom, 6, align="centre")
    caption = say("{level}, slice {slice}", level=_LEVELS[picture.level], slice=picture.z + 1)
    page.text_over_image(place.left + 1.5, place.top + 3.2, caption, 5.8, width=place.width / 2 - 4)
