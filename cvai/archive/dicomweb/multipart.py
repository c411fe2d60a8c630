"""The parts of a multipart answer (RFC 2046 5.1), and whether it came to its end.

Orthanc sends studies without telling a length: a line that breaks looks like the end of the answer. Only the
closing delimiter tells them apart.
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
    """The answer is no multipart message, or it ends before its closing delimiter."""


def parts_of(response: requests.Response, largest_bytes: int = LARGEST_PART_BYTES) -> Iterator[bytearray]:
    """Bodies of the parts of an answer that is read as it comes.

    A single instance that is sent bare, without the envelope, is understood where its end is certain.

    Raises:
        AnswerBroken: see there; parts that came whole have been told before.
        AnswerTooLarge: a part is larger than that.
    """
    told = Message()
    told["Content-Type"] = response.headers.get("Content-Type", "")
    boundary = told.get_boundary()
    with response:
        chunks = response.iter_content(CHUNK_BYTES)
        if told.get_content_maintype() == "multipart" and boundary:
            yield from split(chunks, boundary.encode("latin-1", "replace"), largest_bytes)
        elif told.get_content_type() == "application/dicom" and _tells_its_end(response):
            yield _joined(chunks, largest_bytes)
        else:
            raise AnswerBroken(f"not multipart but {told.get_content_maintype()}")


def split(
    chunks: Iterable[bytes], boundary: bytes, largest_bytes: int = LARGEST_PART_BYTES
) -> Iterator[bytearray]:
    """Bodies of the parts, each once its end has come.

    Text before the first part, padding behind a delimiter, and lines that end in LF alone are understood.

    Raises:
        AnswerBroken: the chunks ended before the closing delimiter, or a part's headers have no end.
        AnswerTooLarge: a part is larger than that.

    >>> [bytes(part) for part in split([b"--x\\r\\n\\r\\nfir", b"st\\r\\n--x--"], b"x")]
    [b'first']
    """
    data = bytearray(b"\r\n")  # belongs to the first delimiter, which may stand at the very beginning
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
            _more(data, pieces, largest_bytes, at_least=len(CLOSING))
        else:
            searched = max(0, len(data) - len(delimiter) + 1)
            _more(data, pieces, largest_bytes, at_least=len(data) + 1)


def _open(data: bytearray, pieces: Iterator[bytes], boundary: bytes, largest_bytes: int) -> bytes:
    """Read up to the first delimiter, which is taken off; returns how lines end."""
    opening = re.compile(rb"\n--" + re.escape(boundary) + rb"(?=--|[ \t]*(\r?\n))")
    while (found := opening.search(data)) is None:
        if len(data) > LARGEST_PREAMBLE_BYTES:
            raise AnswerBroken("the answer does not come to its first part")
        _more(data, pieces, largest_bytes, at_least=len(data) + 1)
    line_end = found[1] or b"\r\n"  # read before the bytes move: a match looks into the data itself
    del data[: found.end()]
    return line_end


def _more(data: bytearray, pieces: Iterator[bytes], largest_bytes: int, at_least: int) -> None:
    """Append pieces until ``data`` has so many bytes.

    Raises:
        AnswerBroken: there are no more.
        AnswerTooLarge: what has not come to its end is too large already.
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


def _tells_its_end(response: requests.Response) -> bool:
    """Whether a line that breaks is noticed without a closing delimiter."""
    headers = response.headers
    return "Content-Length" in headers or "chunked" in headers.get("Transfer-Encoding", "").lower()
