"""Logs, metrics and audit messages of a run, searched for every patient identifier that was used in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from pydicom import Dataset

from tests.analyses.test_analyse import CINE
from tests.dicom.read.dicom_files import images, write
from tests.orthanc import free_port
from tests.process import CVAI, Process, ended_jobs, eventually

LONGEST_S = 150.0

PATIENT = {
    "PatientName": "Zyxwvut^Quasimodo",
    "PatientID": "PID-7731-QX",
    "PatientBirthDate": "19330417",
    "PatientAddress": "Rue Inconnue 99",
    "OtherPatientIDs": "OTHER-4482",
    "AccessionNumber": "ACC-90210-Z",
    "ReferringPhysicianName": "Vwxyz^Ignatius",
    "StudyDescription": "Quasimodos heart",
    "InstitutionName": "Klinik Irgendwo",
}
TOLD_APART = (
    "Zyxwvut", "Quasimodo", "PID-7731", "19330417", "Rue Inconnue", "OTHER-4482", "ACC-90210", "Vwxyz",
    "Irgendwo",
)  # fmt: skip


def of_a_patient(study_uid: str) -> list[Dataset]:
    made = images(CINE)
    for image in made:
        image.StudyInstanceUID = study_uid
        for keyword, value in PATIENT.items():
            setattr(image, keyword, value)
    return made


def broken(made: list[Dataset]) -> list[Dataset]:
    """Values that readers and decoders complain about, and would quote."""
    for image in made:
        image.ImagePositionPatient = None
        image.add_new("PatientWeight", "DS", "72")
    return made


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[Process, str]]:
    address = f"127.0.0.1:{free_port()}"
    config = tmp_path / "service.toml"
    config.write_text(
        f'data_folder = "{tmp_path / "data"}"\nlog_level = "debug"\nmonitor_address = "{address}"\n'
        "poll_interval_s = 0.1\n[folder]\nsettle_s = 0.3\n"
        '[[rules]]\ndescription = "*Liver*"\nthen = "ignore"\n'
    )
    process = Process([*CVAI, "serve", "--config", config], tmp_path / "service.log")
    yield process, address
    if process.died() is None:
        process.kill()


def test_no_log_metric_or_audit_message_names_a_patient(service: tuple[Process, str], tmp_path: Path) -> None:
    process, address = service
    sound, unsound, inbox = tmp_path / "sound", tmp_path / "unsound", tmp_path / "data" / "inbox"
    write(sound, of_a_patient("1.2.826.1.1"))
    write(unsound, broken(of_a_patient("1.2.826.1.2")))
    (unsound / "Zyxwvut^Quasimodo.txt").write_bytes(b"PID-7731-QX, born 19330417")
    eventually(lambda: process.events("serving"), "the service", LONGEST_S)
    for delivery in (sound, unsound):
        shutil.copytree(delivery, inbox / f"Zyxwvut {delivery.name}")
    ended = ended_jobs(tmp_path / "data", 3, LONGEST_S)
    told = {
        "jobs": " ".join(str(record) for record in ended),
        "metrics": requests.get(f"http://{address}/metrics", timeout=60).text,
        "readiness": requests.get(f"http://{address}/readyz", timeout=60).text,
        "database": (tmp_path / "data" / "jobs.sqlite").read_bytes().decode("latin-1"),
    }
    process.stop()
    told["log"] = (tmp_path / "service.log").read_text()
    told |= {path.name: path.read_text() for path in (tmp_path / "data").glob("*.log")}
    assert "1.2.826.1.1" in told["log"], "the run is in there"
    assert "cvai_jobs_ended_total" in told["metrics"]
    assert "AuditMessage" in told["audit.log"]
    found = {(name, word) for name, text in told.items() for word in TOLD_APART if word in text}
    assert found == set()
