from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import EncapsulatedPDFStorage

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.analyses.cine_sax.report import report_pdf
from cvai.dicom.read.header.names import readable_name
from cvai.dicom.read.patient import Patient
from cvai.dicom.write.instance import ResultContext
from cvai.dicom.write.plan import ResultKind
from cvai.dicom.write.report.document import encapsulated_report, finding_lines, readable_date
from cvai.dicom.write.report.identity import IN_FULL_BELOW
from cvai.dicom.write.report.page import fitted, text_width
from cvai.dicom.write.write import REPORT_NAME
from cvai.domain.findings import Finding, Severity
from cvai.domain.series_choice import READ_BY_HAND
from tests.dicom.write.synthetic import Written, context_of, make_analysis


def run(program: str, *arguments: str | Path) -> str:
    """Output of one of poppler's programs; the test skips where it is not installed."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed (Debian package poppler-utils)")
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


def printed(analysis: CineAnalysis, folder: Path) -> str:
    path = folder / "report.pdf"
    path.write_bytes(report_pdf(context_of(analysis)))
    return run("pdftotext", "-layout", path, "-")


def test_the_report_is_one_page_of_a4(written: Written) -> None:
    info = run("pdfinfo", written.folder / REPORT_NAME)
    assert "Pages:           1" in info
    assert "(A4)" in info


def test_the_report_says_whose_heart_it_is_and_how_it_beats(written: Written) -> None:
    text = run("pdftotext", "-layout", written.folder / REPORT_NAME, "-")
    for expected in ("Müller, Änne", "P-0042", "F, 1961", "2024-02-29", "64 /min", "NOT FOR CLINICAL USE"):
        assert expected in text
    assert written.analysis.model.sha256[:12] in text
    assert "Contours as here: smooth endocardium." in text
    assert all(finding.message in text for finding in written.analysis.findings)


def test_every_measured_number_stands_in_its_row(written: Written) -> None:
    text = run("pdftotext", "-layout", written.folder / REPORT_NAME, "-")
    rows = {"edv": "End-diastolic volume", "esv": "End-systolic", "sv": "Stroke volume", "ef": "Ejection"}
    for suffix, title in rows.items():
        (line,) = [line for line in text.splitlines() if title in line]
        left, right = (written.analysis.measurement(f"{side}_{suffix}") for side in ("lv", "rv"))
        assert line.split(")")[1].split()[:2] == [f"{left.value:.0f}", f"{right.value:.0f}"]


def test_a_number_that_was_not_measured_is_a_dash(tmp_path: Path) -> None:
    analysis = make_analysis((2, 3, 24, 40))
    kept = tuple(m for m in analysis.measurements if m.name != "rv_ef")
    text = printed(replace(analysis, measurements=kept), tmp_path)
    (line,) = [line for line in text.splitlines() if "Ejection fraction" in line]
    assert line.split()[-1] == "–"


def test_interval_and_normal_range_stand_beside_the_value(tmp_path: Path) -> None:
    analysis = make_analysis((2, 3, 24, 40))
    bounded = tuple(
        replace(m, interval=(m.value - 3, m.value + 4), normal=(51.0, 76.0)) if m.name == "lv_ef" else m
        for m in analysis.measurements
    )
    ef = analysis.measurement("lv_ef").value
    text = printed(replace(analysis, measurements=bounded), tmp_path)
    assert f"{ef - 3:.0f}–{ef + 4:.0f}" in text
    assert "N 51–76" in text


def test_all_fonts_are_embedded(written: Written) -> None:
    fonts = run("pdffonts", written.folder / REPORT_NAME).splitlines()[2:]
    assert fonts
    assert all(line.split()[-5] == "yes" for line in fonts)


def test_the_documents_own_title_names_no_patient(written: Written) -> None:
    info = run("pdfinfo", written.folder / REPORT_NAME)
    assert "Müller" not in info
    assert "P-0042" not in info


@pytest.mark.parametrize("spoil", ["times", "heart_rate", "flat", "no_rv", "header"])
def test_a_report_is_made_whatever_is_missing(spoil: str) -> None:
    analysis = make_analysis((2, 3, 24, 40), heart_rate_bpm=None if spoil == "heart_rate" else 64.0)
    stack = analysis.cine.stack
    if spoil == "times":
        stack = replace(stack, trigger_times_ms=None)
    if spoil == "flat":
        stack = replace(stack, stored=np.zeros_like(stack.stored))
    if spoil == "no_rv":
        analysis = replace(analysis, rv_curve_ml=np.zeros_like(analysis.rv_curve_ml), measurements=())
    if spoil == "header":
        analysis = replace(analysis, patient=Patient())
        del analysis.cine.planes[0][0].header["StudyDate"]
    analysis = replace(analysis, cine=replace(analysis.cine, stack=stack))
    assert report_pdf(context_of(analysis)).startswith(b"%PDF")


def test_the_same_analysis_gives_the_same_bytes() -> None:
    first, second = (report_pdf(context_of(make_analysis((2, 3, 24, 40)))) for _ in range(2))
    assert first == second


def test_the_object_carries_the_file_and_refers_to_the_document(written: Written) -> None:
    instance = written.read(ResultKind.PDF)
    report = (written.folder / REPORT_NAME).read_bytes()
    assert instance.SOPClassUID == EncapsulatedPDFStorage
    assert instance.EncapsulatedDocument[: instance.EncapsulatedDocumentLength] == report
    assert len(instance.EncapsulatedDocument) % 2 == 0
    source = instance.SourceInstanceSequence[0]
    assert source.ReferencedSOPInstanceUID == written.read(ResultKind.SR).SOPInstanceUID
    assert "not for clinical use" in instance.DocumentTitle


@pytest.mark.parametrize("length", [10, 11])
def test_a_report_of_any_length_is_padded_to_even(context: ResultContext, length: int) -> None:
    instance = encapsulated_report(context, b"x" * length)
    assert instance.EncapsulatedDocumentLength == length
    assert len(instance.EncapsulatedDocument) % 2 == 0


def findings(*severities: Severity, words: int = 5) -> list[Finding]:
    return [Finding(f"f{i}", s, f"{i} " + "word " * words) for i, s in enumerate(severities)]


def test_the_gravest_findings_come_first() -> None:
    lines = finding_lines(findings(Severity.INFO, Severity.WITHHELD, Severity.WARNING), 150, 5)
    assert [line.severity for line in lines] == ["Withheld", "Warning", "Note"]


def test_that_a_refused_study_was_drawn_by_hand_comes_before_all() -> None:
    by_hand = Finding(READ_BY_HAND, Severity.WARNING, "Refused (heart_lost), and drawn by hand.")
    lines = finding_lines([*findings(Severity.WITHHELD, Severity.WITHHELD), by_hand], 150, 2)
    assert [line.text for line in lines] == [by_hand.message, "2 more in the structured report."]


def test_a_long_finding_is_wrapped_and_named_once() -> None:
    lines = finding_lines(findings(Severity.WARNING, words=60), 150, 5)
    assert len(lines) > 1
    assert [line.severity for line in lines[1:]] == [""] * (len(lines) - 1)
    assert all(text_width(line.text, 8) <= 150 for line in lines)


@pytest.mark.parametrize("count", range(1, 12))
def test_findings_never_need_more_room_than_there_is(count: int) -> None:
    lines = finding_lines(findings(*[Severity.INFO] * count), 150, 5)
    assert len(lines) == min(count, 5)
    shown = sum(line.severity == "Note" for line in lines)
    if shown < count:
        assert lines[-1].text == f"{count - shown} more in the structured report."


LONGEST = "WMW0123456789-" * 4 + "LAST-ON"


@pytest.mark.parametrize("patient_id", ["P-0042", "P" * 24, LONGEST + "1", LONGEST + "2", "W" * 64, "1" * 90])
@pytest.mark.parametrize("issuer", ["", "Hospital of Saint Elsewhere"])
def test_an_identifier_is_printed_in_full_however_long_it_is(
    patient_id: str, issuer: str, tmp_path: Path
) -> None:
    analysis = make_analysis((2, 3, 24, 40))
    long_name = Patient(patient_id, issuer, name="Wolfeschlegelsteinhausenbergerdorff^Hubert^Blaine")
    text = printed(replace(analysis, patient=long_name), tmp_path)
    assert (f"{patient_id} ({issuer})" if issuer else patient_id) in text
    assert (IN_FULL_BELOW in text) is (len(patient_id) > 30 or bool(issuer))
    assert "Wolfeschlegelsteinhausenbergerdorff, H…" in text


def test_patients_of_one_identifier_are_told_apart_by_its_issuer(tmp_path: Path) -> None:
    analysis = make_analysis((2, 3, 24, 40))
    texts = [printed(replace(analysis, patient=Patient("7", issuer)), tmp_path) for issuer in ("A", "B", "")]
    assert "7 (A)" in texts[0]
    assert "7 (B)" in texts[1]
    assert len(set(texts)) == 3


def test_a_text_too_long_for_its_place_ends_in_an_ellipsis() -> None:
    short = fitted("A very long accession number indeed", 9, 30)
    assert short.endswith("…")
    assert text_width(short, 9) <= 30
    assert fitted("A77", 9, 30) == "A77"


@pytest.mark.parametrize(
    ("person_name", "readable"),
    [
        ("Doe", "Doe"),
        ("Doe^Jane", "Doe, Jane"),
        ("", ""),
        ("^Jane", "Jane"),
        ("Doe^J^K^Dr.^MD=X", "Doe, J K (X)"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou (山田 太郎)"),
        ("王^小明", "王 小明"),
        ("=山田^太郎", "山田 太郎"),
        ("==やまだ^たろう", "やまだ たろう"),
    ],
)
def test_names_are_readable(person_name: str, readable: str) -> None:
    assert readable_name(person_name) == readable


def test_an_absent_date_is_empty() -> None:
    assert readable_date("") == ""
