"""The PDF report of an acceptance test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cvai import __version__
from cvai.acceptance.judge import AnalysisResult, Outcome
from cvai.acceptance.record import VERDICTS, Acceptance
from cvai.acceptance.tables import Table, tables
from cvai.analyses.registry import analysis_of
from cvai.dicom.write.report.document import LEFT, RIGHT, WIDTH, draw_section
from cvai.dicom.write.report.page import ALARM, GREY, LIGHT, WHITE, Box, Colour, Page, Stroke, fitted, wrapped

TOP, BOTTOM = 20.0, 282.0
LINE, SIZE_PT = 4.0, 7.5
GREEN: Colour = (0, 110, 60)
COLOURS = {Outcome.MET: GREEN, Outcome.MISSED: ALARM, Outcome.UNDECIDED: GREY}

READING = (
    "Differences are cvai minus the site, with 95 % bootstrap intervals over studies; limits of agreement "
    "are bias ± 1.96 SD. A bound is met where the whole 95 % interval of a statistic meets it, missed where "
    "the whole interval lies beyond it, and undecided otherwise. Groups that are small are reported and not "
    "judged."
)


class _Paper:
    """Lines from top to bottom, on as many pages as they take."""

    def __init__(self) -> None:
        self.page = Page("Acceptance test")
        self.at = TOP

    def room(self, height: float) -> None:
        """Begin a new page where less is left of this one."""
        if self.at + height > BOTTOM:
            self.page.turn()
            self.at = TOP

    def paragraph(self, text: str, colour: Colour = GREY) -> None:
        for line in wrapped(text, SIZE_PT, WIDTH):
            self.room(LINE)
            self.page.text(LEFT, self.at, line, SIZE_PT, colour=colour)
            self.at += LINE

    def table(self, table: Table) -> None:
        self.room(6 * LINE)
        self.at += LINE
        draw_section(self.page, LEFT, self.at, table.title, WIDTH)
        self.at += LINE + 2
        self._row(table, table.header, bold=True)
        shown = ""
        for row in table.rows:
            self.room(LINE)
            self._row(table, ("", *row[1:]) if row[0] == shown else row)
            shown = row[0]

    def _row(self, table: Table, cells: Sequence[str], *, bold: bool = False) -> None:
        left = LEFT
        for cell, share in zip(cells, table.widths, strict=True):
            self.page.text(left, self.at, fitted(cell, SIZE_PT, share * WIDTH - 1), SIZE_PT, bold=bold)
            left += share * WIDTH
        self.at += LINE


def report_pdf(test: Acceptance) -> bytes:
    """The report as a PDF file; it names no patient and no study."""
    paper = _Paper()
    _heading(paper, test)
    for result in test.results:
        _analysis(paper, result)
    return paper.page.pdf()


def _heading(paper: _Paper, test: Acceptance) -> None:
    paper.page.text(LEFT, paper.at, "Local acceptance test", 13.5, bold=True)
    _verdict(paper, test.outcome)
    paper.at += 2 * LINE
    for line in _facts(test):
        paper.paragraph(line)
    paper.at += LINE
    paper.paragraph(READING)


def _verdict(paper: _Paper, outcome: Outcome) -> None:
    box = Box(RIGHT - 40, paper.at - 5.5, 40, 8)
    paper.page.block(box, COLOURS[outcome], radius=1.2)
    middle = (box.left + box.right) / 2
    paper.page.text(
        middle, paper.at - 0.5, VERDICTS[outcome].upper(), 9, bold=True, colour=WHITE, align="centre"
    )


def _facts(test: Acceptance) -> Iterator[str]:
    yield f"Made by cvai {__version__}, {test.at:%Y-%m-%d %H:%M %Z}."
    yield f"Reference: {test.reference}."
    yield f"Bounds: file of SHA-256 {test.bounds_sha256}."
    yield (
        f"Numbers of fewer than {test.bounds.fewest_studies} studies are undecided; groups of fewer than "
        f"{test.bounds.smallest_group} are not judged."
    )


def _analysis(paper: _Paper, result: AnalysisResult) -> None:
    paper.room(8 * LINE)
    paper.at += 2 * LINE
    paper.page.text(LEFT, paper.at, analysis_of(result.kind).title, 11, bold=True)
    colour, verdict = COLOURS[result.outcome], VERDICTS[result.outcome]
    paper.page.text(RIGHT, paper.at, verdict, 10, bold=True, colour=colour, align="right")
    paper.page.line([(LEFT, paper.at + 2), (RIGHT, paper.at + 2)], Stroke(LIGHT, 0.8))
    paper.at += LINE + 3
    paper.paragraph(f"Model {result.model or 'not known'}; {result.all.n} studies.")
    for note in result.notes:
        paper.paragraph(note)
    for table in tables(result):
        paper.table(table)
