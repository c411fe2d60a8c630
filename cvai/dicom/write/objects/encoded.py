"""Items that a result repeats by the hundred, encoded without a data set for each of them.

The objects of one cine name every source image four times and describe hundreds of frames; with a data set
for each, most of the time of writing them goes there. What is encoded here is byte for byte what pydicom
writes: Explicit VR Little Endian with lengths (PS3.5 sections 7.1.2 and 7.5). A data set takes it up as a raw
element, which reads like any other.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pydicom import DataElement, Dataset
from pydicom.charset import convert_encodings, default_encoding
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_sequence_item
from pydicom.tag import Tag

NUMBER_FORMATS: Mapping[str, str] = MappingProxyType({"US": "H", "UL": "I"})
ITEM = b"\xfe\xff\x00\xe0"
"""Tag of an item, (FFFE,E000)."""


def encoded(keyword: str, *values: str | int) -> bytes:
    """A data element of text, UIDs or unsigned numbers; text is of the default repertoire.

    >>> encoded("ReferencedSOPInstanceUID", "1.2").hex(" ")
    '08 00 55 11 55 49 04 00 31 2e 32 00'
    """
    vr = dictionary_VR(keyword)
    if vr in NUMBER_FORMATS:
        value = struct.pack(f"<{len(values)}{NUMBER_FORMATS[vr]}", *values)
    elif vr == "UI":
        value = _padded((str(uid).strip() for uid in values), b"\0")
    else:
        value = _padded(map(str, values), b" ")
    return struct.pack("<HH2sH", *_tag(keyword), vr.encode(), len(value)) + value


def encoded_sequence(keyword: str, items: Iterable[bytes]) -> bytes:
    """A sequence of encoded items."""
    value = b"".join(items)
    return struct.pack("<HH2sHI", *_tag(keyword), b"SQ", 0, len(value)) + value


def encoded_item(*elements: bytes) -> bytes:
    """An item of encoded elements, which must stand in ascending order of their tags."""
    value = b"".join(elements)
    return ITEM + struct.pack("<I", len(value)) + value


def encoded_dataset(item: Dataset) -> bytes:
    """An item as pydicom encodes it; its text is ASCII."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_sequence_item(buffer, item, [default_encoding])
    return buffer.getvalue()


def put_sequence(target: Dataset, keyword: str, items: Iterable[bytes]) -> None:
    """Give a data set a sequence of encoded items."""
    tag, value = Tag(keyword), b"".join(items)
    target[tag] = RawDataElement(tag, "SQ", len(value), value, 0, False, True)


def say_encoded(instance: Dataset) -> None:
    """Tell pydicom that an object and all within it need no other encoding than they have.

    It would otherwise decode every raw element again, and search all that lies within an item, at every level
    of nesting, for elements whose VR depends on others. There are none in results.
    """
    instance.set_original_encoding(False, True, convert_encodings(instance.SpecificCharacterSet))
    _say_items_encoded(instance)


def _say_items_encoded(parent: Dataset) -> None:
    for element in parent.elements():
        if isinstance(element, DataElement) and element.VR == "SQ":
            for item in element.value:
                item.set_original_encoding(False, True, default_encoding)
                _say_items_encoded(item)


def _padded(texts: Iterable[str], padding: bytes) -> bytes:
    """Texts as an even number of bytes (PS3.5 section 6.2)."""
    value = "\\".join(texts).encode(default_encoding)
    return value + padding * (len(value) % 2)


def _tag(keyword: str) -> tuple[int, int]:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"{keyword} is not a DICOM keyword")
    return tag >> 16, tag & 0xFFFF
