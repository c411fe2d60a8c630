"""Deflated files are read only where what they inflate to fits into memory."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from cvai.errors import FileRefused

LARGEST_DATA_SET_BYTES = 1024**3
"""Of one deflated instance: pydicom holds it in memory as a whole."""

_HEAD_BYTES = 64 * 1024
_PIECE_BYTES = 1024**2
_STATED = b"\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.1.99"
"""TransferSyntaxUID of Deflated Explicit VR Little Endian, as file meta information has it (PS3.10 7.1)."""

_GROUP_LENGTH_AT, _GROUP_LENGTH_ENDS = 140, 144


def require_bounded(file: BinaryIO, largest_bytes: int = LARGEST_DATA_SET_BYTES) -> None:
    """Refuse a deflated file that inflates to more than ``largest_bytes``, without inflating it further.

    Whatever is no deflated file passes. ``file`` is at its beginning before and after.

    Raises:
        FileRefused: ``inflates_too_far``.
        zlib.error: what is deflated is damaged, or does not begin where the file says.
    """
    head = file.read(_HEAD_BYTES)
    if _STATED in head:
        begins = _GROUP_LENGTH_ENDS + int.from_bytes(head[_GROUP_LENGTH_AT:_GROUP_LENGTH_ENDS], "little")
        file.seek(begins)
        _count(file, largest_bytes)
    file.seek(0)


def _count(file: BinaryIO, largest_bytes: int) -> None:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    n_bytes, rest = 0, b""
    while not inflater.eof and (rest := rest or file.read(_PIECE_BYTES)):
        n_bytes += len(inflater.decompress(rest, _PIECE_BYTES))
        rest = inflater.unconsumed_tail
        if n_bytes > largest_bytes:
            raise FileRefused(
                "inflates_too_far",
                f"A deflated file holds more than {largest_bytes / 1024**2:.0f} MiB.",
                "Send it in Explicit VR Little Endian.",
            )
