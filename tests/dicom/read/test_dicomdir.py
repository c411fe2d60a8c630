"""A DICOMDIR as the source: its files are read, missing ones are reported, nothing else is opened."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from cvai.dicom.read.header.tolerance import tolerating_values
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.whole import require_readable
from cvai.dicom.write.source import verbatim_element
from cvai.errors import StudyRefused
from tests.dicom.read.dicom_files import SeriesSpec, images, write

SPEC = SeriesSpec(n_slices=3)


def record(path: Path | list[str], root: Path, **attributes: object) -> Dataset:
    """A directory record of a file; the structure by offsets is of no use to a reader of files."""
    made = Dataset()
    made.OffsetOfTheNextDirectoryRecord = made.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    made.RecordInUseFlag, made.DirectoryRecordType = 0xFFFF, "IMAGE"
    file_id = list(path.relative_to(root).parts) if isinstance(path, Path) else path
    made.add(verbatim_element("ReferencedFileID", file_id))
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def write_directory(root: Path, records: list[Dataset], name: str = "DICOMDIR") -> Path:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    made.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    made.FileSetID = "CD"
    made.DirectoryRecordSequence = [Dataset(), *records]
    with tolerating_values():
        made.save_as(root / name, enforce_file_format=True)
    return root / name


@pytest.fixture
def medium(tmp_path: Path) -> list[Path]:
    """Images on a CD."""
    root = tmp_path / "cd"
    paths = write(root / "DICOM" / "ST1", images(SPEC))
    return [path.rename(path.with_name(f"IM{number:05d}")) for number, path in enumerate(paths)]


def test_the_files_that_a_dicomdir_references_are_read_and_no_others(
    medium: list[Path], tmp_path: Path
) -> None:
    root = tmp_path / "cd"
    write(root / "OTHER", images(SPEC.but(study_uid="1.2.3.4", series_uid="1.2.3.4.1")))
    (study,) = read_studies(write_directory(root, [record(p, root) for p in medium])).studies
    assert study.study_uid == SPEC.study_uid
    assert len(study.series[0].planes) == 27
    assert study.lost == ()


def test_a_dicomdir_under_another_name_is_known_by_its_class(medium: list[Path], tmp_path: Path) -> None:
    root = tmp_path / "cd"
    outcome = read_studies(write_directory(root, [record(p, root) for p in medium], "dicomdir.bin"))
    assert len(outcome.studies[0].series[0].planes) == 27


def test_letters_in_another_case_are_the_same_file(medium: list[Path], tmp_path: Path) -> None:
    root = tmp_path / "cd"
    records = [record(p, root) for p in medium]
    (root / "DICOM").rename(root / "dicom")
    for path in (root / "dicom" / "ST1").iterdir():
        path.rename(path.with_name(path.name.lower()))
    outcome = read_studies(write_directory(root, records))
    assert len(outcome.studies[0].series[0].planes) == 27


def test_a_file_that_is_missing_is_told_of_and_the_study_refused(medium: list[Path], tmp_path: Path) -> None:
    root = tmp_path / "cd"
    directory = write_directory(root, [record(p, root) for p in medium])
    medium[3].unlink()
    outcome = read_studies(directory)
    (study,) = outcome.studies
    assert [refusal.code for refusal in outcome.unreadable] == ["file_missing"]
    with pytest.raises(StudyRefused) as refused:
        require_readable(study, study.series[0].planes)
    assert refused.value.code == "files_unreadable"


def test_a_missing_report_does_not_refuse_the_cine(medium: list[Path], tmp_path: Path) -> None:
    root = tmp_path / "cd"
    report = record(["DICOM", "SR1"], root, ReferencedSOPClassUIDInFile=ComprehensiveSRStorage)
    outcome = read_studies(write_directory(root, [*(record(p, root) for p in medium), report]))
    (study,) = outcome.studies
    assert [refusal.code for refusal in outcome.no_images] == ["file_missing"]
    require_readable(study, study.series[0].planes)


@pytest.mark.parametrize(
    "file_id",
    [
        ["..", "outside", "a"],
        ["DICOM", "..", "..", "outside", "a"],
        ["/outside/a"],
        [".", "a"],
        ["LINK", "a"],
    ],
)
def test_no_file_id_leads_out_of_the_folder(medium: list[Path], tmp_path: Path, file_id: list[str]) -> None:
    root = tmp_path / "cd"
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.copy(medium.pop(), outside / "a")
    (root / "LINK").symlink_to(outside)
    outcome = read_studies(write_directory(root, [*(record(p, root) for p in medium), record(file_id, root)]))
    assert len(outcome.studies[0].series[0].planes) == 26
    assert [refusal.code for refusal in outcome.unreadable] == ["file_id_invalid"]


def test_a_dicomdir_that_is_damaged_is_an_unreadable_file(medium: list[Path], tmp_path: Path) -> None:
    root = tmp_path / "cd"
    directory = write_directory(root, [record(p, root) for p in medium])
    directory.write_bytes(directory.read_bytes()[:200] + os.urandom(2000))
    outcome = read_studies(directory)
    assert outcome.studies == ()
    assert len(outcome.unreadable) == 1


def test_records_out_of_use_are_left_out(medium: list[Path], tmp_path: Path) -> None:
    root = tmp_path / "cd"
    gone = record(["DICOM", "GONE"], root, RecordInUseFlag=0)
    outcome = read_studies(write_directory(root, [*(record(p, root) for p in medium), gone]))
    assert outcome.unreadable == ()
