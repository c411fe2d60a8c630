"""The table of measurements on the report page: both ventricles, absolute and per body surface."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.analyses.cine_sax.objects import PAPILLARY_MUSCLES
from cvai.dicom.write.report.bounds import MARKS, normal_note, value_bounds
from cvai.dicom.write.report.page import ALARM, BLACK, GREY, LIGHT, Box, Page, Stroke, text_width, wrapped
from cvai.domain.measurement import Measurement
from cvai.domain.message import Message, joined, say, term
from cvai.domain.ventricles.circumferential import Layer
from cvai.domain.ventricles.segments import WALL_SEGMENTS
from cvai.domain.ventricles.wall_motion import INDEX, MotionGrade, motion_name

TITLE_SIZE_PT, VALUE_SIZE_PT, SMALL_SIZE_PT = 7.8, 9.0, 5.8
SMALL_LINE_MM = 2.5
MOTION_SIZE_PT, MOTION_LINE_MM, MOTION_LEFT_MM = 7.0, 3.6, 17.5
TITLE_WIDTH_MM = 38.0
HEADER_HEIGHT_MM = 9.0
WALL_MOTION_NOTE = say("Wall motion by AHA segment: graded by thickening and inward motion until end-systole")
VALUE_RIGHT_MM = 8.8
"""Right edge of a value from the left edge of its column; its small print follows."""

VENTRICLES: Mapping[str, str] = MappingProxyType({"lv": say("Left ventricle"), "rv": say("Right ventricle")})


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a quantity of both ventricles.

    Args:
        title: what is measured, with its unit.
        suffix: the measurement's name without ``lv_`` or ``rv_``.
        decimals: digits after the point.
        always: whether the line stands even where nothing was measured.
    """

    title: str
    suffix: str
    decimals: int
    always: bool = False


ROWS = (
    Row(say("End-diastolic volume (mL)"), "edv", 0, always=True),
    Row(say("End-systolic volume (mL)"), "esv", 0, always=True),
    Row(say("Stroke volume (mL)"), "sv", 0, always=True),
    Row(say("Ejection fraction (%)"), "ef", 0, always=True),
    Row(say("Cardiac output (L/min)"), "co", 1),
    Row(say("Myocardial mass (g)"), "mass", 0),
)


@dataclass(frozen=True, slots=True)
class Column:
    """Values of one ventricle, absolute or indexed, from ``left`` mm on."""

    ventricle: str
    left: float
    indexed: bool

    def measurement(self, analysis: CineAnalysis, row: Row) -> Measurement | None:
        """What stands in this column of a row, None where it was not measured."""
        ending = "_index" if self.indexed else ""
        return analysis.measurement(f"{self.ventricle}_{row.suffix}{ending}")


def draw_table(page: Page, box: Box, analysis: CineAnalysis) -> None:
    """Draw header, rows and notes into ``box``; the rows share what the notes leave."""
    columns = _columns(box, analysis)
    rows = [row for row in ROWS if row.always or any(c.measurement(analysis, row) for c in columns)]
    motion = motion_lines(analysis)
    notes = [
        line for note in table_notes(analysis) for line in wrapped(page.said(note), SMALL_SIZE_PT, box.width)
    ]
    notes_top = box.bottom - len(notes) * SMALL_LINE_MM
    motion_top = notes_top - 1.5 - len(motion) * MOTION_LINE_MM
    height = (motion_top - box.top - HEADER_HEIGHT_MM) / len(rows)
    _draw_header(page, box, columns)
    for place, row in enumerate(rows):
        top = box.top + HEADER_HEIGHT_MM + place * height
        _draw_row(page, Box(box.left, top, box.width, height), row, analysis, columns)
    for place, (title, text) in enumerate(motion, start=1):
        baseline = motion_top + place * MOTION_LINE_MM - 0.6
        page.text(box.left, baseline, title, MOTION_SIZE_PT, width=MOTION_LEFT_MM - 0.5)
        page.text(box.left + MOTION_LEFT_MM, baseline, text, MOTION_SIZE_PT, width=box.width - MOTION_LEFT_MM)
    for place, line in enumerate(notes, start=1):
        page.text(box.left, notes_top + place * SMALL_LINE_MM, line, SMALL_SIZE_PT, colour=GREY)


