"""Deflated files are read only where what they inflate to fits into memory."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from pydicom.uid import DeflatedExplicitVRLittleEndian

from cvai.dicom.read.header.encoding import HEAD_BYTES, beginning_of
from cvai.domain.message import say
from cvai.errors import FileRefused

LARGEST_DATA_SET_BYTES = 1024**3
"""Of one deflated instance: pydicom holds it in memory as a whole."""

_PIECE_BYTES = 1024**2


def require_bounded(file: BinaryIO, largest_bytes: int = LARGEST_DATA_SET_BYTES) -> None:
    """Refuse a deflated file that inflates to more than ``largest_bytes``, without inflating it further.

    Whatever is no deflated file passes. ``file`` is at its beginning before and after.

    Raises:
        FileRefused: ``inflates_too_far``.
        zlib.error: what is deflated is damaged.
    """
    begins = beginning_of(file.read(HEAD_BYTES))
    if begins.stated_syntax == DeflatedExplicitVRLittleEndian:
        file.seek(begins.data_set_at)
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
                say("A deflated file holds more than {size_mib:.0f} MiB.", size_mib=largest_bytes / 1024**2),
                say("Send it in Explicit VR Little Endian."),
            )
