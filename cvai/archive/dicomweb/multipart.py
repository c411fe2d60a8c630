"""Splits multipart responses (RFC 2046 5.1), and detects truncated ones.

Orthanc sends studies without a length: only the closing delimiter tells the end of a response from a lost
connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from email.message import Message

import requests

from cvai.archive.foreign_json import CHUNK_BYTES, AnswerTooLarge

LARGEST_PART_BYTES = 2_000_000_000
LARGEST_PREAMBLE_BYTES = 1_000_000
CLOSING = b"--"


class AnswerBroken(requests.RequestException):
    """The response is no multipart message, or ends before its closing delimiter."""


def parts_of(response: requests.Response, largest_bytes: int = LARGEST_PART_BYTES) -> Iterator[bytearray]:
    """Bodies of the parts of a streamed response.

    A single instance without a multipart envelope is accepted where its end is certain.

    Raises:
        AnswerBroken: see there; complete parts have been yielded before.
        AnswerTooLarge: a part is larger than ``largest_bytes``.
    """
    header = Message()
    header["Content-Type"] = response.headers.get("Content-Type", "")
    boundary = header.get_boundary()
    with response:
        chunks = response.iter_content(CHUNK_BYTES)
        if header.get_content_maintype() == "multipart" and boundary:
            yield from split(chunks, boundary.encode("latin-1", "replace"), largest_bytes)
        elif header.get_content_type() == "application/dicom" and _has_known_end(response):
            yield _joined(chunks, largest_bytes)
        else:
            raise AnswerBroken(f"not multipart but {header.get_content_maintype()}")


def split(
    chunks: Iterable[bytes], boundary: bytes, largest_bytes: int = LARGEST_PART_BYTES
) -> Iterator[bytearray]:
    """Bodies of the parts, each yielded once it is complete.

    A preamble, padding after a delimiter, and lines that end in LF alone are accepted.

    Raises:
        AnswerBroken: the chunks ended before the closing delimiter, or a part's headers have no end.
        AnswerTooLarge: a part is larger than ``largest_bytes``.

    >>> [bytes(part) for part in split([b"--x\\r\\n\\r\\nfir", b"st\\r\\n--x--"], b"x")]
    [b'first']
    """
    data = bytearray(b"\r\n")  # belongs to the first delimiter, which may come first
    pieces = iter(chunks)
    line_end = _open(data, pieces, boundary, largest_bytes)
    delimiter, searched = line_end + b"--" + boundary, 0
    while not data.startswith(CLOSING):
        if (end := data.find(delimiter, searched)) >= 0:
            body = data.find(2 * line_end, 0, end)
            if body < 0:
                raise AnswerBroken("the headers of a part have no end")
            yield data[body + 2 * len(line_end) : end]
            del data[: end + len(delimiter)]
            searched = 0
            _fill(data, pieces, largest_bytes, at_least=len(CLOSING))
        else:
            searched = max(0, len(data) - len(delimiter) + 1)
            _fill(data, pieces, largest_bytes, at_least=len(data) + 1)


def _open(data: bytearray, pieces: Iterator[bytes], boundary: bytes, largest_bytes: int) -> bytes:
    """Read and remove everything up to the first delimiter; returns the line ending."""
    opening = re.compile(rb"\n--" + re.escape(boundary) + rb"(?=--|[ \t]*(\r?\n))")
    while (found := opening.search(data)) is None:
        if len(data) > LARGEST_PREAMBLE_BYTES:
            raise AnswerBroken("the answer has no first part")
        _fill(data, pieces, largest_bytes, at_least=len(data) + 1)
    line_end = found[1] or b"\r\n"  # read before the bytes move: a match looks into the data itself
    del data[: found.end()]
    return line_end


def _fill(data: bytearray, pieces: Iterator[bytes], largest_bytes: int, at_least: int) -> None:
    """Append pieces until ``data`` has ``at_least`` bytes.

    Raises:
        AnswerBroken: there are no more.
        AnswerTooLarge: the unfinished part is too large.
    """
    while len(data) < at_least:
        piece = next(pieces, None)
        if piece is None:
            raise AnswerBroken("the answer ends before its closing delimiter")
        data += piece
        if len(data) > largest_bytes + CHUNK_BYTES:
            raise AnswerTooLarge(f"an instance of more than {largest_bytes} bytes")


def _joined(chunks: Iterable[bytes], largest_bytes: int) -> bytearray:
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > largest_bytes:
            raise AnswerTooLarge(f"an instance of more than {largest_bytes} bytes")
    return data


def _has_known_end(response: requests.Response) -> bool:
    """Whether a lost connection is detected without a closing delimiter."""
    headers = response.headers
    return "Content-Length" in headers or "chunked" in headers.get("Transfer-Encoding", "").lower()
