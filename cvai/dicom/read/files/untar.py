"""The members of a tar, plain or compressed, as files in a folder.

A tar has no directory and no checksum of its contents: a broken one looks like a shorter one. So its end is
looked for, and what it was compressed with is read to its end, where the checksum is.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, cast

from cvai.dicom.read.faults import byte_errors
from cvai.dicom.read.files.members import Link, MemberFolder, TooLarge, UnpackLimits
from cvai.dicom.read.files.walk import is_ignored
from cvai.domain.message import say
from cvai.errors import FileRefused

_DAMAGED = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, ValueError, RecursionError)
"""What Python's libraries raise on bytes that are no tar."""

_MARK_AT, _MARK = 257, b"ustar"
_BLOCK_BYTES = tarfile.BLOCKSIZE
_PIECE_BYTES = 1 << 20
_LARGEST_READ_BYTES = 16 << 20
"""Of a tar at once. Headers of kilobytes are rare, contents are read in pieces, and more is a trap."""

_HEADERS_SHARE = 2
"""Headers and padding of many small members may be as long as the members."""

_Opener = Callable[[IO[bytes]], IO[bytes]]
_DECOMPRESSORS: tuple[tuple[bytes, _Opener], ...] = (
    (b"\x1f\x8b", cast("_Opener", gzip.open)),
    (b"BZh", cast("_Opener", bz2.open)),
    (b"\xfd7zXZ\0", cast("_Opener", lzma.open)),
)
"""First bytes of a compressed stream, and what reads it."""


def is_packed(head: bytes) -> bool:
    """Whether a file that begins like this is a tar, or compressed."""
    return _is_tar(head) or _decompressor(head) is not None


def untar(source: Path, folder: Path, limits: UnpackLimits) -> tuple[FileRefused, ...]:
    """Write the members of a tar into ``folder``; returns what is said of those that are lost.

    What is compressed and no tar is one file, named like ``source`` without its last ending. Links and
    devices are not made.

    Raises:
        FileRefused: ``unreadable_tar`` or ``tar_too_large``.
        OSError: the disk.
    """
    members = MemberFolder(folder, limits.max_total_bytes)
    try:
        with byte_errors(), source.open("rb") as file:
            decompressor = _decompressor(file.read(_BLOCK_BYTES))
            file.seek(0)
            content = _Bounded(decompressor(file) if decompressor else file, limits.max_total_bytes)
            is_tar = _is_tar(content.read(_BLOCK_BYTES))
            content.seek(0)
            if is_tar:
                return _untarred(content, members, limits.max_members)
            members.add(PurePosixPath(source.stem), cast("IO[bytes]", content))
            return ()
    except TooLarge as error:
        raise FileRefused(
            "tar_too_large",
            say("The tar file unpacks to {reason}.", reason=error.args[0]),
            say("Hand in one study at a time."),
        ) from error
    except _DAMAGED as error:
        raise FileRefused(
            "unreadable_tar",
            say("The tar or compressed file is damaged or breaks off ({kind}).", kind=type(error).__name__),
            say("Make it again, or hand in the unpacked folder."),
        ) from error


def _is_tar(head: bytes) -> bool:
    return head[_MARK_AT:].startswith(_MARK)


def _decompressor(head: bytes) -> _Opener | None:
    return next((opener for mark, opener in _DECOMPRESSORS if head.startswith(mark)), None)


class _Bounded(io.RawIOBase):
    """What is unpacked, read forwards in pieces and no further than the limit."""

    def __init__(self, content: IO[bytes], max_total_bytes: int) -> None:
        self._content = content
        self._end_at = _HEADERS_SHARE * max_total_bytes + _PIECE_BYTES

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _LARGEST_READ_BYTES:
            raise TooLarge(say("headers of more bytes than headers have"))
        return self._content.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if offset > self._end_at:
            raise TooLarge(say("more bytes than one study can have"))
        return self._content.seek(offset, whence)

    def tell(self) -> int:
        return self._content.tell()


def _untarred(content: _Bounded, members: MemberFolder, max_members: int) -> tuple[FileRefused, ...]:
    links = []
    with tarfile.open(fileobj=cast("IO[bytes]", content), mode="r:") as archive:
        for number, member in enumerate(archive, start=1):
            if number > max_members:
                raise TooLarge(say("more than {max_members} members", max_members=max_members))
            name = PurePosixPath(os.path.normpath(member.name))
            if is_ignored(name):
                continue
            if member.issym():
                links.append(Link.symbolic(name, member.linkname))
            elif member.islnk():
                links.append(Link(name, PurePosixPath(os.path.normpath(member.linkname))))
            elif (packed := archive.extractfile(member) if member.isreg() else None) is not None:
                members.add(name, packed)
        _require_end(content, archive.offset)
    return members.lost(links)


def _require_end(content: _Bounded, place: int) -> None:
    """A tar ends with blocks of zeros (POSIX.1-2017, pax, ustar Interchange Format).

    Raises:
        EOFError: it does not, or there is more behind.
    """
    content.seek(place)
    if content.read(_BLOCK_BYTES) != bytes(_BLOCK_BYTES):
        raise EOFError("no end of the tar")
    while piece := content.read(_PIECE_BYTES):
        if piece.strip(b"\0"):
            raise EOFError("more behind the end of the tar")
        content.seek(content.tell())
