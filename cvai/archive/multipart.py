"""The parts of a multipart answer (RFC 2046 5.1), and whether it came to its end.

Orthanc sends studies without telling a length: a line that breaks looks like the end of the answer. Only the
closing delimiter tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from email.message import Message

import requests

CHUNK_BYTES = 1_000_000
CLOSING = b"--"
END_OF_HEADERS = b"\r\n\r\n"


class AnswerBroken(requests.RequestException):
    """The answer is no multipart message, or it ends before its closing delimiter."""


def parts_of(response: requests.Response) -> Iterator[bytearray]:
    """Bodies of the parts of an answer that is read as it comes.

    Raises:
        AnswerBroken: see there; parts that came whole have been told before.
    """
    told = Message()
    told["Content-Type"] = response.headers.get("Content-Type", "")
    boundary = told.get_boundary()
    with response:
        if told.get_content_maintype() != "multipart" or not boundary:
            raise AnswerBroken(f"not multipart but {told.get_content_type()}")
        yield from split(response.iter_content(CHUNK_BYTES), boundary.encode("ascii"))


def split(chunks: Iterable[bytes], boundary: bytes) -> Iterator[bytearray]:
    """Bodies of the parts, each once its end has come.

    Raises:
        AnswerBroken: the chunks ended before the closing delimiter.

    >>> [bytes(part) for part in split([b"--x\\r\\n\\r\\nfir", b"st\\r\\n--x--"], b"x")]
    [b'first']
    """
    delimiter = b"\r\n--" + boundary
    data = bytearray(b"\r\n")  # belongs to the first delimiter, which may stand at the very beginning
    opened, searched = False, 0
    for chunk in chunks:
        data += chunk
        while (end := data.find(delimiter, searched)) >= 0:
            body = data.find(END_OF_HEADERS, 0, end)
            if opened and body >= 0:
                yield data[body + len(END_OF_HEADERS) : end]
            del data[: end + len(delimiter)]
            opened, searched = True, 0
        searched = max(0, len(data) - len(delimiter) + 1)
    if not (opened and data.startswith(CLOSING)):
        raise AnswerBroken("the answer ends before its closing delimiter")
