"""The second page of a report: what other reports of the study state, beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from cvai.dicom.write.analysis import AnyAnalysed
from cvai.dicom.write.instance import ResultContext
from cvai.dicom.write.report.document import (
    LEFT,
    RIGHT,
    WIDTH,
    draw_footer,
    draw_section,
    draw_study_identity,
)
from cvai.dicom.write.report.page import ALARM, BLACK, GREY, LIGHT, Page, Stroke, fitted, wrapped
from cvai.dicom.write.reported import Beside, beside
from cvai.domain.measurement import bounds_text
from cvai.domain.message import say, term

TITLE = say("Stated in other reports of the study")
NOTE = say(
    "None of the values in the second column was measured by this software. A value is compared with the "
    "measurement of the same quantity by the same method; ≠ marks what lies outside its interval."
)

_COLUMNS = {
    say("Quantity"): LEFT,
    say("Stated"): 66.0,
    say("How"): 86.0,
    say("Measured here"): 138.0,
    say("By"): 164.0,
}
_TOP, _ROW_MM, _BOTTOM = 58.0, 5.0, 270.0
_SIZE_PT = 7.2


def draw_reports(page: Page, context: ResultContext[AnyAnalysed]) -> None:
    """Begin a page of its own; nothing where no other report states anything."""
    found = beside(context.analysis)
    if not found:
        return
    page.turn()
    page.text(LEFT, 20.5, TITLE, 13.5, bold=True)
    draw_study_identity(page, context)
    draw_section(page, LEFT, _TOP, say("Values and where they are from"), WIDTH)
    top = _TOP + 6
    for line in wrapped(page.said(NOTE), _SIZE_PT, WIDTH):
        page.text(LEFT, top, line, _SIZE_PT, colour=GREY)
        top += 3.5
    _draw_rows(page, top + 3, found)
    draw_footer(page, context)


def _draw_rows(page: Page, top: float, found: Sequence[Beside]) -> None:
    """One line a value; the last line counts what has no room."""
    for title, left in _COLUMNS.items():
        page.text(left, top, title, _SIZE_PT, colour=GREY)
    room = int((_BOTTOM - top) / _ROW_MM) - 1
    for row, one in enumerate(found[:room], start=1):
        baseline = top + row * _ROW_MM
        _draw_row(page, baseline, one)
        page.line([(LEFT, baseline + 1.6), (RIGHT, baseline + 1.6)], Stroke(LIGHT, 0.3))
    if len(found) > room:
        text = say("{count} more in result.json.", count=len(found) - room)
        page.text(LEFT, top + (room + 1) * _ROW_MM, text, _SIZE_PT, colour=GREY)


def _draw_row(page: Page, baseline: float, one: Beside) -> None:
    value, ours = one.value, one.ours
    differs = one.is_inside is False
    number = f"{'≠ ' if differs else ''}{value.number}"
    measured = "–" if ours is None else f"{ours.value:.3g}"
    if ours is not None and ours.interval is not None:
        measured = f"{ours.value:.3g} ({bounds_text(ours.interval, '.3g')})"
    how = value.how
    if value.one_of > 1:
        how = say("one of {count}; {how}", count=value.one_of, how=how)
    by = value.source.maker or value.source.title
    lefts = [*_COLUMNS.values(), RIGHT + 1.5]
    for place, text in enumerate((term(value.title), number, how, measured, by)):
        is_alarm = differs and place == 1
        shown = fitted(page.said(text), _SIZE_PT, lefts[place + 1] - lefts[place] - 1.5)
        colour = ALARM if is_alarm else BLACK
        page.text(lefts[place], baseline, shown, _SIZE_PT, bold=is_alarm, colour=colour)
