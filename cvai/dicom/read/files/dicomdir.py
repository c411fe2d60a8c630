"""A DICOMDIR (PS3.3 annex F) as a source: the files it references, and those that are not where it says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.uid import MediaStorageDirectoryStorage

from cvai.dicom.read.files.walk import is_directory_name
from cvai.dicom.read.header.attributes import PARSE_ERRORS, decode_all, items, parse, uid
from cvai.dicom.read.values import LostFile
from cvai.domain.message import say
from cvai.errors import FileRefused

_NOT_IN_USE = 0
"""RecordInUseFlag of a record that was deleted (PS3.3 F.3.2.2, retired)."""


@dataclass(frozen=True, slots=True)
class Directory:
    """What a DICOMDIR references.

    Args:
        files: each once, in order of their paths.
        lost: what is said of references to files that are not there.
    """

    files: tuple[Path, ...]
    lost: tuple[LostFile, ...]


def read_directory(path: Path) -> Directory | None:
    """Read a DICOMDIR; None where ``path`` is none, or cannot be read as one.

    File IDs are looked for below the folder that the DICOMDIR lies in and nowhere else; upper and lower case
    count the same, since file systems differ about them.

    Raises:
        OSError: the disk.
    """
    records = _records(path)
    if records is None:
        return None
    files, lost = set[Path](), []
    for record in records:
        found = _file_of(record, path.parent)
        if isinstance(found, Path):
            files.add(found)
        else:
            lost.append(LostFile(found, _header_of(record)))
    return Directory(tuple(sorted(files)), tuple(lost))


def _records(path: Path) -> list[Dataset] | None:
    """Directory records that reference a file."""
    with path.open("rb") as file:
        try:
            header = parse(file)
            decode_all(header)
        except (InvalidDicomError, FileRefused, *PARSE_ERRORS):
            return None
    storage = uid(header.file_meta, "MediaStorageSOPClassUID")
    if storage != MediaStorageDirectoryStorage and not is_directory_name(path.name):
        return None
    if header.get("DirectoryRecordSequence") is None:
        return None
    records = items(header, "DirectoryRecordSequence")
    return [r for r in records if r.get("ReferencedFileID") and r.get("RecordInUseFlag") != _NOT_IN_USE]


def _file_of(record: Dataset, folder: Path) -> Path | FileRefused:
    stated = record.ReferencedFileID
    parts = [str(part).strip() for part in (stated if isinstance(stated, MultiValue) else [stated])]
    if any(part in ("", ".", "..") or "/" in part or "\\" in part or "\0" in part for part in parts):
        return _outside()
    found = folder
    for part in parts:
        within = next((name for name in _names(found, part) if (found / name).exists()), None)
        if within is None:
            return FileRefused(
                "file_missing",
                say("The DICOMDIR references a file that is not there."),
                say("Hand in the whole medium, or the folder with its files."),
            )
        found = found / within
    if not found.is_file() or not Path(os.path.realpath(found)).is_relative_to(os.path.realpath(folder)):
        return _outside()
    return found


def _names(folder: Path, part: str) -> Iterator[str]:
    """How a component of a File ID may be written in a folder: as it is, else in another case."""
    yield part
    if folder.is_dir():
        yield from sorted(p.name for p in folder.iterdir() if p.name.casefold() == part.casefold())


def _outside() -> FileRefused:
    return FileRefused(
        "file_id_invalid",
        say("The DICOMDIR references something that is no file below its folder."),
        say("Hand in the folder with its files."),
    )


def _header_of(record: Dataset) -> Dataset | None:
    """What a record says of the file it references (PS3.3 table F.3-3)."""
    sop_class = uid(record, "ReferencedSOPClassUIDInFile")
    if not sop_class:
        return None
    header = Dataset()
    header.SOPClassUID = sop_class
    header.SOPInstanceUID = uid(record, "ReferencedSOPInstanceUIDInFile")
    return header
