"""Text from headers and people, without characters that print nothing and may do harm where it is shown.

No text attribute of DICOM may hold control characters but ESC, which UTF-8 has no use for, and line ends in
long texts (PS3.5 section 6.1.3). Characters that turn the direction of what follows (U+202E and its like)
make a name look like another one.
"""

from __future__ import annotations

import unicodedata

from pydicom import Dataset
from pydicom.multival import MultiValue

JOINERS = "\u200c\u200d"
"""Invisible, and part of how words of some scripts are written."""

_INVISIBLE = frozenset({"Cc", "Cf", "Cs"})


def without_controls(text: str) -> str:
    """Text without controls, formatting characters and halves of characters.

    >>> without_controls("Doe\\u202e\\x00, Jane")
    'Doe, Jane'
    """
    return "".join(c for c in text if c in JOINERS or unicodedata.category(c) not in _INVISIBLE)


def one_line(text: str) -> str:
    """The same on one line: what breaks or indents lines becomes a space.

    >>> one_line("No heart\\r\\nseen\\x07")
    'No heart seen'
    """
    return without_controls(" ".join(_split_lines(text)))


def stated_text(header: Dataset, keyword: str) -> str:
    """A text as it stands in the header but for controls; of several values the backslashes stay between."""
    value = header.get(keyword)
    return one_line("\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value or ""))


def lines(text: str) -> str:
    """The same with the ends of its lines but the last, each as CR LF.

    >>> lines("No heart\\nseen\\x07")
    'No heart\\r\\nseen'
    """
    return "\r\n".join(map(without_controls, _split_lines(text))).rstrip("\r\n")


def _split_lines(text: str) -> list[str]:
    """Lines of a text, tabs as spaces."""
    return text.replace("\t", " ").splitlines() or [""]
