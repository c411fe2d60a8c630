"""Files that administrators upload: gathered in a hidden folder of the inbox, then delivered by a rename."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cvai.errors import RequestInvalid
from cvai.files import private_folder

MOST_FILES = 20_000
LARGEST_BYTES = 4_000_000_000
"""Of one upload; larger deliveries are copied into the inbox."""

MOST_AT_ONCE = 4
"""Uploads that were begun and neither delivered nor discarded."""


@dataclass(slots=True)
class _Upload:
    folder: Path
    sizes: dict[int, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def n_bytes(self) -> int:
        return sum(self.sizes.values())


@dataclass(frozen=True, slots=True)
class Delivered:
    """What an upload has put into the inbox."""

    n_files: int
    n_bytes: int


class Uploads:
    """Uploads into an inbox; what an earlier process has left of some is removed.

    Files have numbers: names from elsewhere may state patients or other folders.

    Args:
        inbox: of the embedded archive, which leaves hidden folders alone.
        largest_bytes: of one upload.
        most_files: of one upload.
    """

    def __init__(self, inbox: Path, largest_bytes: int = LARGEST_BYTES, most_files: int = MOST_FILES) -> None:
        self._inbox = inbox
        for folder in inbox.glob(".upload-*"):
            shutil.rmtree(folder, ignore_errors=True)
        self._largest_bytes = largest_bytes
        self._most_files = most_files
        self._uploads: dict[str, _Upload] = {}
        self._lock = threading.Lock()

    def begin(self) -> str:
        """Begin an upload; returns its name.

        Raises:
            RequestInvalid: ``uploads_under_way``: there are too many.
        """
        with self._lock:
            if len(self._uploads) >= MOST_AT_ONCE:
                raise RequestInvalid(
                    "uploads_under_way", f"{MOST_AT_ONCE} uploads are under way.", "Wait for one to end."
                )
            name = secrets.token_hex(8)
            self._uploads[name] = _Upload(private_folder(self._inbox / f".upload-{name}"))
        return name

    def append(self, name: str, number: int, offset: int, content: bytes) -> None:
        """Add a piece to a file.

        Args:
            name: of the upload.
            number: of the file, from 0.
            offset: bytes of it that have arrived before.
            content: what follows.

        Raises:
            RequestInvalid: ``upload_unknown``; ``upload_out_of_order``: a piece is missing or came twice;
                ``upload_too_large``.
        """
        with self._held(name) as upload:
            if number >= self._most_files or upload.n_bytes + len(content) > self._largest_bytes:
                raise RequestInvalid(
                    "upload_too_large",
                    f"An upload has {self._most_files} files and {self._largest_bytes / 1e9:g} GB at most.",
                    "Copy large deliveries into the inbox folder.",
                )
            if upload.sizes.get(number, 0) != offset:
                raise RequestInvalid(
                    "upload_out_of_order", "A piece of a file is missing.", "Upload the files again."
                )
            with (upload.folder / str(number)).open("ab") as file:
                file.write(content)
            upload.sizes[number] = offset + len(content)

    def deliver(self, name: str) -> Delivered:
        """Hand an upload to the inbox.

        Raises:
            RequestInvalid: ``upload_unknown``; ``upload_empty``.
        """
        with self._held(name) as upload:
            if not upload.n_bytes:
                raise RequestInvalid("upload_empty", "No file has arrived.", "Choose files, and try again.")
            upload.folder.rename(self._inbox / f"upload-{name}")
            self._forget(name)
        return Delivered(len(upload.sizes), upload.n_bytes)

    def discard(self, name: str) -> None:
        """Remove what has arrived.

        Raises:
            RequestInvalid: ``upload_unknown``.
        """
        with self._held(name) as upload:
            self._forget(name)
            shutil.rmtree(upload.folder)

    @contextmanager
    def _held(self, name: str) -> Iterator[_Upload]:
        """An upload, for one request at a time."""
        upload = self._known(name)
        with upload.lock:
            self._known(name)  # it may have ended while this request waited
            yield upload

    def require(self, name: str) -> None:
        """Raise ``upload_unknown`` for what was not begun, or has ended."""
        self._known(name)

    def _known(self, name: str) -> _Upload:
        with self._lock:
            upload = self._uploads.get(name)
        if upload is None:
            raise RequestInvalid("upload_unknown", "There is no such upload.", "Upload the files again.")
        return upload

    def _forget(self, name: str) -> None:
        with self._lock:
            self._uploads.pop(name, None)
