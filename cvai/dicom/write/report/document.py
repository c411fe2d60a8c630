"""What the reports of all analyses have in common: one A4 page, and the DICOM object that carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from pydicom import Dataset
from pydicom.uid import Comprehensive3DSRStorage

from cvai.dicom.read.header.names import readable_name
from cvai.dicom.read.header.text import one_line, stated_text
from cvai.dicom.read.patient import Patient
from cvai.dicom.write import codes
from cvai.dicom.write.analysis import Analysed, AnyAnalysed
from cvai.dicom.write.instance import NOT_FOR_CLINICAL_USE, ResultContext, new_instance
from cvai.dicom.write.plan import ResultKind
from cvai.dicom.write.report.bounds import interval_note
from cvai.dicom.write.report.identity import Cell, draw_identity, patient_id_cell
from cvai.dicom.write.report.page import (
    ALARM,
    BLACK,
    GREY,
    LIGHT,
    WHITE,
    Box,
    Page,
    Stroke,
    fitted,
    text_width,
    wrapped,
)
from cvai.dicom.write.source import checked_value, code_item, instance_reference
from cvai.domain.findings import NO_FINDINGS, Finding, Severity
from cvai.domain.message import Message, joined, say, term
from cvai.domain.series_choice import READ_BY_HAND
from cvai.domain.subject import Subject

LEFT, RIGHT = 15.0, 195.0
WIDTH = RIGHT - LEFT
"""Printed part of the page, in mm."""

FINDINGS = Box(LEFT, 247.0, WIDTH, 26.5)
FOOTER_TOP = 278.0


def encapsulated_report(context: ResultContext[AnyAnalysed], report: bytes) -> Dataset:
    """The report as an Encapsulated PDF object (PS3.3 section A.45.1)."""
    instance = new_instance(context, ResultKind.PDF)
    instance.ConversionType = "SYN"
    instance.AcquisitionDateTime = None
    instance.BurnedInAnnotation = "YES"
    instance.RecognizableVisualFeatures = "NO"
    instance.DocumentTitle = f"{context.plan.title} ({NOT_FOR_CLINICAL_USE.lower()})"
    instance.ConceptNameCodeSequence = [code_item(codes.DIAGNOSTIC_IMAGING_REPORT)]
    instance.VerificationFlag = "UNVERIFIED" if context.analysis.verification is None else "VERIFIED"
    instance.SourceInstanceSequence = [
        instance_reference(Comprehensive3DSRStorage, context.uids.sop_instance(ResultKind.SR))
    ]
    instance.MIMETypeOfEncapsulatedDocument = "application/pdf"
    instance.EncapsulatedDocumentLength = len(report)
    instance.EncapsulatedDocument = report + b"\0" * (len(report) % 2)
    return instance


def draw_heading(page: Page, context: ResultContext[AnyAnalysed], measured_from: str) -> None:
    """Title, who stands for the numbers, and what they are not for.

    ``measured_from`` is a message such as ``the short-axis cine``.
    """
    rejection = context.rejected_because
    title = term(context.plan.title)
    if rejection is not None:
        title = say("Rejected: {title}", title=term(context.plan.title.lower()))
    provenance = _provenance(context.analysis, measured_from, rejection)
    page.text(
        LEFT, 26, fitted(page.said(provenance), 8, WIDTH), 8, colour=GREY if rejection is None else ALARM
    )
    notice = page.said(NOT_FOR_CLINICAL_USE).upper()
    width = text_width(notice, 8, bold=True) + 6
    colour = BLACK if rejection is None else ALARM
    page.text(LEFT, 20.5, title, 13.5, bold=True, colour=colour, width=WIDTH - width - 3)
    page.block(Box(RIGHT - width, 15.2, width, 7), ALARM, radius=1.2)
    page.text(RIGHT - width / 2, 19.75, notice, 8, bold=True, colour=WHITE, align="centre")


def _provenance(analysis: Analysed, measured_from: str, rejection: str | None) -> Message:
    verification = analysis.verification
    if verification is None:
        return say("Measured automatically from {images}; no reader has verified it.", images=measured_from)
    who = f"{readable_name(verification.name)}, {verification.organization}, {readable_time(verification.at)}"
    if rejection is not None:
        reason = one_line(rejection)
        return say("These numbers are not to be used. Rejected by {who}: {reason}", who=who, reason=reason)
    if analysis.model.is_hand:
        return say("Drawn by hand and verified by {who}.", who=who)
    if verification.changed:
        return say("Corrected and verified by {who}.", who=who)
    return say("Measured automatically, verified by {who}.", who=who)


def draw_section(page: Page, left: float, top: float, title: str, width: float) -> None:
    """A heading over a line."""
    page.text(left, top, title, 9.5, bold=True, width=width)
    page.line([(left, top + 1.6), (left + width, top + 1.6)], Stroke(LIGHT, 0.6))


def accession_cell(header: Dataset) -> Cell:
    """AccessionNumber of the study."""
    return Cell(say("Accession number"), stated_text(header, "AccessionNumber"), is_identifier=True)


def draw_study_identity(page: Page, context: ResultContext[AnyAnalysed]) -> None:
    """Whose study it is, on pages after the first."""
    header, patient = context.first_header, context.analysis.patient
    cells = (
        Cell(say("Patient"), readable_name(patient.name)),
        patient_id_cell(patient),
        Cell(say("Study date"), readable_date(str(checked_value(header, "StudyDate") or ""))),
        accession_cell(header),
    )
    draw_identity(page, (LEFT, 62.0, 110.0, 152.0), RIGHT, cells)


def sex_and_age(patient: Patient, subject: Subject) -> Message:
    """Sex, year of birth and age, as far as they are stated."""
    age = "" if subject.age_years is None else say("{age} years", age=subject.age_years)
    return joined(", ", filter(None, (patient.sex, patient.birth_date[:4], age)))


def height_and_weight(subject: Subject) -> Message:
    """Height and weight, as far as they are stated or were entered."""
    height = "" if subject.height_m is None else f"{subject.height_m:.2f} m"
    weight = "" if subject.weight_kg is None else f"{subject.weight_kg:.0f} kg"
    stated = ", ".join(filter(None, (height, weight)))
    return joined("", (stated, by_hand(subject, "height_m", "weight_kg")))


def by_hand(subject: Subject, *names: str) -> str:
    """What stands behind values of which one was entered by hand; empty behind others."""
    entered = {} if subject.entered is None else subject.entered.values
    return say(" (by hand)") if any(name in entered for name in names) else ""


def readable_date(date: str) -> str:
    """A DICOM date as people write it in data; as it stands where it is no date.

    >>> readable_date("20240229"), readable_date("20240000")
    ('2024-02-29', '20240000')
    """
    try:
        return f"{datetime.strptime(date, '%Y%m%d'):%Y-%m-%d}"
    except ValueError:
        return date


def readable_time(moment: datetime) -> str:
    """A moment in the time zone of this machine, with the zone, as page and report state it.

    Args:
        moment: with a zone, or without one in that of this machine.
    """
    return f"{moment.astimezone():%Y-%m-%d %H:%M %Z}"


def draw_findings(page: Page, findings: Sequence[Finding], box: Box = FINDINGS) -> None:
    """What makes the numbers doubtful, gravest first."""
    draw_section(page, box.left, box.top, say("What to know before trusting the numbers"), box.width)
    baseline = box.top + 6
    for place, text in enumerate([] if findings else wrapped(page.said(NO_FINDINGS), 8, box.width)):
        page.text(box.left, baseline + 4 * place, text, 8)
    said = [replace(finding, message=page.said(finding.message)) for finding in findings]
    for line in finding_lines(said, box.width - 22, int((box.height - 6) / 4)):
        page.text(box.left, baseline, line.severity, 8, bold=True, colour=line.colour, width=19)
        page.text(box.left + 20, baseline, line.text, 8)
        baseline += 4


@dataclass(frozen=True, slots=True)
class FindingLine:
    """One printed line; the severity stands only on the first line of a finding."""

    severity: str
    text: str
    colour: tuple[int, int, int]


SEVERITY_WORDS: Mapping[Severity, tuple[str, tuple[int, int, int]]] = MappingProxyType(
    {
        Severity.WITHHELD: (say("Withheld"), ALARM),
        Severity.WARNING: (say("Warning"), ALARM),
        Severity.INFO: (say("Note"), GREY),
    }
)
"""In the order they are printed."""


def finding_lines(findings: Sequence[Finding], width: float, room: int) -> list[FindingLine]:
    """Findings as lines of at most ``width`` mm, gravest first; the last line counts what has no room.

    The gravest is printed as far as there is room. That a study was refused and drawn by hand comes first.
    """
    rank = list(SEVERITY_WORDS)
    ordered = sorted(findings, key=lambda found: (found.code != READ_BY_HAND, rank.index(found.severity)))
    lines: list[FindingLine] = []
    for place, finding in enumerate(ordered):
        word, colour = SEVERITY_WORDS[finding.severity]
        texts = wrapped(finding.message, 8, width)
        left_over = len(ordered) - place
        if not lines and len(texts) > room - (left_over > 1) and room > 1:
            texts = [*texts[: room - 2], f"{texts[room - 2]} …"]
        if len(lines) + len(texts) > room - (left_over > 1):
            lines.append(
                FindingLine("", say("{count} more in the structured report.", count=left_over), GREY)
            )
            break
        lines += [FindingLine(word if i == 0 else "", text, colour) for i, text in enumerate(texts)]
    return lines


def draw_footer(page: Page, context: ResultContext[AnyAnalysed]) -> None:
    """Which software and model made the page, and for which study."""
    analysis, model = context.analysis, context.analysis.model
    page.line([(LEFT, FOOTER_TOP), (RIGHT, FOOTER_TOP)], Stroke(LIGHT, 0.6))
    when = readable_time(context.created)
    made_by = (
        say("cvai {version}, drawn by hand without a model, {when}", version=analysis.cvai_version, when=when)
        if model.is_hand
        else say(
            "cvai {version}, model {model} {model_version} (sha256 {digest}), {when}",
            version=analysis.cvai_version,
            model=model.name,
            model_version=model.version,
            digest=model.sha256[:12],
            when=when,
        )
    )
    page.text(LEFT, FOOTER_TOP + 4, made_by, 6.5, colour=GREY)
    study = say("Study {study_uid}", study_uid=analysis.study_uid)
    page.text(LEFT, FOOTER_TOP + 7.5, study, 6.5, colour=GREY)
    stated = joined(" ", filter(None, (model.convention_sentence, interval_note(analysis.measurements))))
    for line, text in enumerate(wrapped(page.said(stated), 6.5, WIDTH)):
        page.text(LEFT, FOOTER_TOP + 11 + 3 * line, text, 6.5, colour=GREY)
    notice = say("{notice}.", notice=NOT_FOR_CLINICAL_USE)
    page.text(RIGHT, FOOTER_TOP + 4, notice, 6.5, bold=True, colour=ALARM, align="right")
