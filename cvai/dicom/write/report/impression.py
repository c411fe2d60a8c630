"""The reader's impression on the report: beside the findings, in full on its own page where it is long."""

from __future__ import annotations

from collections.abc import Iterable

from cvai.dicom.write.analysis import AnyAnalysed
from cvai.dicom.write.impression import impression_origin
from cvai.dicom.write.instance import ResultContext
from cvai.dicom.write.report.document import (
    FINDINGS,
    draw_findings,
    draw_footer,
    draw_section,
    draw_study_identity,
)
from cvai.dicom.write.report.page import GREY, Box, Page, wrapped
from cvai.domain.impression import Impression
from cvai.domain.message import say

TITLE = say("Impression")
CONTINUED = say("In full on the next page.")
_SIZE_PT, _LINE_MM, _SMALL_PT = 8.0, 4.0, 6.5
_BESIDE = Box(FINDINGS.left, FINDINGS.top, 96.0, FINDINGS.height)
_WHOLE = Box(FINDINGS.left, 58.0, FINDINGS.width, 210.0)
_GAP_MM = 5.0


def draw_conclusion(page: Page, context: ResultContext[AnyAnalysed]) -> None:
    """Draw the findings, and left of them the impression where a reader has stated one."""
    analysis = context.analysis
    if analysis.impression is None:
        draw_findings(page, analysis.findings)
        return
    lines = _lines(analysis.impression, _BESIDE)
    if not _fits(lines, _BESIDE):
        lines = [*lines[: _room(_BESIDE) - 1], CONTINUED]
    _draw(page, _BESIDE, lines, impression_origin(analysis.impression))
    left = _BESIDE.right + _GAP_MM
    draw_findings(page, analysis.findings, Box(left, FINDINGS.top, FINDINGS.right - left, FINDINGS.height))


def draw_long_impression(page: Page, context: ResultContext[AnyAnalysed]) -> None:
    """Begin a page with the whole impression; nothing where it stands on the first one."""
    impression = context.analysis.impression
    if impression is None or _fits(_lines(impression, _BESIDE), _BESIDE):
        return
    lines = _lines(impression, _WHOLE)
    for start in range(0, len(lines), _room(_WHOLE)):
        page.turn()
        page.text(_WHOLE.left, 20.5, TITLE, 13.5, bold=True)
        draw_study_identity(page, context)
        _draw(page, _WHOLE, lines[start : start + _room(_WHOLE)], impression_origin(impression))
        draw_footer(page, context)


def _lines(impression: Impression, box: Box) -> list[str]:
    return [part for line in impression.lines for part in wrapped(line, _SIZE_PT, box.width) or [""]]


def _room(box: Box) -> int:
    """Lines below the heading and above the line that says who wrote them."""
    return int((box.height - 6.5) / _LINE_MM)


def _fits(lines: list[str], box: Box) -> bool:
    return len(lines) <= _room(box)


def _draw(page: Page, box: Box, lines: Iterable[str], origin: str) -> None:
    draw_section(page, box.left, box.top, TITLE, box.width)
    baseline = box.top + 6
    for line in lines:
        page.text(box.left, baseline, line, _SIZE_PT)
        baseline += _LINE_MM
    page.text(box.left, baseline, origin, _SMALL_PT, colour=GREY)
