"""Identities are remembered for exactly as long as the file is the same."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cvai.archive import identities
from cvai.archive.identities import Identities
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


def test_a_file_is_read_once(tmp_path: Path, reads: Reads) -> None:
    path, known = write_image(tmp_path, STUDY, 1), Identities()
    assert known.of(path) == known.of(path) == read_identity(path)
    assert reads.paths == [path]


def test_a_file_that_is_no_dicom_is_read_once(tmp_path: Path, reads: Reads) -> None:
    (path := tmp_path / "notes.txt").write_text("no DICOM")
    known = Identities()
    assert known.of(path) is None
    assert known.of(path) is None
    assert reads.paths == [path]


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_read_again(tmp_path: Path) -> None:
    path, other = write_image(tmp_path / "a", STUDY, 1), write_image(tmp_path / "b", STUDY, 2)
    known = Identities()
    before, status = known.of(path), path.stat()
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    assert path.stat().st_size == status.st_size
    assert known.of(path) == read_identity(path) != before


def test_a_file_written_over_in_place_is_read_again(tmp_path: Path) -> None:
    path, other = write_image(tmp_path / "a", STUDY, 1), write_image(tmp_path / "b", STUDY, 2)
    known = Identities()
    known.of(path)
    status = path.stat()
    path.write_bytes(other.read_bytes())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert known.of(path) == read_identity(other)


def test_a_moved_file_is_known_by_its_new_name_alone(tmp_path: Path, reads: Reads) -> None:
    path, known = write_image(tmp_path, STUDY, 1), Identities()
    known.of(path)
    moved = path.rename(tmp_path / "moved.dcm")
    known.moved(path, moved)
    assert known.of(moved) == read_identity(moved)
    write_image(tmp_path, STUDY, 2).rename(path)
    assert known.of(path) == read_identity(path)
    assert reads.paths == [path, path]


def test_a_copy_and_a_file_written_to_before_its_move_are_read_again(tmp_path: Path, reads: Reads) -> None:
    path, known = write_image(tmp_path, STUDY, 1), Identities()
    known.of(path)
    copied = Path(shutil.copy2(path, tmp_path / "copied.dcm"))
    known.moved(path, copied)
    known.of(copied)
    known.of(path)
    with path.open("ab") as file:
        file.write(b"\0\0")
    known.moved(path, grown := path.rename(tmp_path / "grown.dcm"))
    known.of(grown)
    assert reads.paths == [path, copied, path, grown]


def test_the_oldest_are_forgotten(tmp_path: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "KEPT_AT_MOST", 2)
    first, second, third = (write_image(tmp_path, STUDY, number) for number in (1, 2, 3))
    known = Identities()
    for path in (first, second, third, third, second, first):
        known.of(path)
    assert reads.paths == [first, second, third, first]