def _columns(box: Box, analysis: CineAnalysis) -> list[Column]:
    has_indices = any(m.name.endswith("_index") for m in analysis.measurements)
    kinds = (False, True) if has_indices else (False,)
    width = (box.width - TITLE_WIDTH_MM) / (len(VENTRICLES) * len(kinds))
    places = [(ventricle, indexed) for ventricle in VENTRICLES for indexed in kinds]
    return [
        Column(ventricle, box.left + TITLE_WIDTH_MM + place * width, indexed)
        for place, (ventricle, indexed) in enumerate(places)
    ]


def _draw_header(page: Page, box: Box, columns: Sequence[Column]) -> None:
    bottom = box.top + HEADER_HEIGHT_MM
    width = (box.width - TITLE_WIDTH_MM) / len(columns)
    for column in columns:
        title = say("per m²") if column.indexed else VENTRICLES[column.ventricle]
        page.text(column.left + 2.6, bottom - 2.2, title, 7, colour=GREY, width=width - 3)
    page.line([(box.left, bottom), (box.right, bottom)], Stroke(LIGHT, 0.3))


def _draw_row(page: Page, box: Box, row: Row, analysis: CineAnalysis, columns: Iterable[Column]) -> None:
    baseline = box.top + box.height / 2 + 1.2
    page.text(box.left, baseline, row.title, TITLE_SIZE_PT, bold=row.suffix == "ef", width=TITLE_WIDTH_MM)
    for column in columns:
        measurement = column.measurement(analysis, row)
        right = column.left + VALUE_RIGHT_MM
        if measurement is not None:
            _draw_value(page, right, baseline, row, measurement)
        elif not column.indexed:
            page.text(right, baseline, "–", VALUE_SIZE_PT, colour=GREY, align="right")
    page.line([(box.left, box.bottom), (box.right, box.bottom)], Stroke(LIGHT, 0.3))


def _draw_value(page: Page, right: float, baseline: float, row: Row, measurement: Measurement) -> None:
    """The value, marked where it is not normal, and in small print beside it what bounds it."""
    normality = measurement.normality
    mark = "" if normality is None else MARKS.get(normality, "")
    bold, colour = bool(mark) or row.suffix == "ef", ALARM if mark else BLACK
    text = f"{measurement.value:.{row.decimals}f}"
    page.text(right, baseline, text, VALUE_SIZE_PT, bold=bold, colour=colour, align="right")
    beside = right - text_width(text, VALUE_SIZE_PT, bold=bold) - 0.5
    page.text(beside, baseline - 0.1, mark, 6.5, colour=colour, align="right")
    bounds = value_bounds(measurement, row.decimals)
    first = baseline - (1.4 if len(bounds) > 1 else 0.2)
    for place, bound in enumerate(bounds):
        page.text(right + 1.2, first + 2.6 * place, bound, SMALL_SIZE_PT, colour=GREY)


def motion_lines(analysis: CineAnalysis) -> list[tuple[Message, Message]]:
    """How fast the ventricle empties and fills and how it shortens, a title and a line each."""

    def shown(worded: Callable[..., Message], *names: str) -> tuple[Message, ...]:
        found = [analysis.measurement(name) for name in names]
        return (worded(*(m.value for m in found if m)),) if all(found) else ()

    lines = {
        say("Ejection"): (
            *shown(_peak_ejection, "lv_per", "lv_per_by_edv", "lv_time_to_per"),
            *shown(lambda ms: say("ES {ms:.0f} ms after ED", ms=ms), "lv_time_to_es"),
        ),
        say("Filling"): (
            *shown(_peak_filling, "lv_pfr", "lv_pfr_by_edv", "lv_time_to_pfr"),
            *shown(_recovered, "lv_dvr80"),
        ),
        say("Circ. strain"): (
            *(part for layer in Layer for part in _strain(layer, shown)),
            *shown(_early_rates, *(f"lv_gcs_rate_early_{layer}" for layer in Layer)),
        ),
        say("Thickening"): shown(
            lambda ms: say("SD of times to peak of 16 segments {ms:.0f} ms", ms=ms), "lv_dyssynchrony"
        ),
        say("Wall motion"): (
            *shown(lambda score: say("score index {score:.2f}", score=score), INDEX),
            *_abnormal_segments(analysis),
        ),
    }
    return [(title, joined("; ", parts)) for title, parts in lines.items() if parts]


