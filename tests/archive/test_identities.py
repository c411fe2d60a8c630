"""Identities are remembered for exactly as long as the file is the same."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cvai.archive.folder import identities
from cvai.archive.folder.identities import Identities, look
from cvai.archive.part10 import FileIdentity, read_identity
from tests.standin import derived_uid, write_image

STUDY = derived_uid("identities")


class Reads:
    """Every file that was really read."""

    def __init__(self) -> None:
        self.paths: list[Path] = []

    def __call__(self, path: Path) -> FileIdentity | None:
        self.paths.append(path)
        return read_identity(path)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    made = Reads()
    monkeypatch.setattr(identities, "read_identity", made)
    return made


def kept(folder: Path, study_uid: str, number: int) -> Path:
    """An image under the name by which an archive keeps it."""
    path = write_image(folder, study_uid, number)
    identity = read_identity(path)
    assert identity is not None
    return path.rename(folder / f"{identity.sop_instance_uid}.dcm")


def test_each_file_of_a_study_is_read_once(tmp_path: Path, reads: Reads) -> None:
    paths, known = [kept(tmp_path, STUDY, number) for number in (1, 2)], Identities()
    assert known.of(STUDY, paths) == known.of(STUDY, paths) == [read_identity(path) for path in paths]
    paths.append(kept(tmp_path, STUDY, 3))
    assert known.of(STUDY, paths) == [read_identity(path) for path in paths]
    assert reads.paths == paths


@pytest.mark.parametrize("is_dicom", [True, False])
def test_a_file_that_is_named_otherwise_or_is_no_dicom_is_read_once(
    tmp_path: Path, reads: Reads, is_dicom: bool
) -> None:
    path = tmp_path / "notes.dcm"
    path.write_text("no DICOM")
    if is_dicom:
        write_image(tmp_path, STUDY, 1).replace(path)
    known = Identities()
    assert known.of(STUDY, [path]) == known.of(STUDY, [path]) == [read_identity(path)]
    assert (read_identity(path) is not None) is is_dicom
    assert reads.paths == [path]


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_read_again(tmp_path: Path) -> None:
    path, other = write_image(tmp_path / "a", STUDY, 1), write_image(tmp_path / "b", STUDY, 2)
    known = Identities()
    before, status = known.of(STUDY, [path]), path.stat()
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    assert path.stat().st_size == status.st_size
    assert known.of(STUDY, [path]) == [read_identity(path)] != before


def test_a_file_written_over_in_place_is_read_again(tmp_path: Path) -> None:
    path, other = write_image(tmp_path / "a", STUDY, 1), write_image(tmp_path / "b", STUDY, 2)
    known = Identities()
    known.of(STUDY, [path])
    status = path.stat()
    path.write_bytes(other.read_bytes())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert known.of(STUDY, [path]) == [read_identity(other)]


def test_a_file_that_was_moved_in_is_known_by_its_new_name(tmp_path: Path, reads: Reads) -> None:
    stood, path, known = kept(tmp_path, STUDY, 1), write_image(tmp_path, STUDY, 2), Identities()
    known.of(STUDY, [stood])
    seen = look(path)
    moved = path.rename(tmp_path / "moved.dcm")
    known.moved_in(STUDY, {seen: moved})
    assert known.of(STUDY, [stood, moved]) == [read_identity(stood), read_identity(moved)]
    assert reads.paths == [stood, path]


def test_a_copy_and_a_file_written_to_before_its_move_are_read_again(tmp_path: Path, reads: Reads) -> None:
    path, known = write_image(tmp_path, STUDY, 1), Identities()
    seen = look(path)
    copied = Path(shutil.copy2(path, tmp_path / "copied.dcm"))
    known.moved_in(STUDY, {seen: copied})
    known.of(STUDY, [copied])
    with path.open("ab") as file:
        file.write(b"\0\0")
    known.moved_in(STUDY, {seen: (grown := path.rename(tmp_path / "grown.dcm"))})
    known.of(STUDY, [grown])
    assert reads.paths == [path, copied, grown]


@pytest.mark.parametrize("bound", ["STUDIES_AT_MOST", "FILES_AT_MOST"])
def test_the_study_that_changed_the_longest_ago_is_forgotten(
    tmp_path: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(identities, bound, 2)
    first, second, third = (write_image(tmp_path, STUDY, number) for number in (1, 2, 3))
    known = Identities()
    for study_uid, path in (("1", first), ("2", second), ("3", third)):
        known.of(study_uid, [path])
    for study_uid, path in (("3", third), ("2", second), ("1", first)):
        known.of(study_uid, [path])
    assert reads.paths == [first, second, third, first]
