"""Cached identities of a study's files."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from cvai.archive.part10 import FileIdentity, read_identity

STUDIES_AT_MOST = 1024
FILES_AT_MOST = 131_072
"""Beyond either, the study that changed longest ago is evicted; a few megabytes. Identities are needed on
delivery, announcement, start of the job and storing: this many studies may be queued without reading
again."""


class _Stamp(NamedTuple):
    """File status that changes when a file is modified, replaced, or (the last field) moved."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int


class SeenFile(NamedTuple):
    """A file's identity and its status when read."""

    identity: FileIdentity | None
    stamp: _Stamp


class _InSeries(NamedTuple):
    """Common UIDs of the files of a series that are named by SOPInstanceUID."""

    sop_class_uid: str
    study_uid: str
    series_uid: str


_Known: TypeAlias = _InSeries | FileIdentity | None
"""A file in a series, one with a deviating name, one that is not DICOM."""


class _Files:
    """The files of one study, in sixteen bytes each."""

    def __init__(self, known: Mapping[int, _Known]) -> None:
        common: dict[_Known, _Known] = {}
        self._marks = array("q", known.keys())
        self._known = [common.setdefault(one, one) for one in known.values()]

    def __len__(self) -> int:
        return len(self._marks)

    def by_mark(self) -> dict[int, _Known]:
        return dict(zip(self._marks, self._known, strict=True))


class Identities:
    """Caches identities of files, since a study is listed whenever something is stored into it.

    A file that was modified or replaced is read again, even if its modification time was restored:
    ``changed_ns`` cannot be set.
    """

    def __init__(self) -> None:
        self._studies: dict[str, _Files] = {}
        self._n_files = 0
        self._guard = threading.Lock()

    def of(self, study_uid: str, paths: Sequence[Path]) -> list[FileIdentity | None]:
        """As ``read_identity``, of all the files of a study."""
        before, now = self._of_study(study_uid), dict[int, _Known]()
        identities = list[FileIdentity | None]()
        for path in paths:
            mark = _mark(path, _stamp(path))
            now[mark] = before[mark] if mark in before else _known(path, read_identity(path))
            identities.append(_identity(path, now[mark]))
        if now != before:
            self._keep(study_uid, now)
        return identities

    def moved_in(self, study_uid: str, files: Mapping[SeenFile, Path]) -> None:
        """Carry over the identities of moved files, except for copies and modified ones."""
        known = self._of_study(study_uid)
        for seen, path in files.items():
            stamp = _stamp(path)
            if seen.stamp[:3] == stamp[:3]:
                known[_mark(path, stamp)] = _known(path, seen.identity)
        self._keep(study_uid, known)

    def _of_study(self, study_uid: str) -> dict[int, _Known]:
        with self._guard:
            files = self._studies.get(study_uid)
        return {} if files is None else files.by_mark()

    def _keep(self, study_uid: str, known: Mapping[int, _Known]) -> None:
        files = _Files(known)
        with self._guard:
            self._forget(study_uid)
            self._studies[study_uid] = files
            self._n_files += len(files)
            while len(self._studies) > STUDIES_AT_MOST or self._n_files > FILES_AT_MOST:
                self._forget(next(iter(self._studies)))

    def _forget(self, study_uid: str) -> None:
        if (files := self._studies.pop(study_uid, None)) is not None:
            self._n_files -= len(files)


def look(path: Path) -> SeenFile:
    """Identity and status of a file before it is moved."""
    stamp = _stamp(path)
    return SeenFile(read_identity(path), stamp)


def _known(path: Path, identity: FileIdentity | None) -> _Known:
    if identity is None or identity.sop_instance_uid != path.stem:
        return identity
    return _InSeries(identity.sop_class_uid, identity.study_uid, identity.series_uid)


def _identity(path: Path, known: _Known) -> FileIdentity | None:
    if isinstance(known, _InSeries):
        return FileIdentity(known.sop_class_uid, path.stem, known.study_uid, known.series_uid)
    return known


def _mark(path: Path, stamp: _Stamp) -> int:
    """64-bit hash of name and status; collisions are negligible among so few files."""
    return hash((path.name, stamp))


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return _Stamp(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
