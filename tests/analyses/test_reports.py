"""Reports of an echo machine in a study that is analysed with the model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydicom import dcmread

from cvai.dicom.write.result_json import read_entry
from cvai.models.echo import installed_echo_segmenter
from cvai.models.folders import model_folder
from cvai.models.sax import SaxSegmenter
from cvai.pipeline import StudyOutcome, analyse_folder
from tests.apical_loops import write_apical_study
from tests.dicom.read import report_files as sr
from tests.ready import ready


def analysed(source: Path, out: Path) -> StudyOutcome:
    echo = installed_echo_segmenter()
    assert echo is not None
    (outcome,) = analyse_folder(source, out, ready(SaxSegmenter.load(model_folder("sax")), lambda: echo))
    return outcome


@pytest.mark.slow
def test_a_study_with_reports_is_measured_compared_and_measured_again_alike(tmp_path: Path) -> None:
    study = tmp_path / "study"
    write_apical_study(study)
    image = dcmread(study / "1.dcm", stop_before_pixels=True)
    findings = sr.section(
        sr.LEFT_VENTRICLE,
        sr.number(sr.LV_EF, 9, sr.PERCENT, sr.modifier(sr.METHOD, sr.BIPLANE)),
        sr.number(sr.LV_EDV, 9999, sr.ML),
    )
    sr.write_report(study, sr.tid_5200(image, sr.characteristics(), findings))
    broken = sr.write_report(study, sr.tid_5300(image, sr.number(sr.EF_BIPLANE, 9, sr.PERCENT)))
    broken.write_bytes(broken.read_bytes()[:-90])

    first = analysed(study, tmp_path / "first")
    assert first.status == "analysed"
    entry = read_entry(first.folder / "result.json")
    assert [other["name"] for other in entry["others"] if "pressure" not in other["name"]] == [
        "lv_ef",
        "body_height",
        "body_weight",
    ]
    assert {"lv_edv_index", "bsa"} <= {m["name"] for m in entry["measurements"]}
    codes = {finding["code"] for finding in entry["findings"]}
    assert {"report_disagrees", "report_values_left_out", "body_size_from_report"} <= codes

    for written in first.objects:
        shutil.copy(written.path, study / f"{written.sop_instance_uid}.dcm")
    second = analysed(study, tmp_path / "second")
    assert read_entry(second.folder / "result.json")["others"] == entry["others"]
    assert [o.sop_instance_uid for o in second.objects] == [o.sop_instance_uid for o in first.objects]
