"""Bytes that end within a sequence: pydicom raises an OSError there, as the system does for a broken disk."""

from __future__ import annotations

import errno
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset

from cvai.archive.part10 import identity_in, read_identity, read_traits
from cvai.dicom.read.read import read_studies
from tests.dicom.read.dicom_files import SeriesSpec, image, write_one

HEAD = b"\x08\x00\x40\x11SQ\0\0"
"""ReferencedImageSequence, before its length."""
ITEM_TAG = b"\xfe\xff\x00\xe0"
UNDEFINED_LENGTH = b"\xff\xff\xff\xff"


def with_sequence(path: Path, element: bytes, *, the_rest: bool) -> Path:
    """A file whose ReferencedImageSequence, an empty one before, is these bytes."""
    ds = image(SeriesSpec(), 0, 0)
    ds.ReferencedImageSequence = [Dataset()]
    ds.ReferencedImageSequence.clear()
    write_one(path, ds)
    before, after = path.read_bytes().split(HEAD + b"\0\0\0\0")
    path.write_bytes(before + HEAD + element + (after if the_rest else b""))
    return path


def test_a_file_that_ends_within_a_sequence_has_no_identity_and_is_refused(tmp_path: Path) -> None:
    path = with_sequence(tmp_path / "a.dcm", UNDEFINED_LENGTH + ITEM_TAG, the_rest=False)
    assert read_identity(path) is None
    assert read_traits(path) == []
    assert [refusal.code for refusal in read_studies(path).unreadable] == ["unreadable_header"]


def test_a_sequence_that_ends_early_is_absent_and_its_file_is_read(tmp_path: Path) -> None:
    path = with_sequence(tmp_path / "a.dcm", b"\x04\0\0\0" + ITEM_TAG, the_rest=True)
    assert read_identity(path) is not None
    outcome = read_studies(path)
    assert outcome.unreadable == ()
    (plane,) = outcome.studies[0].series[0].planes
    assert "ReferencedImageSequence" not in plane.header
    assert plane.position_mm is not None


class BrokenDisk(BytesIO):
    """Fails where the data set begins."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 132:
            raise OSError(errno.EIO, "Input/output error")
        return super().read(size)


def test_a_broken_disk_is_no_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    write_one(path, image(SeriesSpec(), 0, 0))
    with pytest.raises(OSError, match="Input/output error"):
        identity_in(BrokenDisk(path.read_bytes()))
