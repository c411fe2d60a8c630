"""Folders and files of patients' data: open to the service's own user alone, whatever stood there before.

Modes are set, not left to the umask of whoever starts the service. Files appear whole or not at all.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OWNER_ENTERS, OWNER_READS = 0o700, 0o600
OF_OTHERS = 0o077


def private_folder(path: Path) -> Path:
    """Make a folder, and those above it that are missing, for the owner alone; one that is there becomes so.

    A folder of another user's, or one with the sticky bit, is shared on purpose and stays as it is, see
    ``is_private``; files in it can be private all the same.

    Returns:
        The path.
    """
    for folder in reversed([p for p in (path, *path.parents) if not p.exists()]):
        folder.mkdir(mode=OWNER_ENTERS, exist_ok=True)
    close_to_others(path)
    return path


def private_file(path: Path) -> Path:
    """Make an empty file for the owner alone, before anything is written; one that is there becomes so.

    Its contents stay. What is no regular file, such as a device, is left alone.

    Raises:
        PermissionError: it is another user's, and open to others.

    Returns:
        The path.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_READS))
    except FileExistsError:
        close_to_others(path)
    return path


def close_to_others(path: Path) -> None:
    """Let nobody but the owner enter a folder, or read and write a file; see the functions above.

    Raises:
        FileNotFoundError: it is not there.
        PermissionError: it is another user's file.
    """
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISREG(status.st_mode) and mode != OWNER_READS:
        path.chmod(OWNER_READS)
    shared = mode & stat.S_ISVTX or os.geteuid() not in (0, status.st_uid)
    if stat.S_ISDIR(status.st_mode) and mode != OWNER_ENTERS and not shared:
        path.chmod(OWNER_ENTERS)


def is_private(path: Path) -> bool:
    """Whether nobody but the owner may do anything with a folder or file."""
    return not path.stat().st_mode & OF_OTHERS


@contextmanager
def appearing_whole(path: Path, *, durable: bool = False, private: bool = True) -> Iterator[Path]:
    """A hidden name beside ``path`` to write under; at the end of the block the file gets its own.

    Whoever sees ``path`` sees all of it, or what stood there before. Where the block, or the renaming, ends
    with an OSError, nothing is left of the new file.

    Args:
        path: the name that the file gets.
        durable: contents are on the disk before the file gets its name, so that no loss of power leaves an
            empty one; see ``sync_folder`` for the name itself.
        private: for the owner alone; otherwise the umask decides.
    """
    partial = path.with_name(f".{path.name}.part")
    try:
        yield private_file(partial) if private else partial
        if durable:
            _sync(partial)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def write_whole(path: Path, data: bytes | bytearray, *, durable: bool = False, private: bool = True) -> None:
    """Write a file that has its name only once it is complete; see ``appearing_whole``."""
    with appearing_whole(path, durable=durable, private=private) as partial:
        partial.write_bytes(data)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
