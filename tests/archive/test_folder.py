"""The embedded archive: what it takes in, and what it never does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cvai.archive.content import UNREADABLE
from cvai.archive.folder import FolderArchive
from cvai.archive.part10 import FileIdentity
from cvai.errors import ArchiveRejected, TemporarilyUnavailable
from tests.standin import derived_uid, write_image, write_study

STUDY = derived_uid("folder")


def test_files_of_two_studies_in_one_delivery_go_to_their_own_studies(tmp_path: Path) -> None:
    archive, other = FolderArchive(tmp_path / "archive"), derived_uid("other")
    archive.take_in([*write_study(tmp_path / "a", STUDY, 2), *write_study(tmp_path / "b", other, 3)])
    assert len(archive.content(STUDY).instances) == 2
    assert len(archive.content(other).instances) == 3


def test_a_file_delivered_again_replaces_the_one_that_stood(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path / "archive")
    archive.take_in([write_image(tmp_path / "first", STUDY, 1)])
    again = write_image(tmp_path / "again", STUDY, 1)
    again.write_bytes(again.read_bytes() + b"\0\0")
    longer = again.read_bytes()
    archive.take_in([again])
    archive.fetch(STUDY, tmp_path / "got")
    (got,) = (tmp_path / "got").iterdir()
    assert got.read_bytes() == longer


def test_files_that_are_no_dicom_are_kept_together_without_their_names(tmp_path: Path) -> None:
    (tmp_path / "Doe^John.dcm").write_bytes(b"")
    (tmp_path / "Doe^Jane.dcm").write_bytes(os.urandom(500))
    archive = FolderArchive(tmp_path / "archive")
    (study,) = archive.take_in([tmp_path / "Doe^John.dcm", tmp_path / "Doe^Jane.dcm"])
    assert study.startswith(UNREADABLE)
    assert len(archive.content(study).sources) == 2
    assert not any("Doe" in str(path) for path in (tmp_path / "archive").rglob("*"))


def test_the_same_unreadable_file_delivered_twice_is_the_same_study(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path / "archive")
    for name in ("first", "second"):
        (tmp_path / name).write_bytes(b"not DICOM")
        archive.take_in([tmp_path / name])
    assert len(dict(archive.changes())) == 1


@pytest.mark.parametrize("evil", ["../../evil", "1.2/../../3", "", "1..2", ".", "1.2\0", "1" * 65])
def test_a_uid_that_could_name_another_place_is_no_uid(evil: str) -> None:
    with pytest.raises(ValueError, match="sop_instance_uid is not a UID"):
        FileIdentity("1.2.840.10008.5.1.4.1.1.4", evil, STUDY, STUDY)


def test_a_file_whose_uid_could_name_another_place_is_kept_as_unreadable(tmp_path: Path) -> None:
    path = write_image(tmp_path, STUDY, 1)
    uid = derived_uid(STUDY, "image 1").encode()
    path.write_bytes(path.read_bytes().replace(uid, b"../../evil".ljust(len(uid), b"1")))
    archive = FolderArchive(tmp_path / "a" / "b" / "archive")
    (study,) = archive.take_in([path])
    assert study.startswith(UNREADABLE)


def test_a_study_is_never_asked_for_outside_the_archive(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    with pytest.raises(ArchiveRejected, match="not named by a UID"):
        FolderArchive(tmp_path / "archive").content("../secret")


def test_an_object_of_another_study_is_not_stored(tmp_path: Path) -> None:
    path = write_image(tmp_path, derived_uid("other"), 1)
    with pytest.raises(ArchiveRejected, match="not a DICOM object of study"):
        FolderArchive(tmp_path / "archive").store(STUDY, [path])


def test_a_probe_changes_nothing(tmp_path: Path) -> None:
    FolderArchive(tmp_path / "data" / "archive").probe()
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_no_folder_can_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TemporarilyUnavailable, match="disk failed"):
        FolderArchive(tmp_path / "file" / "archive").probe()


def test_a_disk_that_fails_is_an_archive_that_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("a file where a folder should be")
    with pytest.raises(TemporarilyUnavailable, match="disk failed"):
        FolderArchive(tmp_path / "archive").store(STUDY, [write_image(tmp_path / "a", STUDY, 1)])
