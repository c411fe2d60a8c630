from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.analyses.cine_sax.report import TABLE, report_pdf
from cvai.analyses.cine_sax.table import ROWS, SMALL_LINE_MM, SMALL_SIZE_PT, table_notes, value_bounds
from cvai.dicom.write.report.page import text_width, wrapped
from cvai.domain.body import with_body_size
from cvai.domain.measurement import Measurement
from cvai.domain.normals import with_normal_ranges
from cvai.domain.subject import Subject
from tests.dicom.write.synthetic import FULLY_KNOWN, context_of, make_analysis
from tests.dicom.write.test_pdf import printed, run

TITLES = {row.suffix: row.title for row in ROWS}
LARGE_HEART = {
    "lv_edv": 238.0,
    "lv_esv": 155.0,
    "lv_sv": 83.0,
    "lv_ef": 35.0,
    "lv_co": 5.3,
    "lv_mass": 90.0,
    "rv_edv": 150.0,
    "rv_esv": 60.0,
    "rv_sv": 90.0,
    "rv_ef": 60.0,
    "rv_co": 5.8,
}


def analysis_of(subject: Subject) -> CineAnalysis:
    """A dilated left ventricle beside a normal right one, with intervals."""
    analysis = make_analysis((2, 3, 24, 40))
    units = {m.name: m.unit for m in analysis.measurements}
    measured = [
        Measurement(name, value, units[name], interval=(0.9 * value, 1.1 * value))
        for name, value in LARGE_HEART.items()
    ]
    measurements = with_normal_ranges(with_body_size(measured, subject), subject)
    return replace(analysis, measurements=measurements, subject=subject)


def row_of(analysis: CineAnalysis, folder: Path, suffix: str) -> list[str]:
    """Words of one row of the printed table, in the order they were drawn."""
    path = folder / "report.pdf"
    path.write_bytes(report_pdf(context_of(analysis)))
    text = run("pdftotext", "-raw", path, "-")
    titles = [row.title for row in ROWS if row.title in text]
    (place,) = [i for i, title in enumerate(titles) if title == TITLES[suffix]]
    end = titles[place + 1] if place + 1 < len(titles) else "Small print"
    return text.partition(titles[place])[2].partition(end)[0].split()


def test_a_value_outside_its_range_is_marked_with_its_direction(tmp_path: Path) -> None:
    analysis = analysis_of(FULLY_KNOWN)
    volume, fraction = row_of(analysis, tmp_path, "edv"), row_of(analysis, tmp_path, "ef")
    assert volume.count("▲") == 2, "left, absolute and indexed; the right one is normal"
    assert "▼" not in volume
    assert fraction.count("▼") == 1
    assert "▲" not in fraction


def test_indices_stand_beside_what_they_index(tmp_path: Path) -> None:
    analysis = analysis_of(FULLY_KNOWN)
    row = row_of(analysis, tmp_path, "esv")
    values = [
        f"{analysis.measurement(name).value:.0f}"
        for name in ("lv_esv", "lv_esv_index", "rv_esv", "rv_esv_index")
    ]
    assert [word for word in row if word in values] == values


def test_the_page_says_how_large_the_person_is_and_whom_the_ranges_are_of(tmp_path: Path) -> None:
    text = " ".join(printed(analysis_of(FULLY_KNOWN), tmp_path).split())
    for expected in ("1.65 m, 62 kg", "1.69 m²", "63 years", "women of White ethnicity, 60 to 69 years"):
        assert expected in text
    assert "doi:10.1016/j.jcmg.2024.01.009" in text
    assert "second-hand" in text


def test_a_range_that_is_not_known_is_said_not_to_be(tmp_path: Path) -> None:
    text = printed(analysis_of(Subject()), tmp_path)
    assert "Not indexed" in text
    assert "no usable sex and age" in text
    assert "per m²" not in text
    assert not {"▲", "▼"} & set(text)
    assert "none is known for this sex and age" in printed(analysis_of(Subject("F", 12)), tmp_path)


def test_a_value_on_the_page_is_marked_as_the_page_reads(tmp_path: Path) -> None:
    """46.6 reads 47, and 47 is not below a limit of 47."""
    analysis = make_analysis((2, 3, 24, 40))
    fraction = Measurement("lv_ef", 46.6, "%", normal=(47.0, 72.0))
    row = row_of(replace(analysis, measurements=(fraction,)), tmp_path, "ef")
    assert "47" in row
    assert "▼" not in row


@pytest.mark.parametrize(("sex", "age_years"), list(product(["F", "M", None], [None, 12, 18, 45, 99])))
@pytest.mark.parametrize("height_m", [None, 1.7])
def test_notes_leave_the_rows_their_room(
    sex: str | None, age_years: int | None, height_m: float | None
) -> None:
    analysis = analysis_of(Subject(sex, age_years, height_m, 70.0))  # type: ignore[arg-type]
    lines = [line for note in table_notes(analysis) for line in wrapped(note, SMALL_SIZE_PT, TABLE.width)]
    assert len(lines) * SMALL_LINE_MM <= 15.0
    assert all(text_width(line, SMALL_SIZE_PT) <= TABLE.width for line in lines)


def test_the_longest_bounds_fit_beside_a_value() -> None:
    volume = Measurement("rv_edv", 262.0, "mL", interval=(242.0, 282.0), normal=(146.0, 269.0))
    assert max(text_width(bound, SMALL_SIZE_PT) for bound in value_bounds(volume, 0)) < 11.5
