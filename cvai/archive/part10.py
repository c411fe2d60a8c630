"""Reads identities and traits of DICOM files, and writes files atomically."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.errors import InvalidDicomError

from cvai.archive.traits import SENDER, TRAIT_KEYWORDS
from cvai.dicom.read.header.attributes import PARSE_ERRORS, UID_PATTERN, parse_identity, parse_some
from cvai.errors import FileRefused
from cvai.files import appearing_whole, private_folder, sync_folder, write_whole

IDENTITY_TAGS = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """The four UIDs that identify a file; validated, since they name files.

    Raises:
        ValueError: one of them is not a UID.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str
    series_uid: str

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if len(value) > 64 or not UID_PATTERN.fullmatch(value):
                raise ValueError(f"{name} is not a UID")


def read_identity(path: Path) -> FileIdentity | None:
    """Identity of a DICOM file, None when the file cannot be read as one."""
    with path.open("rb") as file, warnings.catch_warnings():
        # Defective UIDs are common in file meta information, and are not used here.
        warnings.simplefilter("ignore", UserWarning)
        return identity_in(file)


def identity_in(file: BinaryIO) -> FileIdentity | None:
    """Identity of an open DICOM file; only the four values are decoded."""
    try:
        header = parse_identity(file, IDENTITY_TAGS)
        return FileIdentity(*(_raw_uid(header, tag) for tag in IDENTITY_TAGS))
    except (InvalidDicomError, FileRefused, *PARSE_ERRORS):
        return None


def _raw_uid(header: pydicom.Dataset, tag: str) -> str:
    """A UID as it is encoded, without its padding."""
    value: bytes = header.get_item(tag).value
    return value.decode("ascii").rstrip("\0 ")


def read_traits(path: Path) -> list[tuple[str, str]]:
    """(keyword, value) of TRAIT_KEYWORDS and SENDER in a DICOM file; empty where it cannot be read."""
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            # Values that violate the standard are used all the same.
            warnings.simplefilter("ignore", UserWarning)
            header = parse_some(file, TRAIT_KEYWORDS)
            traits = [(keyword, str(header.get(keyword) or "")) for keyword in TRAIT_KEYWORDS]
            return [*traits, (SENDER, str(header.file_meta.get(SENDER) or ""))]
    except (InvalidDicomError, FileRefused, *PARSE_ERRORS):
        return []


def write_durably(path: Path, data: bytes) -> None:
    """Write a file atomically and durably; nothing is left of one that cannot be written.

    The folder is created when missing, and again when it is removed concurrently.
    """
    for attempt in range(3):
        try:
            if not path.parent.exists():
                private_folder(path.parent)
            write_whole(path, data, durable=True)
            sync_folder(path.parent)
        except FileNotFoundError:
            if attempt == 2:
                raise
        else:
            return


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file atomically."""
    with appearing_whole(target) as partial:
        shutil.copyfile(source, partial)
