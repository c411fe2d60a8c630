"""A disk that fails is not a damaged file: what it raises is waited out, not refused."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from cvai.errors import TemporarilyUnavailable


def is_disk_fault(error: OSError) -> bool:
    """Whether an error is the system's; libraries raise OSError for damaged bytes as well.

    Those have no ``errno``, or that of a place before the file's beginning, which only damaged bytes name.
    """
    return error.errno not in (None, errno.EINVAL)


@contextmanager
def byte_errors() -> Iterator[None]:
    """Turn what libraries raise as OSError on damaged bytes into an EOFError; what a disk raises passes."""
    try:
        yield
    except OSError as error:
        if is_disk_fault(error):
            raise
        raise EOFError(str(error)) from error


@contextmanager
def disk_faults() -> Iterator[None]:
    """Turn what the system raises while files are read into an error that is retried.

    Raises:
        TemporarilyUnavailable: ``files_unavailable``.
    """
    try:
        yield
    except OSError as error:
        if not is_disk_fault(error):
            raise
        raise TemporarilyUnavailable(
            "files_unavailable",
            f"A file or folder of the study could not be read: {error.strerror}.",
            "Check that the disk is mounted and well, and that the files may be read; then try again.",
        ) from error
