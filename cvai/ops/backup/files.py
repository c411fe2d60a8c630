"""Copies files one by one, each with its digest, and only for the eyes of their owner."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cvai.files import OWNER_READS

Advance: TypeAlias = Callable[[int], None]
"""Called with the number of bytes just copied."""

PIECE_BYTES = 1 << 20
TRIED_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied of one file: its length and its hex SHA-256."""

    bytes: int
    sha256: str


class ChangedMeanwhile(Exception):
    """A file was written to each time while it was being read."""


def copy_file(source: Path, target: Path, advance: Advance, *, appended: bool = False) -> Copied:
    """Copy a regular file and say what was copied.

    Args:
        source: what is copied.
        target: made, with the time of the source; must not exist.
        advance: called for each piece.
        appended: lines are only ever added to it: those that are whole when it is opened are copied.

    Raises:
        FileNotFoundError: it no longer exists as a regular file.
        ChangedMeanwhile: it was written to while it was read, again and again.
        OSError: it cannot be read, or the copy cannot be written.
    """
    for _ in range(TRIED_AT_MOST):
        try:
            return _copied(source, target, advance, appended)
        except ChangedMeanwhile:
            target.unlink()
    raise ChangedMeanwhile


def digest_of(path: Path, advance: Advance) -> Copied:
    """What a copy of this file would be, of a file without writers.

    Raises:
        FileNotFoundError: it does not exist as a regular file.
        OSError: it cannot be read.
    """
    digest, length = hashlib.sha256(), 0
    with os.fdopen(_open_regular(path), "rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            length += len(piece)
            advance(len(piece))
    return Copied(length, digest.hexdigest())


def _copied(source: Path, target: Path, advance: Advance, appended: bool) -> Copied:
    with os.fdopen(_open_regular(source), "rb") as file:
        before = os.fstat(file.fileno())
        length = _whole_lines(file.fileno(), before.st_size) if appended else before.st_size
        digest, left = hashlib.sha256(), length
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_READS)
        with os.fdopen(descriptor, "wb") as copy:
            while left > 0 and (piece := file.read(min(PIECE_BYTES, left))):
                digest.update(piece)
                copy.write(piece)
                advance(len(piece))
                left -= len(piece)
        after = os.fstat(file.fileno())
    moved = (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)
    if left or (moved and not appended):
        raise ChangedMeanwhile
    os.utime(target, ns=(before.st_mtime_ns, before.st_mtime_ns))
    return Copied(length, digest.hexdigest())


def _open_regular(path: Path) -> int:
    """Open a file, and nothing else: a pipe would be waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return descriptor


def _whole_lines(descriptor: int, size: int) -> int:
    """Length up to the end of the last whole line."""
    end = size
    while end > 0:
        begin = max(0, end - PIECE_BYTES)
        if (found := os.pread(descriptor, end - begin, begin).rfind(b"\n")) >= 0:
            return begin + found + 1
        end = begin
    return 0


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file below a folder, with its size when listed."""

    path: Path
    bytes: int


@dataclass(frozen=True, slots=True)
class FoundFolder:
    """A folder, listed before its contents, with its time of change."""

    path: Path
    changed_ns: int


def walk(top: Path, left_out: Collection[Path] = ()) -> Iterator[FoundFile | FoundFolder]:
    """The folder ``top`` and all below it, or ``top`` alone where it is a file.

    Symbolic links are not followed, except ``top``; pipes and the like are passed over, and so is what is
    gone by the time it is looked at.
    """
    with suppress(FileNotFoundError):
        found = top.stat()
        if not stat.S_ISDIR(found.st_mode):
            if stat.S_ISREG(found.st_mode):
                yield FoundFile(top, found.st_size)
            return
        yield FoundFolder(top, found.st_mtime_ns)
        yield from _below(top, left_out)


def _below(folder: Path, left_out: Collection[Path]) -> Iterator[FoundFile | FoundFolder]:
    with os.scandir(folder) as entries:
        inside = sorted(entries, key=lambda entry: entry.name)
    for entry in inside:
        path = Path(entry.path)
        if path in left_out:
            continue
        with suppress(FileNotFoundError):
            found = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                yield FoundFolder(path, found.st_mtime_ns)
                yield from _below(path, left_out)
            elif stat.S_ISREG(found.st_mode):
                yield FoundFile(path, found.st_size)
