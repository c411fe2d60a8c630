"""Every object is checked by dciodvfy of dicom3tools, which knows the IODs of the standard."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.dicom.read.cine.assemble import assemble_cine
from cvai.dicom.read.cine.cine_finder import select_sax_cine
from cvai.dicom.read.read import read_studies
from cvai.dicom.write.plan import ResultKind
from cvai.dicom.write.source import verbatim_element
from tests.dicom.write.synthetic import (
    CINE_KINDS,
    CREATED,
    FILE_NAMES,
    Written,
    analysis_of,
    beating_labels,
    make_analysis,
    write_results,
)

pytestmark = pytest.mark.dciodvfy

SUMMARY = "Error - Dicom dataset contains invalid data values for Value Representations"
LEADING_ZEROS = re.compile(
    r"Error - Value invalid for this VR - .* <(?P<uid>[0-9.]+)> - Leading zeroes in embedded numeric .*"
)


def complaints(program: str, path: Path) -> list[str]:
    report = subprocess.run([program, path], capture_output=True, text=True, check=False)
    lines = (report.stdout + report.stderr).splitlines()
    assert lines, "dciodvfy names at least the IOD"
    return [line for line in lines if line.startswith(("Error", "Warning", "Abort"))]


def errors(program: str, path: Path) -> list[str]:
    return [line for line in complaints(program, path) if not line.startswith("Warning")]


@pytest.mark.parametrize("kind", list(CINE_KINDS))
def test_no_object_has_errors_or_warnings(written: Written, dciodvfy: str, kind: str) -> None:
    assert complaints(dciodvfy, written.path(kind)) == []


@pytest.mark.parametrize("kind", list(CINE_KINDS))
def test_objects_of_a_multiframe_source_have_no_errors_or_warnings(
    written_multiframe: Written, dciodvfy: str, kind: str
) -> None:
    assert complaints(dciodvfy, written_multiframe.path(kind)) == []


@pytest.mark.parametrize("kind", [ResultKind.SR, ResultKind.PDF])
def test_objects_of_a_known_subject_have_no_errors_or_warnings(
    written_of_known_subject: Written, dciodvfy: str, kind: str
) -> None:
    assert complaints(dciodvfy, written_of_known_subject.path(kind)) == []


def spoiled(header: Dataset, t: int, z: int) -> None:
    """The defects of real de-identified studies, except for malformed UIDs."""
    header.FrameOfReferenceUID = f"1.2.3.{t + 1}.{z + 1}"
    for keyword, value in {"StudyDate": "20120000", "PatientBirthDate": "00000000"}.items():
        header.add(verbatim_element(keyword, value))
    for keyword in ("PatientSex", "StudyID", "AccessionNumber", "PatientName"):
        header.add(verbatim_element(keyword, ""))
    del header.ReferringPhysicianName
    del header.PositionReferenceIndicator


@pytest.fixture(scope="module")
def spoiled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spoiled")
    write_results(make_analysis((2, 3, 24, 40), edit_header=spoiled), folder, created=CREATED)
    return folder


@pytest.mark.parametrize("kind", list(CINE_KINDS))
def test_defects_of_the_source_do_not_become_errors(spoiled_folder: Path, dciodvfy: str, kind: str) -> None:
    assert errors(dciodvfy, spoiled_folder / FILE_NAMES[kind]) == []


def made_up_analysis(case: Path) -> CineAnalysis:
    """A real cine with labels of a made-up heart."""
    cine = assemble_cine(select_sax_cine(read_studies(case / "dicom").studies[0]))
    n_phases, n_slices, rows, columns = cine.stack.pixels.shape
    labels = np.zeros(cine.stack.pixels.shape, np.uint8)
    labels[..., : rows // 3, : columns // 3] = beating_labels(n_phases, n_slices, rows // 3, columns // 3)
    return analysis_of(cine, labels)


def source_uids(analysis: CineAnalysis) -> set[str]:
    """Every UID that results take over letter by letter."""
    planes = {plane.sop_instance_uid for phase in analysis.cine.planes for plane in phase}
    return planes | {analysis.study_uid, analysis.cine.series_uid}


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("case", ["SCD0000101", "SCD0000301"])
def test_of_a_real_study_only_its_own_malformed_uids_are_complained_of(
    real_data: Path, tmp_path: Path, dciodvfy: str, case: str
) -> None:
    """Some of its UIDs have leading zeros; a result with other UIDs would not stand in the study."""
    analysis = made_up_analysis(real_data / "sunnybrook" / case)
    for written in write_results(analysis, tmp_path, created=CREATED):
        for line in set(errors(dciodvfy, written.path)) - {SUMMARY}:
            match = LEADING_ZEROS.fullmatch(line)
            assert match is not None, line
            assert match["uid"] in source_uids(analysis), line
