"""Which files lie below a folder: links are followed, each real file is named once, a cycle of links ends."""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_NOWHERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""What the system says of a link to nothing, to a place below a file, or to itself."""


Failed = Callable[[Path, OSError], None]
"""Called with each entry that could not be looked at."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies below a folder, each in order of its path.

    Args:
        files: regular files, those behind links among them; each real file once.
        dangling: links to nothing, or to themselves.
        special: what is no file, such as a named pipe or a socket, and must not be opened.
        by_link: those of ``files`` that there was a link on the way to; they are others' as well.
    """

    files: tuple[Path, ...]
    dangling: tuple[Path, ...] = ()
    special: tuple[Path, ...] = ()
    by_link: frozenset[Path] = frozenset()


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a folder.

    Args:
        path: as it was come by.
        real: the same without links.
        mode: what it is; None where a link leads nowhere.
        by_link: whether there was a link on the way from the top.
    """

    path: Path
    real: str
    mode: int | None
    by_link: bool

    @property
    def is_file(self) -> bool:
        """Whether it can be read; links to files can."""
        return self.mode is not None and stat.S_ISREG(self.mode)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, or a link to one."""
        return self.mode is not None and stat.S_ISDIR(self.mode)


def is_ignored(name: PurePosixPath) -> bool:
    """Whether a file is no part of a study: hidden files, resource forks and the directory of a CD.

    >>> is_ignored(PurePosixPath("A/.DS_Store")), is_ignored(PurePosixPath("DICOMDIR"))
    (True, True)
    """
    hidden = any(part.startswith((".", "__MACOSX")) and part != ".." for part in name.parts)
    return hidden or is_directory_name(name.name)


def is_directory_name(name: str) -> bool:
    """Whether a file is named like the directory of a CD (PS3.10 section 8.6)."""
    return name.upper() == "DICOMDIR"


def _no_part_of_a_study(name: str) -> bool:
    return is_ignored(PurePosixPath(name))


def files_below(folder: Path, leave_out: Callable[[str], bool] = _no_part_of_a_study) -> Listing:
    """List a folder and all below it.

    Args:
        folder: where to begin.
        leave_out: names of files and folders that are not looked at.

    Raises:
        OSError: a folder cannot be listed, or what lies in it cannot be looked at.
    """
    return listing_of(_entries(folder, leave_out))


def listing_of(entries: Iterable[Entry]) -> Listing:
    """Sort entries that are no folders by what they are."""
    entries = sorted(entries, key=lambda entry: entry.path)
    files = _each_once(entry for entry in entries if entry.is_file)
    return Listing(
        tuple(sorted(entry.path for entry in files)),
        tuple(entry.path for entry in entries if entry.mode is None),
        tuple(entry.path for entry in entries if entry.mode is not None and not entry.is_file),
        frozenset(entry.path for entry in files if entry.by_link),
    )


def entries_of(folder: Path, leave_out: Callable[[str], bool], failed: Failed) -> list[Entry]:
    """What lies in a folder itself, folders among it.

    Args:
        folder: to be listed.
        leave_out: names that are not looked at.
        failed: called with what cannot be looked at, and why.

    Raises:
        OSError: the folder cannot be listed.
    """
    top = Entry(folder, os.path.realpath(folder), None, by_link=False)
    return sorted(_entries_in(top, leave_out, failed), key=lambda entry: entry.path)


def _raise(_: Path, error: OSError) -> None:
    raise error


def _entries(top: Path, leave_out: Callable[[str], bool]) -> Iterator[Entry]:
    """Everything but folders; a folder that was listed already, behind whatever name, is not listed again.

    Folders behind links come last, so that nothing that lies below ``top`` itself is come by through a link.
    """
    waiting, listed = deque([Entry(top, os.path.realpath(top), None, by_link=False)]), set[str]()
    while waiting:
        folder = waiting.popleft()
        if folder.real in listed:
            continue
        listed.add(folder.real)
        for entry in _entries_in(folder, leave_out, _raise):
            if not entry.is_folder:
                yield entry
            elif entry.by_link:
                waiting.append(entry)
            else:
                waiting.appendleft(entry)


def _entries_in(folder: Entry, leave_out: Callable[[str], bool], failed: Failed) -> Iterator[Entry]:
    with os.scandir(folder.path) as found:
        for entry in found:
            if leave_out(entry.name):
                continue
            try:
                mode = _mode(entry)
            except FileNotFoundError:
                continue  # gone since the folder was listed
            except OSError as error:
                failed(Path(entry.path), error)
                continue
            is_link = entry.is_symlink()
            real = os.path.realpath(entry.path) if is_link else f"{folder.real}{os.sep}{entry.name}"
            yield Entry(Path(entry.path), real, mode, folder.by_link or is_link)


def _mode(entry: os.DirEntry[str]) -> int | None:
    """What an entry is, behind its links; None where a link leads nowhere."""
    try:
        return entry.stat().st_mode
    except OSError as error:
        if error.errno in _NOWHERE and entry.is_symlink():
            return None
        raise


def _each_once(files: Iterable[Entry]) -> list[Entry]:
    """Of several names of one file the first without a link on its way."""
    by_file: dict[str, Entry] = {}
    for entry in sorted(files, key=lambda entry: entry.by_link):
        by_file.setdefault(entry.real, entry)
    return list(by_file.values())
