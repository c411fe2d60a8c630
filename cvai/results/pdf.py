"""The report a cardiologist reads: one A4 page, and the DICOM object that carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pydicom import Dataset

from cvai.heart.anatomy import SAX_LABELS, Structure
from cvai.heart.findings import Finding, Severity
from cvai.heart.subject import Subject
from cvai.results import codes
from cvai.results.analysis import Analysis, Verification
from cvai.results.bullseye import draw_bullseye, thickening_bullseye, thickness_bullseye
from cvai.results.codes import CardiacPhase
from cvai.results.curve import draw_key, draw_volume_curve
from cvai.results.identity import Cell, draw_identity, patient_id_cell
from cvai.results.instance import NOT_FOR_CLINICAL_USE, SERIES, AnyContext, ResultContext, new_instance
from cvai.results.page import ALARM, GREY, LIGHT, WHITE, Box, Page, Stroke, fitted, text_width, wrapped
from cvai.results.pictures import HeartPicture, heart_pictures
from cvai.results.seg import phase_index
from cvai.results.source import checked_value, code_item, instance_reference, stated_text
from cvai.results.table import draw_table
from cvai.results.uids import ResultKind
from cvai.study.names import readable_name
from cvai.study.patient import Patient

TITLE = "Cardiac MR: ventricular volumes and function"
LEFT, RIGHT = 15.0, 195.0
WIDTH = RIGHT - LEFT
"""Printed part of the page, in mm."""

IDENTITY_LEFTS = (LEFT, 62.0, 99.0, 140.0, 171.0)
"""Left edges of the columns that say whose heart it is."""

TABLE = Box(LEFT, 57.0, 126.0, 66.5)
CURVE = Box(144.5, 57.0, 50.5, 62.0)

PICTURES_TOP = 130.5
PICTURES_STEP_MM = 57.0
PICTURE_NAMES = ("LV cavity", "LV epicardium", "RV cavity")
BULLSEYE_NOTE = "Wall by segment (Cerqueira 2002), seen from the apex; – not measured in short axis."
PICTURE = Box(LEFT, 0.0, 42.6, 46.0)
PICTURE_STEP_MM = 44.4
PICTURES_WIDTH = 2 * PICTURE_STEP_MM + PICTURE.width
BULLSEYE = Box(150.4, 0.0, 44.6, 46.0)
KEYS_Y = 240.4
FINDINGS = Box(LEFT, 247.0, WIDTH, 26.5)
FOOTER_TOP = 278.0

PICTURE_STROKES: Mapping[Structure, Stroke] = MappingProxyType(
    {structure: Stroke(codes.STRUCTURE_RGB[structure], 1.1) for structure in SAX_LABELS}
)


def report_pdf(context: ResultContext) -> bytes:
    """The report as a PDF file; the same context gives the same bytes."""
    page = Page(f"cvai report: {TITLE.lower()}")
    _draw_heading(page, context.analysis.verification)
    draw_identity(page, IDENTITY_LEFTS, RIGHT, _identity(context))
    draw_section(page, TABLE.left, TABLE.top, "Measurements", TABLE.width)
    draw_table(page, TABLE, context.analysis)
    draw_section(page, CURVE.left, CURVE.top, "Volume over a heartbeat", CURVE.width)
    curve = Box(CURVE.left, CURVE.top + 4, CURVE.width, CURVE.height - 4)
    draw_volume_curve(page, curve, context.analysis)
    _draw_pictures(page, context)
    _draw_bullseyes(page, context.analysis)
    draw_findings(page, context.analysis.findings)
    draw_footer(page, context)
    return page.pdf()


def encapsulated_report(context: AnyContext, report: bytes, title: str = TITLE) -> Dataset:
    """The report as an Encapsulated PDF object (PS3.3 section A.45.1).

    Args:
        context: what the report was made from.
        report: the PDF file.
        title: of the document.
    """
    instance = new_instance(context, ResultKind.PDF)
    instance.ConversionType = "SYN"
    instance.AcquisitionDateTime = None
    instance.BurnedInAnnotation = "YES"
    instance.RecognizableVisualFeatures = "NO"
    instance.DocumentTitle = f"{title} ({NOT_FOR_CLINICAL_USE.lower()})"
    instance.ConceptNameCodeSequence = [code_item(codes.DIAGNOSTIC_IMAGING_REPORT)]
    instance.VerificationFlag = "UNVERIFIED" if context.analysis.verification is None else "VERIFIED"
    instance.SourceInstanceSequence = [
        instance_reference(SERIES[ResultKind.SR].sop_class_uid, context.uids.sop_instance(ResultKind.SR))
    ]
    instance.MIMETypeOfEncapsulatedDocument = "application/pdf"
    instance.EncapsulatedDocumentLength = len(report)
    instance.EncapsulatedDocument = report + b"\0" * (len(report) % 2)
    return instance


def draw_section(page: Page, left: float, top: float, title: str, width: float) -> None:
    """A heading over a line."""
    page.text(left, top, title, 9.5, bold=True)
    page.line([(left, top + 1.6), (left + width, top + 1.6)], Stroke(LIGHT, 0.6))


def _provenance(verification: Verification | None) -> str:
    if verification is None:
        return "Measured automatically from the short-axis cine; no reader has verified it."
    how = "Corrected and verified" if verification.changed else "Measured automatically, verified"
    when = f"{verification.at:%d %b %Y %H:%M}"
    return f"{how} by {readable_name(verification.name)}, {verification.organization}, {when}."


def _draw_heading(page: Page, verification: Verification | None) -> None:
    page.text(LEFT, 20.5, TITLE, 13.5, bold=True)
    page.text(LEFT, 26, fitted(_provenance(verification), 8, WIDTH), 8, colour=GREY)
    notice = NOT_FOR_CLINICAL_USE.upper()
    width = text_width(notice, 8, bold=True) + 6
    page.block(Box(RIGHT - width, 15.2, width, 7), ALARM, radius=1.2)
    page.text(RIGHT - width / 2, 19.75, notice, 8, bold=True, colour=WHITE, align="centre")


def _identity(context: ResultContext) -> tuple[Cell, ...]:
    header, analysis, patient = context.first_header, context.analysis, context.analysis.patient
    stack, surface = analysis.cine.stack, analysis.measurement("bsa")
    geometry = stack.geometry
    pixel_mm = f"{geometry.spacing_x_mm:.2f} × {geometry.spacing_y_mm:.2f} mm"
    heart_rate = "" if stack.heart_rate_bpm is None else f"{stack.heart_rate_bpm:.0f} /min"
    return (
        Cell("Patient", readable_name(patient.name)),
        patient_id_cell(patient),
        Cell("Sex, year of birth, age", sex_and_age(patient, analysis.subject)),
        Cell("Height, weight", height_and_weight(analysis.subject)),
        Cell("Study date", readable_date(str(checked_value(header, "StudyDate") or ""))),
        Cell("Pixels, slice spacing", f"{pixel_mm}, {geometry.slice_spacing_mm:.1f} mm"),
        accession_cell(header),
        Cell("Cine", f"{stack.n_phases} phases × {geometry.n_slices} slices"),
        Cell("Body surface", "" if surface is None else f"{surface.value:.2f} m²"),
        Cell("Heart rate", heart_rate),
    )


def accession_cell(header: Dataset) -> Cell:
    """AccessionNumber of the study."""
    return Cell("Accession number", stated_text(header, "AccessionNumber"), is_identifier=True)


def sex_and_age(patient: Patient, subject: Subject) -> str:
    """Sex, year of birth and age, as far as they are stated."""
    age = "" if subject.age_years is None else f"{subject.age_years} years"
    return ", ".join(filter(None, (patient.sex, patient.birth_date[:4], age)))


def height_and_weight(subject: Subject) -> str:
    """Height and weight, as far as they are stated."""
    height = "" if subject.height_m is None else f"{subject.height_m:.2f} m"
    weight = "" if subject.weight_kg is None else f"{subject.weight_kg:.0f} kg"
    return ", ".join(filter(None, (height, weight)))


def readable_date(date: str) -> str:
    """A DICOM date as people write it in data.

    >>> readable_date("20240229")
    '2024-02-29'
    """
    return f"{date[:4]}-{date[4:6]}-{date[6:8]}" if date else ""


def _draw_pictures(page: Page, context: ResultContext) -> None:
    top = PICTURES_TOP
    for phase in CardiacPhase:
        t = phase_index(context, phase)
        draw_section(page, LEFT, top, _phase_title(context.analysis, phase, t), PICTURES_WIDTH)
        pictures = heart_pictures(context.analysis, t, PICTURE.width / PICTURE.height)
        for place, picture in enumerate(pictures):
            left = LEFT + place * PICTURE_STEP_MM
            _draw_picture(page, Box(left, top + 3.2, PICTURE.width, PICTURE.height), picture)
        top += PICTURES_STEP_MM
    for place, (name, stroke) in enumerate(zip(PICTURE_NAMES, PICTURE_STROKES.values(), strict=True)):
        draw_key(page, LEFT + place * 28, KEYS_Y, name, stroke)


def _draw_bullseyes(page: Page, analysis: Analysis) -> None:
    top = PICTURES_TOP
    for bullseye in (thickness_bullseye(analysis), thickening_bullseye(analysis)):
        draw_section(page, BULLSEYE.left, top, bullseye.title, BULLSEYE.width)
        draw_bullseye(page, Box(BULLSEYE.left, top + 3.2, BULLSEYE.width, BULLSEYE.height), bullseye)
        top += PICTURES_STEP_MM
    page.text(RIGHT, KEYS_Y + 0.85, BULLSEYE_NOTE, 5.8, colour=GREY, align="right")


def _phase_title(analysis: Analysis, phase: CardiacPhase, t: int) -> str:
    times_ms = analysis.cine.stack.phase_times_ms
    time = "" if times_ms is None else f", {times_ms[t]:.0f} ms"
    return f"{phase.capitalize()} (phase {t + 1} of {analysis.segmentation.n_phases}{time})"


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
    caption = f"{picture.level.capitalize()}, slice {picture.z + 1}"
    page.text_over_image(place.left + 1.5, place.top + 3.2, caption, 5.8)


def draw_findings(page: Page, findings: Sequence[Finding]) -> None:
    """What makes the numbers doubtful, gravest first."""
    draw_section(
        page, FINDINGS.left, FINDINGS.top, "What to know before trusting the numbers", FINDINGS.width
    )
    baseline = FINDINGS.top + 6
    if not findings:
        page.text(FINDINGS.left, baseline, "Nothing was noticed that makes the numbers doubtful.", 8)
    for line in finding_lines(findings, FINDINGS.width - 22, int((FINDINGS.height - 6) / 4)):
        page.text(FINDINGS.left, baseline, line.severity, 8, bold=True, colour=line.colour)
        page.text(FINDINGS.left + 20, baseline, line.text, 8)
        baseline += 4


@dataclass(frozen=True, slots=True)
class FindingLine:
    """One printed line; the severity stands only on the first line of a finding."""

    severity: str
    text: str
    colour: tuple[int, int, int]


SEVERITY_WORDS: Mapping[Severity, tuple[str, tuple[int, int, int]]] = MappingProxyType(
    {
        Severity.WITHHELD: ("Withheld", ALARM),
        Severity.WARNING: ("Warning", ALARM),
        Severity.INFO: ("Note", GREY),
    }
)
"""In the order they are printed."""


def finding_lines(findings: Sequence[Finding], width: float, room: int) -> list[FindingLine]:
    """Findings as lines of at most ``width`` mm, gravest first; the last line counts what has no room."""
    ordered = sorted(findings, key=lambda finding: list(SEVERITY_WORDS).index(finding.severity))
    lines: list[FindingLine] = []
    for place, finding in enumerate(ordered):
        word, colour = SEVERITY_WORDS[finding.severity]
        texts = wrapped(finding.message, 8, width)
        left_over = len(ordered) - place
        if len(lines) + len(texts) > room - (left_over > 1):
            lines.append(FindingLine("", f"{left_over} more in the structured report.", GREY))
            break
        lines += [FindingLine(word if i == 0 else "", text, colour) for i, text in enumerate(texts)]
    return lines


def draw_footer(page: Page, context: AnyContext) -> None:
    """Which software and model made the page, and for which study."""
    analysis, model = context.analysis, context.analysis.model
    page.line([(LEFT, FOOTER_TOP), (RIGHT, FOOTER_TOP)], Stroke(LIGHT, 0.6))
    made_by = (
        f"cvai {analysis.cvai_version}, model {model.name} {model.version} (sha256 {model.sha256[:12]}), "
        f"{context.created:%Y-%m-%d %H:%M}"
    )
    page.text(LEFT, FOOTER_TOP + 4, made_by, 6.5, colour=GREY)
    page.text(LEFT, FOOTER_TOP + 7.5, f"Study {analysis.study_uid}", 6.5, colour=GREY)
    page.text(RIGHT, FOOTER_TOP + 4, f"{NOT_FOR_CLINICAL_USE}.", 6.5, bold=True, colour=ALARM, align="right")
