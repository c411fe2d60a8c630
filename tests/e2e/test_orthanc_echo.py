"""Ultrasound the whole way: loops are stored in an Orthanc, and SEG, SR and PDF soon stand beside them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import requests
from pydicom import dcmread

from cvai.dicom.write.result_json import read_entry
from tests.apical_loops import write_apical_study
from tests.dicom.read.ultrasound_files import STUDY
from tests.e2e.conftest import Site
from tests.orthanc import needs_orthanc

pytestmark = [
    needs_orthanc,
    pytest.mark.orthanc,
]


ACUSON = "fodicom_DIRW0007_acuson_echo_65f.dcm"
STRAY_DELIMITER = bytes.fromhex("feffdde000000000")
"""The file ends with a second Sequence Delimitation Item; DCMTK, on which Orthanc rests, takes none of it."""


def test_loops_of_both_views_get_their_results(site: Site, tmp_path: Path) -> None:
    write_apical_study(tmp_path / "study")
    extras = '["echo_report", "simple_echo_report", "unsigned_echo_reports"]'
    site.config.write_text(f"extra_objects = {extras}\n{site.config.read_text()}")
    site.serve()
    site.orthanc.stow(sorted((tmp_path / "study").glob("*.dcm")))
    site.ended_jobs(1)
    assert {job["state"] for job in site.listed_jobs()} == {"analysed"}
    assert site.modalities(STUDY) == {"US": 2, "SEG": 2, "SR": 3, "DOC": 1}


def without_stray_delimiter(source: Path, target: Path) -> Path:
    """The loop as an archive that rests on DCMTK can hold it: without its last eight bytes."""
    content = source.read_bytes()
    assert content.endswith(STRAY_DELIMITER * 2)
    target.write_bytes(content[: -len(STRAY_DELIMITER)])
    return target


def stored_instance(site: Site, study_uid: str, modality: str, path: Path) -> Path:
    """The one instance of a modality as the archive gives it back."""
    (found,) = site.orthanc.qido(study_uid, modality)
    orthanc = site.orthanc
    (known,) = orthanc.session.post(
        f"{orthanc.url}/tools/lookup", data=found["sop_instance_uid"], timeout=60
    ).json()
    response = orthanc.session.get(f"{orthanc.url}{known['Path']}/file", timeout=60)
    response.raise_for_status()
    path.write_bytes(response.content)
    return path


def test_a_real_loop_gets_an_ejection_fraction_and_no_millilitres_in_its_archive(
    site: Site, real_data: Path, tmp_path: Path, dciodvfy: str
) -> None:
    original = real_data / "echo_dicom" / ACUSON
    with pytest.raises(requests.HTTPError):
        site.orthanc.stow([original])
    site.orthanc.stow([without_stray_delimiter(original, tmp_path / "loop.dcm")])
    header = dcmread(original, stop_before_pixels=True)
    study_uid = str(header.StudyInstanceUID)
    site.serve()
    site.ended_jobs(1)
    assert site.modalities(study_uid) == {"US": 1, "SEG": 1, "SR": 1, "DOC": 1}
    for modality in ("SEG", "SR", "DOC"):
        stored = stored_instance(site, study_uid, modality, tmp_path / f"{modality}.dcm")
        report = subprocess.run([dciodvfy, stored], capture_output=True, text=True, check=False)
        assert "Error" not in report.stdout + report.stderr
    (result,) = site.data_folder.glob("results/*/*/result.json")
    record = read_entry(result)
    assert record["view"] == "a4c"
    assert {m["name"] for m in record["measurements"]} == {
        "lv_ef",
        "lv_ef_own_length",
        "la_ef",
        "lv_gls_endo_a4c",
        "lv_gls_mid_a4c",
    }
    found = {f["code"] for f in record["findings"]}
    assert {"calibration_negative", "heart_rate_contradicted"} <= found, "61/min and one beat in 2.4 s"
    log = (tmp_path / "service-0.log").read_text()
    assert study_uid in log
    assert not [text for text in (header.PatientID, header.InstitutionName) if str(text) in log]
