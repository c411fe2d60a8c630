"""Zip and tar files from CDs and portals become a folder of files, whatever they claim to hold."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cvai.dicom.read.faults import disk_faults
from cvai.dicom.read.files.members import UnpackLimits
from cvai.dicom.read.files.untar import is_packed, untar
from cvai.dicom.read.files.unzip import unzip
from cvai.dicom.read.header.encoding import HEAD_BYTES, beginning_of
from cvai.errors import FileRefused

_Unpack = Callable[[Path, Path, UnpackLimits], tuple[FileRefused, ...]]


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A source as it can be read.

    Args:
        path: a file or a folder.
        lost: what is said of members that were packed as links without what they lead to.
    """

    path: Path
    lost: tuple[FileRefused, ...] = ()


@contextmanager
def unpacked(source: Path, limits: UnpackLimits | None = None) -> Iterator[Unpacked]:
    """What to read: a zip or tar is unpacked into a temporary folder that goes when the context ends.

    Members are written under running numbers, never under their own names, so no name can point outside the
    folder. Members of one folder stay together. Of their names only a short ending such as ``.dcm`` is kept.

    Raises:
        FileRefused: see ``unzip`` and ``untar``.
        TemporarilyUnavailable: the disk failed.
    """
    with disk_faults():
        unpack = _unpack_of(source)
    if unpack is None:
        yield Unpacked(source)
        return
    with tempfile.TemporaryDirectory(prefix="cvai-unpacked-") as folder:
        with disk_faults():
            lost = unpack(source, Path(folder), limits or UnpackLimits())
        yield Unpacked(Path(folder), lost)


def _unpack_of(source: Path) -> _Unpack | None:
    """What unpacks a source; None where it is DICOM, whose preamble may look like anything, or not packed."""
    if not source.is_file():
        return None
    with source.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if beginning_of(head).is_dicom:
        return None
    if is_packed(head):
        return untar
    return unzip if zipfile.is_zipfile(source) else None
