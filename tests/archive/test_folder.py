"""The embedded archive: what it takes in, and what it never does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cvai.archive.content import UNREADABLE
from cvai.archive.folder.archive import FolderArchive
from cvai.archive.part10 import FileIdentity
from cvai.dicom.read.read import read_studies
from cvai.errors import ArchiveRejected, TemporarilyUnavailable
from tests.standin import derived_uid, write_image, write_segmentation, write_study

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
    with pytest.raises(ArchiveRejected, match="has no valid UID"):
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


def damaged(path: Path) -> Path:
    """A file that begins like DICOM and does not say what it is of."""
    path.write_bytes(path.read_bytes()[:200])
    return path


def codes(archive: FolderArchive, study_uid: str, folder: Path) -> list[str]:
    """Why files that are kept with a study cannot be read."""
    archive.fetch(study_uid, folder)
    (study,) = read_studies(folder).studies
    return [file.refusal.code for file in study.lost]


def test_a_damaged_image_is_kept_with_the_study_that_it_was_delivered_with(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path / "archive")
    *whole, last = write_study(tmp_path / "a", STUDY, 4)
    assert archive.take_in([*whole, damaged(last)]) == [STUDY]
    content = archive.content(STUDY)
    assert len(content.instances) == 4
    assert len(content.sources) == 4, "the digest tells the study from one without the damaged file"
    assert codes(archive, STUDY, tmp_path / "got") == ["identity_missing"]


def test_what_is_no_image_is_kept_apart_from_the_study(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path / "archive")
    paths = write_study(tmp_path / "a", STUDY)
    readme = tmp_path / "a" / "README.TXT"
    readme.write_text("Open viewer.exe.")
    studies = archive.take_in([*paths, readme])
    assert [uid.startswith(UNREADABLE) for uid in studies] == [False, True]
    assert len(archive.content(STUDY).instances) == 3


def test_a_damaged_image_between_two_studies_is_kept_with_both(tmp_path: Path) -> None:
    archive, other = FolderArchive(tmp_path / "archive"), derived_uid("other")
    paths = [*write_study(tmp_path / "d" / "a", STUDY), *write_study(tmp_path / "d" / "b", other)]
    lost = damaged(write_image(tmp_path / "d", STUDY, 9))
    assert set(archive.take_in([*paths, lost])) == {STUDY, other}
    for study_uid in (STUDY, other):
        assert codes(archive, study_uid, tmp_path / study_uid) == ["identity_missing"]
    assert not lost.exists()


def test_a_study_delivered_again_as_a_whole_takes_the_place_of_its_damaged_file(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path / "archive")
    *whole, last = write_study(tmp_path / "a", STUDY, 4)
    archive.take_in([*whole, damaged(last)])
    archive.take_in(write_study(tmp_path / "b", STUDY, 2))
    assert codes(archive, STUDY, tmp_path / "part") == ["identity_missing"], "a part of it does not"
    archive.store(STUDY, [write_segmentation(tmp_path, STUDY)])
    studies = archive.take_in(write_study(tmp_path / "c", STUDY, 4))
    assert codes(archive, STUDY, tmp_path / "all") == []
    assert len(archive.content(STUDY).sources) == 4
    assert [uid for uid in studies if uid.startswith(UNREADABLE)], "nothing that was delivered is thrown away"


def test_an_image_damaged_behind_its_identity_is_kept_under_it(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path / "archive")
    path = write_image(tmp_path / "a", STUDY, 1)
    data = path.read_bytes()
    place = data.index(b"\x20\0\x13\0IS")
    path.write_bytes(data[:place] + b"\x20\0\x13\0SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0")
    assert archive.take_in([path]) == [STUDY]
    (kept,) = archive.content(STUDY).instances
    assert kept.sop_instance_uid == derived_uid(STUDY, "image 1")


def test_a_file_that_is_copied_stays(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path / "archive")
    paths = write_study(tmp_path / "a", STUDY, 2)
    archive.take_in(paths, copied=paths[:1])
    assert [path.exists() for path in paths] == [True, False]
    assert len(archive.content(STUDY).instances) == 2
