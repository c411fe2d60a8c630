"""The members of a zip, as files in a folder."""

from __future__ import annotations

import lzma
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from cvai.dicom.read.faults import byte_errors
from cvai.dicom.read.files.members import Link, MemberFolder, TooLarge, UnpackLimits
from cvai.dicom.read.files.walk import is_ignored
from cvai.domain.message import say
from cvai.errors import FileRefused

_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, EOFError, ValueError)
_LONGEST_LINK_BYTES = 4096
_UNIX_MODE_SHIFT = 16


def unzip(source: Path, folder: Path, limits: UnpackLimits) -> tuple[FileRefused, ...]:
    """Write the members of a zip into ``folder``; returns what is said of those that are lost.

    Raises:
        FileRefused: ``unreadable_zip``, ``encrypted_zip`` or ``zip_too_large``.
        OSError: the disk.
    """
    try:
        with byte_errors(), zipfile.ZipFile(source) as archive:
            return _unzipped(archive, MemberFolder(folder, limits.max_total_bytes), limits.max_members)
    except TooLarge as error:
        raise FileRefused(
            "zip_too_large",
            say("The zip file unpacks to {reason}.", reason=error.args[0]),
            say("Hand in one study at a time."),
        ) from error
    except _DAMAGED as error:
        raise FileRefused(
            "unreadable_zip",
            say(
                "The zip file is damaged or uses an unknown compression ({kind}).", kind=type(error).__name__
            ),
            say("Make it again, or hand in the unpacked folder."),
        ) from error


def _unzipped(archive: zipfile.ZipFile, members: MemberFolder, max_members: int) -> tuple[FileRefused, ...]:
    wanted = [m for m in archive.infolist() if not m.is_dir() and not is_ignored(_name(m))]
    if len(wanted) > max_members:
        raise TooLarge(
            say("{n_files} files, more than {max_members}", n_files=len(wanted), max_members=max_members)
        )
    if any(member.flag_bits & 1 for member in wanted):
        raise FileRefused(
            "encrypted_zip",
            say("The zip file is protected by a password."),
            say("Hand in the unpacked folder."),
        )
    links = []
    for member in wanted:
        with archive.open(member) as content:
            if stat.S_ISLNK(member.external_attr >> _UNIX_MODE_SHIFT):
                target = content.read(_LONGEST_LINK_BYTES).decode("utf-8", "replace")
                links.append(Link.symbolic(_name(member), target))
            else:
                members.add(_name(member), content)
    return members.lost(links)


def _name(member: zipfile.ZipInfo) -> PurePosixPath:
    return PurePosixPath(member.filename.replace("\\", "/"))
