"""What files hold is remembered for exactly as long as they are the same."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from pydicom import dcmread

from cvai.archive.folder import fingerprints
from cvai.archive.folder.archive import FolderArchive
from cvai.archive.folder.fingerprints import Fingerprints, read_fingerprint
from tests.standin import derived_uid, write_image, write_segmentation, write_study

STUDY = derived_uid("fingerprints")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    made: list[Path] = []

    def read(path: Path) -> int:
        made.append(path)
        return read_fingerprint(path)

    monkeypatch.setattr(fingerprints, "read_fingerprint", read)
    return made


def test_each_file_is_read_once_and_again_where_it_was_written_to(tmp_path: Path, reads: list[Path]) -> None:
    paths, known = write_study(tmp_path, STUDY), Fingerprints()
    first = known.of(STUDY, paths)
    assert known.of(STUDY, paths) == first
    assert reads == paths
    assert len(set(first)) == 3
    status = paths[1].stat()
    paths[1].write_bytes(paths[1].read_bytes()[:-2] + b"\7\7")
    os.utime(paths[1], ns=(status.st_atime_ns, status.st_mtime_ns))
    second = known.of(STUDY, paths)
    assert [a == b for a, b in zip(first, second, strict=True)] == [True, False, True]
    assert reads == [*paths, paths[1]]


def test_how_a_file_was_written_is_not_what_it_holds(tmp_path: Path) -> None:
    first, second = (write_image(tmp_path / name, STUDY, 1) for name in "ab")
    made = dcmread(second)
    made.file_meta.SourceApplicationEntityTitle = "ELSEWHERE"
    made.save_as(second)
    assert first.read_bytes() != second.read_bytes()
    assert read_fingerprint(first) == read_fingerprint(second)


@pytest.mark.parametrize("length", range(128, 146))
def test_a_file_that_ends_within_its_meta_information_has_a_fingerprint(length: int, tmp_path: Path) -> None:
    head = b"\0" * 128 + b"DICM\2\0\0\0UL\4\0" + struct.pack("<L", 2) + b"\0\0"
    (tmp_path / "a.dcm").write_bytes(head[:length])
    assert read_fingerprint(tmp_path / "a.dcm") > 0


def test_files_whose_meta_information_would_end_beyond_them_are_told_apart(tmp_path: Path) -> None:
    head = b"\0" * 128 + b"DICM\2\0\0\0UL\4\0" + struct.pack("<L", 1_000_000)
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(head + name.encode())
    assert read_fingerprint(tmp_path / "a") != read_fingerprint(tmp_path / "b")


@pytest.mark.parametrize("bound", ["STUDIES_AT_MOST", "FILES_AT_MOST"])
def test_the_study_that_was_asked_for_the_longest_ago_is_forgotten(
    tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(fingerprints, bound, 2)
    first, second, third = (write_image(tmp_path, STUDY, number) for number in (1, 2, 3))
    known = Fingerprints()
    for study_uid, path in (
        ("1", first),
        ("2", second),
        ("3", third),
        ("3", third),
        ("2", second),
        ("1", first),
    ):
        known.of(study_uid, [path])
    assert reads == [first, second, third, first]


def test_a_folder_tells_what_its_images_hold_and_nothing_of_results(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path / "archive")
    archive.take_in([*write_study(tmp_path / "in", STUDY), write_segmentation(tmp_path / "in", STUDY)])
    told = archive.content(STUDY)
    assert [bool(i.fingerprint) for i in told.instances] == [i.is_source for i in told.instances]
    corrected = dcmread(write_image(tmp_path / "again", STUDY, 1))
    corrected.PatientID = "CORRECTED"
    corrected.save_as(tmp_path / "again" / "image-1.dcm")
    archive.take_in([tmp_path / "again" / "image-1.dcm"])
    again = archive.content(STUDY)
    assert again.sop_instance_uids == told.sop_instance_uids
    assert again.digest != told.digest
