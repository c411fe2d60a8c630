"""Values of a DICOM header as plain Python values; what is absent, empty or malformed is None."""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Iterable
from datetime import date
from typing import BinaryIO

from pydicom import Dataset, FileDataset, dcmread
from pydicom.errors import BytesLengthException
from pydicom.multival import MultiValue
from pydicom.uid import UID

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


def parse(file: BinaryIO, only: list[str] | None = None) -> FileDataset:
    """Everything before the pixels, or ``only`` some keywords of it.

    Where bytes end within a sequence pydicom raises an OSError too. That is about the bytes; those with an
    errno are about the disk, and the caller's to wait out.

    Raises:
        InvalidDicomError: no DICOM file.
        PARSE_ERRORS: what starts like one goes on as something else.
        OSError: the disk.
    """
    try:
        return dcmread(file, stop_before_pixels=True, specific_tags=only)
    except OSError as error:
        if error.errno is None:
            raise EOFError(str(error)) from error
        raise


def decode_all(header: Dataset) -> None:
    """Decode every element in place and drop those that cannot be decoded.

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
