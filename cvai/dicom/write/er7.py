"""HL7 v2's vertical bar encoding (2.5.1, chapter 2): fields, components and the characters that part them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cvai.dicom.read.header.text import one_line

VERSION = "2.5.1"
ENCODING_CHARACTERS = "^~\\&"
SEGMENT_END = "\r"

_ESCAPED = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})


def escaped(text: str) -> str:
    r"""A text on one line in which nothing parts fields or components (section 2.7.1).

    >>> escaped("Smith & Son | 5^2 ~ C:\\x")
    'Smith \\T\\ Son \\F\\ 5\\S\\2 \\R\\ C:\\E\\x'
    """
    return one_line(text).translate(_ESCAPED)


def components(*texts: str) -> str:
    r"""A field of several components, each escaped; empty ones at the end are left out.

    >>> components("Hart", "Ada & Co", "", "")
    'Hart^Ada \\T\\ Co'
    """
    return "^".join(map(escaped, texts)).rstrip("^")


def subcomponents(*texts: str) -> str:
    r"""A component of several parts, as ``components``; to be placed into a field as it is."""
    return "&".join(map(escaped, texts)).rstrip("&")


def joined(*encoded: str) -> str:
    """A field of components that are encoded already; empty ones at the end are left out."""
    return "^".join(encoded).rstrip("^")


def segment(name: str, fields: Mapping[int, str]) -> str:
    """A segment with its fields by number, which are encoded already.

    >>> segment("NTE", {1: "1", 3: "text"})
    'NTE|1||text'
    """
    last = max((number for number, value in fields.items() if value), default=0)
    return "|".join([name, *(fields.get(number, "") for number in range(1, last + 1))])


def message(segments: Iterable[str]) -> str:
    """A message of these segments, each with its end."""
    return "".join(f"{line}{SEGMENT_END}" for line in segments)


def split_message(text: str) -> list[list[str]]:
    """Segments of a message, each as its name and fields: number n of it is field n, but in MSH n - 1.

    >>> split_message("NTE|1||text" + SEGMENT_END)
    [['NTE', '1', '', 'text']]
    """
    return [line.split("|") for line in text.split(SEGMENT_END) if line]


def rejoined(segments: Iterable[Iterable[str]]) -> str:
    """Inverse of ``split_message``."""
    return message("|".join(fields) for fields in segments)
