"""What other reports state, beside what was measured: result.json, findings, SR and report."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydicom import Dataset, dcmread

from cvai.analyses.echo_apical.analysis import EchoAnalysis
from cvai.analyses.echo_apical.report import echo_report_pdf
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.reports.documents import reports_of
from cvai.dicom.read.subject import subject_of_headers
from cvai.dicom.write.reported import with_reports
from cvai.dicom.write.result_json import (
    Record,
    Status,
    StudyStatement,
    analysed_record,
    result_schema,
    study_record,
)
from cvai.domain.findings import Finding
from cvai.domain.measurement import Measurement
from cvai.domain.subject import Subject
from tests.dicom.read import report_files as sr
from tests.dicom.write.echo_synthetic import echo_analysis
from tests.dicom.write.synthetic import CREATED, context_of, write_results


def with_interval(measurement: Measurement) -> Measurement:
    """A tenth of the value to both sides."""
    low, high = sorted((0.9 * measurement.value, 1.1 * measurement.value))
    return replace(measurement, interval=(low, high))


def loop_header(folder: Path) -> Dataset:
    return dcmread(folder / "1.dcm", stop_before_pixels=True)


def analysed(folder: Path, *content: Dataset) -> EchoAnalysis:
    """A biplane analysis of a study in which an echo machine has left a report."""
    analysis = echo_analysis(folder)
    analysis = replace(analysis, measurements=tuple(map(with_interval, analysis.measurements)))
    sr.write_report(folder, sr.tid_5200(loop_header(folder), *content))
    (study,) = read_studies(folder).studies
    return with_reports(analysis, study)


def biplane(ef: float) -> Dataset:
    how = sr.modifier(sr.METHOD, sr.BIPLANE)
    return sr.section(sr.LEFT_VENTRICLE, sr.number(sr.LV_EF, ef, sr.PERCENT, how))


def about_reports(analysis: EchoAnalysis) -> list[Finding]:
    return [finding for finding in analysis.findings if "report" in finding.code]


def measured_ef(analysis: EchoAnalysis) -> Measurement:
    found = analysis.measurement("lv_ef")
    assert found is not None
    return found


def entry_of(analysis: EchoAnalysis) -> Record:
    """Its entry in result.json."""
    entry = analysed_record(analysis, [{"kind": "sr", "sop_instance_uid": "2.25.1", "path": "sr.dcm"}], {})
    statement = StudyStatement(analysis.study_uid, analysis.patient)
    Draft202012Validator(result_schema()).validate(study_record(statement, Status.ANALYSED, [entry]))
    return entry


def texts_of(item: Dataset) -> Iterator[str]:
    """Every text of a document."""
    for child in item.get("ContentSequence") or ():
        yield str(child.get("TextValue", ""))
        yield from texts_of(child)


def test_a_value_outside_the_interval_is_a_finding_and_replaces_nothing(tmp_path: Path) -> None:
    analysis = analysed(tmp_path / "study", biplane(12.0))
    ours = measured_ef(analysis)
    (finding,) = about_reports(analysis)
    assert (finding.code, finding.severity) == ("report_disagrees", "warning")
    assert (
        f"12 % (method of discs, biplane, 2D mode); {ours.value:.4g} % was measured here" in finding.message
    )
    assert ours == with_interval(measured_ef(echo_analysis(tmp_path / "again")))
    (other,) = entry_of(analysis)["others"]
    assert (other["name"], other["value"], other["compared"], other["within_interval"]) == (
        "lv_ef",
        12.0,
        True,
        False,
    )
    assert other["source"]["maker"] == "Echo Works Model 95"


def test_a_value_within_the_interval_is_shown_without_a_finding(tmp_path: Path) -> None:
    ef = measured_ef(echo_analysis(tmp_path / "first")).value
    analysis = analysed(tmp_path / "study", biplane(round(ef, 1)))
    assert about_reports(analysis) == []
    (other,) = entry_of(analysis)["others"]
    assert other["within_interval"] is True


@pytest.mark.parametrize("method", [sr.TEICHHOLZ, sr.SINGLE_PLANE], ids=["Teichholz", "single plane"])
def test_a_value_of_another_method_is_shown_and_not_compared(tmp_path: Path, method: sr.Coded) -> None:
    number = sr.number(sr.LV_EF, 12, sr.PERCENT, sr.modifier(sr.METHOD, method))
    analysis = analysed(tmp_path / "study", sr.section(sr.LEFT_VENTRICLE, number))
    assert about_reports(analysis) == []
    (other,) = entry_of(analysis)["others"]
    assert (other["compared"], other["within_interval"]) == (False, None)


def test_several_values_disagree_only_where_all_of_them_do(tmp_path: Path) -> None:
    ef = measured_ef(echo_analysis(tmp_path / "first")).value
    for expected, values in (([], (12, ef)), (["report_disagrees"], (12, 14))):
        numbers = [sr.number(sr.LV_EF, round(value, 1), sr.PERCENT) for value in values]
        analysis = analysed(tmp_path / str(len(expected)), sr.section(sr.LEFT_VENTRICLE, *numbers))
        assert [finding.code for finding in about_reports(analysis)] == expected


def test_what_a_reader_has_signed_has_no_interval_and_is_not_contradicted(tmp_path: Path) -> None:
    analysis = echo_analysis(tmp_path)
    sr.write_report(tmp_path, sr.tid_5200(loop_header(tmp_path), biplane(12.0)))
    (study,) = read_studies(tmp_path).studies
    assert about_reports(with_reports(analysis, study)) == []


def test_values_that_cannot_be_read_for_certain_are_named(tmp_path: Path) -> None:
    number = sr.number(sr.LV_EF, 55, None)
    (finding,) = about_reports(analysed(tmp_path, sr.section(sr.LEFT_VENTRICLE, number)))
    assert finding.code == "report_values_left_out"
    assert "LV ejection fraction: no single number with a unit" in finding.message


def subject_with(folder: Path, *reports: Dataset, **stated: object) -> Subject:
    """The subject of a loop that states something, beside reports."""
    echo_analysis(folder, n_loops=1)
    header = loop_header(folder)
    for keyword, value in stated.items():
        setattr(header, keyword, value)
    for made in reports:
        for keyword in ("StudyInstanceUID", "PatientID", "PatientName"):
            made[keyword] = header[keyword]
        sr.write_report(folder, made)
    (study,) = read_studies(folder).studies
    return subject_of_headers([header], reports_of(study))


def described(folder: Path, **how: float | tuple[float, float] | None) -> Dataset:
    echo_analysis(folder / "like", n_loops=1)
    return sr.tid_5200(loop_header(folder / "like"), sr.characteristics(**how))


def test_size_and_pressure_that_the_images_lack_are_those_of_the_report(tmp_path: Path) -> None:
    subject = subject_with(tmp_path / "study", described(tmp_path))
    assert (subject.height_m, subject.weight_kg) == (1.65, 62.0)
    assert (subject.systolic_mmhg, subject.diastolic_mmhg) == (128.0, 76.0)
    assert subject.from_report == ("height", "weight", "blood pressure")


def test_what_the_images_state_is_not_replaced(tmp_path: Path) -> None:
    subject = subject_with(tmp_path / "study", described(tmp_path), PatientSize="1.8", PatientWeight="0")
    assert (subject.height_m, subject.weight_kg) == (1.8, 62.0)
    assert subject.from_report == ("weight", "blood pressure")


def test_reports_that_differ_tell_nothing(tmp_path: Path) -> None:
    reports = (described(tmp_path), described(tmp_path, height_cm=180, weight_kg=62))
    subject = subject_with(tmp_path / "study", *reports)
    assert (subject.height_m, subject.weight_kg) == (None, 62.0)


def test_a_reported_weight_that_does_not_go_with_the_height_is_not_used(tmp_path: Path) -> None:
    subject = subject_with(tmp_path / "study", described(tmp_path, weight_kg=300), PatientSize="0.6")
    assert (subject.height_m, subject.weight_kg, subject.from_report) == (None, None, ("blood pressure",))


def test_a_pressure_upside_down_is_none(tmp_path: Path) -> None:
    subject = subject_with(tmp_path / "study", described(tmp_path, pressure=(70, 120)))
    assert (subject.systolic_mmhg, subject.diastolic_mmhg) == (None, None)


def test_it_is_said_that_the_size_is_from_a_report(tmp_path: Path) -> None:
    analysis = analysed(tmp_path / "study", sr.characteristics())
    (study,) = read_studies(tmp_path / "study").studies
    subject = subject_of_headers([loop_header(tmp_path / "study")], reports_of(study))
    analysis = with_reports(replace(analysis, subject=subject, findings=()), study)
    assert [finding.code for finding in analysis.findings] == ["body_size_from_report"]
    body = entry_of(analysis)["body"]
    assert (body["height_m"], body["from_report"]) == (1.65, ["height", "weight", "blood pressure"])


def test_the_document_and_the_report_say_what_others_state(tmp_path: Path) -> None:
    analysis = analysed(tmp_path / "study", biplane(12.0), sr.characteristics())
    write_results(analysis, tmp_path / "out", created=CREATED)
    said = " ".join(texts_of(dcmread(tmp_path / "out" / "sr.dcm")))
    assert "(Echo Works Model 95) states: LV ejection fraction 12 %, method of discs, biplane" in said
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed (Debian package poppler-utils)")
    command = ["pdftotext", "-layout", "-f", "2", tmp_path / "out" / "report.pdf", "-"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Stated in other reports of the study" in text
    assert "Doe, Jane" in text
    (row,) = [line for line in text.splitlines() if "LV ejection fraction" in line]
    assert "≠ 12 %" in row
    assert f"{measured_ef(analysis).value:.3g} (" in row
    (pressure,) = [line for line in text.splitlines() if "systolic" in line]
    assert "128 mmHg" in pressure


def test_the_document_with_values_of_others_is_valid(tmp_path: Path, dciodvfy: str) -> None:
    write_results(analysed(tmp_path / "study", biplane(12.0)), tmp_path / "out", created=CREATED)
    checked = subprocess.run(
        [dciodvfy, tmp_path / "out" / "sr.dcm"], capture_output=True, text=True, check=False
    )
    assert "Error" not in checked.stdout + checked.stderr


def test_many_values_are_counted_where_they_have_no_room(tmp_path: Path) -> None:
    numbers = [sr.number(sr.LV_EF, 20 + n, sr.PERCENT) for n in range(60)]
    analysis = analysed(tmp_path / "study", sr.section(sr.LEFT_VENTRICLE, *numbers))
    assert len(entry_of(analysis)["others"]) == 60
    report = echo_report_pdf(context_of(analysis))
    assert b"/Count 2" in report
