"""Results beside the images they were made from: one patient, one study, a document that others can read."""

from __future__ import annotations

import shutil
import subprocess
from copy import deepcopy
from pathlib import Path

import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from cvai.dicom.write.plan import ResultKind
from tests.dicom.write.synthetic import FILE_NAMES, Written

IN_A_DOCUMENT = (
    "Different information entities for attribute - Element=<AccessionNumber> IE <Study> versus <Series>"
)
"""dcentvfy takes it for an attribute of the series in such documents; PS3.3 table C.7-3 says otherwise."""

UNKNOWN_CHARACTER_SET = "The VR checker does not support this Specific Character Set: ISO_IR 192"
"""What dsrdump says of UTF-8 before it reads it."""


def program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian package {package})")
    return found


def complaints(command: list[str | Path]) -> list[str]:
    report = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return [line for line in report.stderr.splitlines() if line.strip()]


def write_sources(written: Written, folder: Path) -> list[Path]:
    """The headers of the source images, as files; in UTF-8 as results are: dcentvfy compares bytes."""
    paths = []
    planes = {p.sop_instance_uid: p for phase in written.analysis.cine.planes for p in phase}
    for plane in planes.values():
        paths.append(folder / f"source-{len(paths)}.dcm")
        header = deepcopy(plane.header)
        header.SpecificCharacterSet = "ISO_IR 192"
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.save_as(paths[-1], enforce_file_format=True)
    return paths


@pytest.mark.parametrize("results", ["written", "written_multiframe"])
def test_results_and_sources_agree_on_patient_and_study(
    results: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    written: Written = request.getfixturevalue(results)
    dcentvfy = program("dcentvfy", "dicom3tools")
    files = [*write_sources(written, tmp_path), *(written.folder / name for name in FILE_NAMES.values())]
    assert [line for line in complaints([dcentvfy, *files]) if IN_A_DOCUMENT not in line] == []


def test_a_study_that_is_not_one_is_noticed(written: Written, tmp_path: Path) -> None:
    """The check above can fail."""
    dcentvfy = program("dcentvfy", "dicom3tools")
    files = write_sources(written, tmp_path)
    document = written.read(ResultKind.SR)
    document.PatientBirthDate = "19700101"
    document.save_as(tmp_path / "other.dcm", enforce_file_format=True)
    assert any("PatientBirthDate" in line for line in complaints([dcentvfy, *files, tmp_path / "other.dcm"]))


@pytest.mark.parametrize("results", ["written", "written_multiframe", "written_of_known_subject"])
def test_dcmtk_reads_the_document_without_complaint(results: str, request: pytest.FixtureRequest) -> None:
    dsrdump = program("dsrdump", "dcmtk")
    path = request.getfixturevalue(results).path(ResultKind.SR)
    assert [line for line in complaints([dsrdump, path]) if UNKNOWN_CHARACTER_SET not in line] == []
    printed = subprocess.run(
        [dsrdump, "+Pc", path], capture_output=True, check=True, timeout=60
    ).stdout.decode()
    assert '(8811-2,LN,"Left ventricular ejection fraction by MR")' in printed
    assert '(122445,DCM,"Wall Thickness")' in printed