def _peak_ejection(ml_s: float, by_edv: float, ms: float) -> Message:
    return say(
        "peak {ml_s:.0f} mL/s ({by_edv:.1f} EDV/s), {ms:.0f} ms after ED", ml_s=ml_s, by_edv=by_edv, ms=ms
    )


def _peak_filling(ml_s: float, by_edv: float, ms: float) -> Message:
    return say(
        "peak {ml_s:.0f} mL/s ({by_edv:.1f} EDV/s), {ms:.0f} ms after ES", ml_s=ml_s, by_edv=by_edv, ms=ms
    )


def _recovered(percent: float) -> Message:
    return say("80 % of SV recovered in {percent:.0f} % of diastole", percent=percent)


def _early_rates(endocardial: float, mid_wall: float) -> Message:
    return say(
        "early diastolic {endocardial:.0f}, {mid_wall:.0f} %/s", endocardial=endocardial, mid_wall=mid_wall
    )


def _strain(layer: Layer, shown: Callable[..., tuple[Message, ...]]) -> tuple[Message, ...]:
    """Peak strain of a layer, with its time where that is known."""
    name = term(layer.display_name)
    return shown(
        lambda percent, ms: say("{layer} {percent:.1f} % at {ms:.0f} ms", layer=name, percent=percent, ms=ms),
        f"lv_gcs_{layer}",
        f"lv_time_to_gcs_{layer}",
    ) or shown(
        lambda percent: joined(" ", (name, say("{percent:.1f} %", percent=percent))), f"lv_gcs_{layer}"
    )


def _abnormal_segments(analysis: CineAnalysis) -> list[Message]:
    """AHA numbers of the segments of every grade but normal."""
    found = {s.number: analysis.measurement(motion_name(s)) for s in WALL_SEGMENTS}
    numbers = {
        grade: [number for number, score in found.items() if score is not None and score.value == grade]
        for grade in MotionGrade
    }
    normal = numbers.pop(MotionGrade.NORMAL)
    said = [
        joined(" ", (term(grade.display_name), _ranges(those))) for grade, those in numbers.items() if those
    ]
    return said or ([say("no segment abnormal")] if normal else [])


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers in words.

    >>> _ranges([1, 2, 3, 7, 12, 13])
    '1–3, 7, 12, 13'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{r[0]}–{r[-1]}" if len(r) > 2 else ", ".join(map(str, r)) for r in runs)


def table_notes(analysis: CineAnalysis) -> list[Message]:
    """What the small print means, what the values are indexed by, and where the normal ranges are from."""
    return [
        joined(" ", (*_small_print_note(analysis.measurements), _index_note(analysis))),
        normal_note(analysis.measurements, analysis.subject),
        PAPILLARY_MUSCLES,
        *_wall_motion_notes(analysis),
    ]


def _wall_motion_notes(analysis: CineAnalysis) -> list[Message]:
    """How grades were made, and which ones a reader has given."""
    if analysis.measurement(INDEX) is None:
        return []
    proposed = say("{note}, as a proposal.", note=WALL_MOTION_NOTE)
    graded = proposed if analysis.verification is None else say("{note}.", note=WALL_MOTION_NOTE)
    return [joined(" ", (graded, *analysis.remarks))]


def _small_print_note(measurements: Iterable[Measurement]) -> tuple[Message, ...]:
    measurements = tuple(measurements)
    meanings = []
    if any(m.interval is not None for m in measurements):
        meanings.append(say("range of uncertainty"))
    if any(m.normal is not None for m in measurements):
        meanings.append(say("N normal range (▲ above it, ▼ below it)"))
    return (say("Small print: {meanings}.", meanings=joined(", ", meanings)),) if meanings else ()


def _index_note(analysis: CineAnalysis) -> Message:
    if analysis.measurement("bsa") is None:
        return say("Not indexed: no usable height and weight are stated.")
    return say("Per m² of body surface (Mosteller).")
