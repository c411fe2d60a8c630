"""Zip files from CDs and portals become a folder of files, whatever the zip claims to hold."""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cvai.errors import FileRefused

_CHUNK_BYTES = 1 << 20
_DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError)


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """How much a zip may unpack to before it is refused; the defaults hold the largest MR examinations."""

    max_members: int = 50_000
    max_total_bytes: int = 20 * 1024**3


@contextmanager
def unpacked(source: Path, limits: ZipLimits | None = None) -> Iterator[Path]:
    """The folder or file to read: a zip is unpacked into a temporary folder that goes when the context ends.

    Members are written under running numbers, never under their own names, so no name in the zip can point
    outside the folder.

    Raises:
        FileRefused: ``unreadable_zip``, ``encrypted_zip`` or ``zip_too_large``.
    """
    if not (source.is_file() and zipfile.is_zipfile(source)):
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="cvai-zip-") as folder:
        _extract(source, Path(folder), limits or ZipLimits())
        yield Path(folder)


def is_ignored(name: PurePosixPath) -> bool:
    """Whether a file is no part of a study: hidden files, resource forks and the directory of a CD.

    >>> is_ignored(PurePosixPath("A/.DS_Store")), is_ignored(PurePosixPath("DICOMDIR"))
    (True, True)
    """
    hidden = any(part.startswith((".", "__MACOSX")) and part != ".." for part in name.parts)
    return hidden or name.name.upper() == "DICOMDIR"


def _extract(source: Path, folder: Path, limits: ZipLimits) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not is_ignored(_name(m))]
            _check_members(members, limits)
            left_bytes = limits.max_total_bytes
            for number, member in enumerate(members, start=1):
                left_bytes -= _write_member(archive, member, folder / f"{number:06d}", left_bytes)
    except _DAMAGED_ZIP as error:
        raise FileRefused(
            "unreadable_zip",
            f"The zip file is damaged or uses an unknown compression ({type(error).__name__}).",
            "Make it again, or hand in the unpacked folder.",
        ) from error


def _name(member: zipfile.ZipInfo) -> PurePosixPath:
    return PurePosixPath(member.filename.replace("\\", "/"))


def _check_members(members: list[zipfile.ZipInfo], limits: ZipLimits) -> None:
    if len(members) > limits.max_members:
        raise _too_large(f"{len(members)} files, more than {limits.max_members}")
    if any(member.flag_bits & 1 for member in members):
        raise FileRefused(
            "encrypted_zip", "The zip file is protected by a password.", "Hand in the unpacked folder."
        )


def _write_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, left_bytes: int) -> int:
    """Bytes written; counted as they come, since the size a zip states for itself can be a lie."""
    written = 0
    with archive.open(member) as packed, target.open("wb") as file:
        while chunk := packed.read(_CHUNK_BYTES):
            written += len(chunk)
            if written > left_bytes:
                raise _too_large("more bytes than one study can have")
            file.write(chunk)
    return written


def _too_large(what: str) -> FileRefused:
    return FileRefused("zip_too_large", f"The zip file unpacks to {what}.", "Hand in one study at a time.")
