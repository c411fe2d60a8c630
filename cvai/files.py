"""Folders and files of patient data: accessible to the service's user only, and written atomically.

Modes are set explicitly, independent of the umask and of existing modes.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OWNER_ENTERS, OWNER_READS = 0o700, 0o600
OF_OTHERS = 0o077


def private_folder(path: Path) -> Path:
    """Create a folder and its missing parents for the owner only; an existing folder is made private.

    A folder of another user or with the sticky bit is shared on purpose and left as it is.

    Returns:
        The path.
    """
    for folder in reversed([p for p in (path, *path.parents) if not p.exists()]):
        folder.mkdir(mode=OWNER_ENTERS, exist_ok=True)
    close_to_others(path)
    return path


def private_file(path: Path) -> Path:
    """Create an empty file for the owner only; an existing file is made private and keeps its contents.

    Other than regular files, such as devices, are left as they are.

    Raises:
        PermissionError: the file is another user's, and open to others.

    Returns:
        The path.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_READS))
    except FileExistsError:
        close_to_others(path)
    return path


def close_to_others(path: Path) -> None:
    """Restrict access to a folder or file to its owner; see the functions above.

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


def require_writable(folder: Path) -> None:
    """Write a file into a folder, and remove it.

    Raises:
        OSError: that cannot be done.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"cvai")
        file.flush()


def is_private(path: Path) -> bool:
    """Whether only the owner has access to a folder or file."""
    return not path.stat().st_mode & OF_OTHERS


@contextmanager
def appearing_whole(path: Path, *, durable: bool = False, private: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` to write to, and rename it at the end of the block.

    Nothing is left of the new file when the block or the renaming raises an OSError.

    Args:
        path: final path of the file.
        durable: sync contents before renaming, so that a power loss leaves no empty file; see ``sync_folder``
            for the name itself.
        private: for the owner only; otherwise the umask applies.
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
    """Write a file atomically; see ``appearing_whole``."""
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
