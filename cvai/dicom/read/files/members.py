"""Members of a zip or tar, written to a folder within limits and under names of our own."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath
from typing import IO

from cvai.domain.message import say
from cvai.errors import FileRefused

_CHUNK_BYTES = 1 << 20
_LETTERS = str.maketrans("0123456789", "abcdefghij")
_HARMLESS_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """How much a file may unpack to before it is refused; the defaults hold the largest MR examinations."""

    max_members: int = 50_000
    max_total_bytes: int = 20 * 1024**3


@dataclass(frozen=True, slots=True)
class Link:
    """A member that is a link."""

    name: PurePosixPath
    target: PurePosixPath

    @classmethod
    def symbolic(cls, name: PurePosixPath, written: str) -> Link:
        """A symbolic link, whose target is written as seen from its own folder."""
        return cls(name, PurePosixPath(posixpath.normpath(name.parent / written)))


class MemberFolder:
    """Where members are written to.

    Args:
        folder: empty.
        max_total_bytes: of all members together.
    """

    def __init__(self, folder: Path, max_total_bytes: int) -> None:
        self._folder = folder
        self._left_bytes = max_total_bytes
        self._numbers = count(1)
        self._folders: dict[PurePosixPath, Path] = {}
        self._names = set[PurePosixPath]()

    def add(self, name: PurePosixPath, content: IO[bytes]) -> None:
        """Write a member; its bytes are counted as they come, since the size it states can be a lie.

        Raises:
            TooLarge: with it the bytes are too many.
        """
        self._names |= {name, *name.parents}
        with self._target(name).open("wb") as file:
            while chunk := content.read(_CHUNK_BYTES):
                self._left_bytes -= len(chunk)
                if self._left_bytes < 0:
                    raise TooLarge(say("more bytes than one study can have"))
                file.write(chunk)

    def lost(self, links: Sequence[Link]) -> tuple[FileRefused, ...]:
        """What is said of each link to something that is not among the members."""
        known = self._names | {link.name for link in links}
        return tuple(
            FileRefused(
                "file_missing",
                say("A member is a link to a file that is not among the members."),
                say("Pack the files that the links lead to."),
            )
            for link in links
            if link.target not in known
        )

    def _target(self, name: PurePosixPath) -> Path:
        folder = self._folders.get(name.parent)
        if folder is None:
            folder = self._folders[name.parent] = self._folder / f"{len(self._folders):06d}"
            folder.mkdir()
        return folder / f"{_stem(name, next(self._numbers))}{_suffix(name)}"


def _stem(name: PurePosixPath, number: int) -> str:
    """A number, in digits where the member's own name has some and in letters where it has none.

    A text called README is no image, one called IM0001 may stand in an image's place.
    """
    digits = f"{number:06d}"
    return digits if any(map(str.isdigit, name.stem)) else digits.translate(_LETTERS)


def _suffix(name: PurePosixPath) -> str:
    return name.suffix if _HARMLESS_SUFFIX.fullmatch(name.suffix) else ""


class TooLarge(Exception):
    """What is packed is more than the limits allow; says what of it."""
