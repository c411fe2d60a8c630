"""Values of a DICOM header as plain Python values; what is absent, empty or malformed is None."""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Callable, Iterable
from datetime import date
from typing import BinaryIO

from pydicom import Dataset, FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from cvai.dicom.read.faults import byte_errors
from cvai.dicom.read.header.deflated import require_bounded
from cvai.dicom.read.header.encoding import HEAD_BYTES, Beginning, beginning_of

UID_PATTERN = re.compile(r"[0-9]+(\.[0-9]+)*")
"""Looser than PS3.5 section 9.1 on purpose: components with leading zeros exist, and are kept as they are.
Folders and files are named by what is like this."""

DECODE_ERRORS = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    NotImplementedError,
    OverflowError,
    EOFError,
)
"""What pydicom raises when the bytes of one element are no value of its VR."""

PARSE_ERRORS = (
    *DECODE_ERRORS,
    struct.error,
    zlib.error,
    BytesLengthException,
    RecursionError,
    MemoryError,
)
"""What pydicom raises on bytes that start like DICOM and go on as something else."""


_LAST_UID_OF_IDENTITY = Tag("SeriesInstanceUID")
_PIXELS = (Tag("FloatPixelData"), Tag("DoubleFloatPixelData"), Tag("PixelData"))


def parse(file: BinaryIO) -> FileDataset:
    """Everything before the pixels; ``file`` is left where they begin.

    Files without preamble, without file meta information or without a transfer syntax are read where the
    first elements show how they are encoded; ``TransferSyntaxUID`` of the header's file meta is set then.

    Where bytes end within a sequence pydicom raises an OSError too, which is an EOFError here.

    Raises:
        InvalidDicomError: no DICOM file.
        FileRefused: ``inflates_too_far``.
        PARSE_ERRORS: what starts like one goes on as something else.
        OSError: the disk.
    """
    return _parsed(file, lambda tag: tag in _PIXELS)


def parse_identity(file: BinaryIO, keywords: Iterable[str] = ()) -> FileDataset:
    """The UIDs that place an instance and the elements before them; see ``parse``.

    What is damaged behind them does no harm, and is not read.

    Args:
        file: at its beginning.
        keywords: the only ones to be read, where any are given.
    """
    return _parsed(file, lambda tag: tag > _LAST_UID_OF_IDENTITY, keywords)


def parse_some(file: BinaryIO, keywords: Iterable[str]) -> FileDataset:
    """Some keywords of a header; see ``parse``."""
    return _parsed(file, lambda tag: tag in _PIXELS, keywords)


def parse_whole(file: BinaryIO) -> FileDataset:
    """A data set with its pixels in memory; see ``parse``."""
    return _parsed(file, lambda _: False)


def _parsed(
    file: BinaryIO, is_beyond: Callable[[BaseTag], bool], keywords: Iterable[str] = ()
) -> FileDataset:
    require_bounded(file)
    begins = read_beginning(file)
    if not begins.is_dicom:
        raise InvalidDicomError
    if begins.data_set_at > HEAD_BYTES:
        raise EOFError(f"file meta information of more than {HEAD_BYTES} bytes")
    with byte_errors():
        header = read_partial(
            file,
            stop_when=lambda tag, _vr, _length: is_beyond(tag),
            force=not begins.has_prefix,
            specific_tags=[Tag(keyword) for keyword in keywords],
        )
    seen = begins.seen_syntax
    if begins.stated_syntax is None and seen and header.original_encoding == _encoding_of(seen):
        header.file_meta.TransferSyntaxUID = seen
    return header


def _encoding_of(syntax: UID) -> tuple[bool, bool]:
    return syntax.is_implicit_VR, syntax.is_little_endian


def read_beginning(file: BinaryIO) -> Beginning:
    """What a file says about its encoding; it is at its beginning before and after."""
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return beginning_of(head)


def decode_all(header: Dataset) -> None:
    """Decode every element in place, file meta information included, and drop those that cannot be decoded.

    pydicom decodes on first access; doing it here keeps surprises away from everybody who reads the header
    later. A malformed patient weight must not stop a study, and a malformed position is an absent position.
    """
    for tag in list(header.keys()):
        try:
            element = header[tag]
        except (*DECODE_ERRORS, OSError):  # a sequence that ends early; no disk is involved here
            del header[tag]
            continue
        if element.VR == "SQ":
            for item in element.value:
                decode_all(item)
    if isinstance(header, FileDataset):
        decode_all(header.file_meta)


def numbers(header: Dataset, keyword: str) -> tuple[float, ...] | None:
    """All values of a numeric element, None unless every one is a finite number."""
    value = header.get(keyword)
    values = list(value) if isinstance(value, MultiValue | list) else [value]
    try:
        converted = tuple(float(v) for v in values)
    except (TypeError, ValueError):
        return None
    return converted if all(math.isfinite(v) for v in converted) else None


def number(header: Dataset, *keywords: str) -> float | None:
    """The single value of the first of ``keywords`` that has one."""
    for keyword in keywords:
        values = numbers(header, keyword)
        if values is not None and len(values) == 1:
            return values[0]
    return None


def whole_number(header: Dataset, *keywords: str) -> int | None:
    """The single value of the first of ``keywords`` that has one, if it is whole."""
    value = number(header, *keywords)
    return int(value) if value is not None and value.is_integer() else None


def texts(header: Dataset, keyword: str) -> tuple[str, ...]:
    """All values of a text element, upper case, stripped; empty where absent."""
    value = header.get(keyword)
    values: Iterable[object] = value if isinstance(value, MultiValue | list) else (value,)
    return tuple(str(v).strip().upper() for v in values if v not in (None, ""))


def uid(header: Dataset, keyword: str) -> str:
    """A UID as it is written; empty where absent."""
    value = header.get(keyword)
    return str(value).strip() if isinstance(value, UID | str) else ""


def items(header: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Items of a sequence; empty where absent, or where a damaged header gives it another representation."""
    value = header.get(keyword)
    return tuple(value) if isinstance(value, Sequence) else ()


def time_of_day_s(header: Dataset, keyword: str) -> float | None:
    """A TM element as seconds since midnight (PS3.5 6.2, HHMMSS.FFFFFF; HHMM and HH are times too)."""
    written = (texts(header, keyword) or ("",))[0].replace(":", "")
    try:
        hours, minutes, seconds = int(written[0:2]), int(written[2:4] or 0), float(written[4:] or 0)
    except ValueError:
        return None
    return hours * 3600.0 + minutes * 60.0 + seconds


def calendar_date(header: Dataset, keyword: str) -> date | None:
    """A DA element that is in the calendar (PS3.5 6.2, YYYYMMDD); real headers hold ``20120000``."""
    written = (texts(header, keyword) or ("",))[0]
    try:
        return date(int(written[0:4]), int(written[4:6]), int(written[6:])) if len(written) == 8 else None
    except ValueError:
        return None
