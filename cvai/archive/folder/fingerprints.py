"""What the files of a study hold, as short digests; each is read again only where the file has changed."""

from __future__ import annotations

import hashlib
import struct
import threading
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

STUDIES_AT_MOST = 1024
FILES_AT_MOST = 131_072
"""As of ``Identities``: beyond either, the study that was asked for the longest ago is forgotten."""

_CHUNK_BYTES = 1 << 20
_PREAMBLE_BYTES, _GROUP_LENGTH_BYTES = 132, 12


class Fingerprints:
    """Remembers what files hold: a study is looked at whenever something is stored into it.

    A file that was written to or replaced is read again, also where a tool gave it back its old time.
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
    """64 bits of a digest of the data set in a file; of all of it where it is no DICOM file.

    What stands before the data set says how the file was written, and by whom, not what it holds.
    """
    digest = hashlib.blake2b(digest_size=8)
    with path.open("rb") as file:
        file.seek(_dataset_start(file))
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return int.from_bytes(digest.digest()) or 1


def _dataset_start(file: BinaryIO) -> int:
    """Where the file meta information ends (PS3.10 section 7.1), 0 where it is not stated."""
    head = file.read(_PREAMBLE_BYTES + _GROUP_LENGTH_BYTES)
    if head[128:132] != b"DICM" or head[132:140] != b"\x02\x00\x00\x00UL\x04\x00":
        return 0
    (length,) = struct.unpack("<L", head[140:144])
    return len(head) + int(length)


def _mark(path: Path) -> int:
    """A name, and what changes when a file is written to or replaced, in 64 bits."""
    status = path.stat()
    return hash((path.name, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
