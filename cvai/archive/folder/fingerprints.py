"""Cached content digests of a study's files."""

from __future__ import annotations

import hashlib
import os
import struct
import threading
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

STUDIES_AT_MOST = 1024
FILES_AT_MOST = 131_072
"""Beyond either, the least recently used study is evicted."""

_CHUNK_BYTES = 1 << 20
_HEAD_BYTES = 144
"""Preamble, prefix and FileMetaInformationGroupLength."""


class Fingerprints:
    """Caches digests of file contents, since a study is listed whenever something is stored into it.

    A file that was modified or replaced is read again, even if its modification time was restored.
    """

    def __init__(self) -> None:
        self._studies: OrderedDict[str, tuple[array[int], array[int]]] = OrderedDict()
        self._n_files = 0
        self._guard = threading.Lock()

    def of(self, study_uid: str, paths: Sequence[Path]) -> list[str]:
        """As ``read_fingerprint``, of files of a study."""
        with self._guard:
            marks, prints = self._studies.get(study_uid, (array("q"), array("Q")))
        before = dict(zip(marks, prints, strict=True))
        now = [(mark := _mark(path), before.get(mark) or read_fingerprint(path)) for path in paths]
        self._keep(study_uid, now)
        return [f"{fingerprint:016x}" for _, fingerprint in now]

    def _keep(self, study_uid: str, known: Sequence[tuple[int, int]]) -> None:
        with self._guard:
            self._n_files += len(known) - len(self._studies.pop(study_uid, ((), ()))[0])
            self._studies[study_uid] = (array("q", (m for m, _ in known)), array("Q", (p for _, p in known)))
            while len(self._studies) > STUDIES_AT_MOST or self._n_files > FILES_AT_MOST:
                _, (marks, _) = self._studies.popitem(last=False)
                self._n_files -= len(marks)


def read_fingerprint(path: Path) -> int:
    """64-bit digest of the data set in a file; of the whole file where it is not DICOM.

    File meta information is excluded: it describes how the file was written, not its content.
    """
    digest = hashlib.blake2b(digest_size=8)
    with path.open("rb") as file:
        file.seek(_dataset_start(file))
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return int.from_bytes(digest.digest()) or 1


def _dataset_start(file: BinaryIO) -> int:
    """Where the file meta information ends (PS3.10 section 7.1), 0 where no end within the file is stated."""
    head = file.read(_HEAD_BYTES)
    if len(head) < _HEAD_BYTES or head[128:140] != b"DICM\x02\x00\x00\x00UL\x04\x00":
        return 0
    (length,) = struct.unpack("<L", head[140:])
    start = _HEAD_BYTES + int(length)
    return start if start <= file.seek(0, os.SEEK_END) else 0


def _mark(path: Path) -> int:
    """64-bit hash of name and status; changes when the file is modified or replaced."""
    status = path.stat()
    return hash((path.name, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
