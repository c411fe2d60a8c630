"""The table of measurements on the report page: both ventricles, absolute and per body surface."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.analyses.cine_sax.objects import PAPILLARY_MUSCLES
from cvai.dicom.write.report.bounds import MARKS, normal_note, value_bounds
from cvai.dicom.write.report.page import ALARM, BLACK, GREY, LIGHT, Box, Page, Stroke, text_width, wrapped
from cvai.domain.measurement import Measurement
from cvai.domain.ventricles.circumferential import Layer
from cvai.domain.ventricles.segments import WALL_SEGMENTS
from cvai.domain.ventricles.wall_motion import INDEX, MotionGrade, motion_name

TITLE_SIZE_PT, VALUE_SIZE_PT, SMALL_SIZE_PT = 7.8, 9.0, 5.8
SMALL_LINE_MM = 2.5
MOTION_SIZE_PT, MOTION_LINE_MM, MOTION_LEFT_MM = 7.0, 3.6, 16.0
TITLE_WIDTH_MM = 38.0
HEADER_HEIGHT_MM = 9.0
WALL_MOTION_NOTE = "Wall motion by AHA segment: graded by thickening and inward motion until end-systole"
VALUE_RIGHT_MM = 8.8
"""Right edge of a value from the left edge of its column; its small print follows."""

VENTRICLES: Mapping[str, str] = MappingProxyType({"lv": "Left ventricle", "rv": "Right ventricle"})


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
    Row("End-diastolic volume (mL)", "edv", 0, always=True),
    Row("End-systolic volume (mL)", "esv", 0, always=True),
    Row("Stroke volume (mL)", "sv", 0, always=True),
    Row("Ejection fraction (%)", "ef", 0, always=True),
    Row("Cardiac output (L/min)", "co", 1),
    Row("Myocardial mass (g)", "mass", 0),
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
    notes = [line for note in table_notes(analysis) for line in wrapped(note, SMALL_SIZE_PT, box.width)]
    notes_top = box.bottom - len(notes) * SMALL_LINE_MM
    motion_top = notes_top - 1.5 - len(motion) * MOTION_LINE_MM
    height = (motion_top - box.top - HEADER_HEIGHT_MM) / len(rows)
    _draw_header(page, box, columns)
    for place, row in enumerate(rows):
        top = box.top + HEADER_HEIGHT_MM + place * height
        _draw_row(page, Box(box.left, top, box.width, height), row, analysis, columns)
    for place, (title, text) in enumerate(motion, start=1):
        baseline = motion_top + place * MOTION_LINE_MM - 0.6
        page.text(box.left, baseline, title, MOTION_SIZE_PT)
        page.text(box.left + MOTION_LEFT_MM, baseline, text, MOTION_SIZE_PT)
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


def _draw_header(page: Page, box: Box, columns: Iterable[Column]) -> None:
    bottom = box.top + HEADER_HEIGHT_MM
    for column in columns:
        title = "per m²" if column.indexed else VENTRICLES[column.ventricle]
        page.text(column.left + 2.6, bottom - 2.2, title, 7, colour=GREY)
    page.line([(box.left, bottom), (box.right, bottom)], Stroke(LIGHT, 0.3))


def _draw_row(page: Page, box: Box, row: Row, analysis: CineAnalysis, columns: Iterable[Column]) -> None:
    baseline = box.top + box.height / 2 + 1.2
    page.text(box.left, baseline, row.title, TITLE_SIZE_PT, bold=row.suffix == "ef")
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


def motion_lines(analysis: CineAnalysis) -> list[tuple[str, str]]:
    """How fast the ventricle empties and fills and how it shortens, a title and a line each."""

    def shown(pattern: str, *names: str) -> str:
        found = [analysis.measurement(name) for name in names]
        return pattern.format(*(m.value for m in found if m)) if all(found) else ""

    lines = {
        "Ejection": (
            shown(
                "peak {:.0f} mL/s ({:.1f} EDV/s), {:.0f} ms after ED",
                "lv_per",
                "lv_per_by_edv",
                "lv_time_to_per",
            ),
            shown("ES {:.0f} ms after ED", "lv_time_to_es"),
        ),
        "Filling": (
            shown(
                "peak {:.0f} mL/s ({:.1f} EDV/s), {:.0f} ms after ES",
                "lv_pfr",
                "lv_pfr_by_edv",
                "lv_time_to_pfr",
            ),
            shown("80 % of SV recovered in {:.0f} % of diastole", "lv_dvr80"),
        ),
        "Circ. strain": (
            *(
                shown(
                    f"{layer.display_name} {{:.1f}} % at {{:.0f}} ms",
                    f"lv_gcs_{layer}",
                    f"lv_time_to_gcs_{layer}",
                )
                or shown(f"{layer.display_name} {{:.1f}} %", f"lv_gcs_{layer}")
                for layer in Layer
            ),
            shown("early diastolic {:.0f}, {:.0f} %/s", *(f"lv_gcs_rate_early_{layer}" for layer in Layer)),
        ),
        "Thickening": (shown("SD of times to peak of 16 segments {:.0f} ms", "lv_dyssynchrony"),),
        "Wall motion": (shown("score index {:.2f}", INDEX), *_abnormal_segments(analysis)),
    }
    return [(title, "; ".join(filter(None, parts))) for title, parts in lines.items() if any(parts)]


def _abnormal_segments(analysis: CineAnalysis) -> list[str]:
    """AHA numbers of the segments of every grade but normal."""
    found = {s.number: analysis.measurement(motion_name(s)) for s in WALL_SEGMENTS}
    numbers = {
        grade: [number for number, score in found.items() if score is not None and score.value == grade]
        for grade in MotionGrade
    }
    normal = numbers.pop(MotionGrade.NORMAL)
    said = [f"{grade.display_name} {_ranges(those)}" for grade, those in numbers.items() if those]
    return said or (["no segment abnormal"] if normal else [])


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


def table_notes(analysis: CineAnalysis) -> list[str]:
    """What the small print means, what the values are indexed by, and where the normal ranges are from."""
    return [
        " ".join(filter(None, (_small_print_note(analysis.measurements), _index_note(analysis)))),
        normal_note(analysis.measurements, analysis.subject),
        PAPILLARY_MUSCLES,
        *_wall_motion_notes(analysis),
    ]


def _wall_motion_notes(analysis: CineAnalysis) -> list[str]:
    """How grades were made, and which ones a reader has given."""
    if analysis.measurement(INDEX) is None:
        return []
    standing = ", as a proposal." if analysis.verification is None else "."
    return [" ".join((WALL_MOTION_NOTE + standing, *analysis.remarks))]


def _small_print_note(measurements: Iterable[Measurement]) -> str:
    measurements = tuple(measurements)
    meanings = []
    if any(m.interval is not None for m in measurements):
        meanings.append("range of uncertainty")
    if any(m.normal is not None for m in measurements):
        meanings.append("N normal range (▲ above it, ▼ below it)")
    return f"Small print: {', '.join(meanings)}." if meanings else ""


def _index_note(analysis: CineAnalysis) -> str:
    if analysis.measurement("bsa") is None:
        return "Not indexed: no usable height and weight are stated."
    return "Per m² of body surface (Mosteller)."
