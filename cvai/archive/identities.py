"""Which DICOM object each file of a folder is, read again only where the file has changed."""

from __future__ import annotations

import threading
from pathlib import Path
from sys import intern
from typing import NamedTuple

from cvai.archive.part10 import FileIdentity, read_identity

KEPT_AT_MOST = 4_096
"""Files whose identity is remembered, in two to three megabytes; those that were read first are forgotten.
More would not help: a study's are asked for as it comes in and is announced, as its job begins, and ends."""


class _Stamp(NamedTuple):
    """What changes when a file is written to, replaced, or (the last one) moved."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int


class Identities:
    """Remembers the identities of files: a study's are asked for whenever something is stored into it.

    A file that was written to or replaced is read again, also where a tool gave it back its old time: nobody
    can set ``changed_ns``.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[_Stamp, FileIdentity | None]] = {}
        self._guard = threading.Lock()

    def of(self, path: Path) -> FileIdentity | None:
        """As ``read_identity``."""
        stamp = _stamp(path)
        known_stamp, identity = self._known.get(str(path), (None, None))
        if known_stamp != stamp:
            identity = read_identity(path)
            self._keep(path, stamp, identity)
        return identity

    def moved(self, source: Path, target: Path) -> None:
        """Know the file by its new name, unless it is a copy or was written to meanwhile."""
        with self._guard:
            known = self._known.pop(str(source), None)
        stamp = _stamp(target)
        if known is not None and known[0][:3] == stamp[:3]:
            self._keep(target, stamp, known[1])

    def _keep(self, path: Path, stamp: _Stamp, identity: FileIdentity | None) -> None:
        with self._guard:
            self._known.pop(str(path), None)
            self._known[str(path)] = (stamp, identity and _sharing(identity))
            if len(self._known) > KEPT_AT_MOST:
                del self._known[next(iter(self._known))]


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return _Stamp(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _sharing(identity: FileIdentity) -> FileIdentity:
    """The same, with one copy in memory of what all files of a series have in common."""
    return FileIdentity(
        intern(identity.sop_class_uid),
        identity.sop_instance_uid,
        intern(identity.study_uid),
        intern(identity.series_uid),
    )
