"""How a file's data set is encoded, seen from its first bytes where the file does not state it.

Files without preamble and file meta information (PS3.10 section 7.1) are common in research data and old
archives, and so is file meta information without a transfer syntax. The first elements of a data set show
whether it has value representations and which byte comes first (PS3.5 section 7.1).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from pydicom.datadict import dictionary_has_tag
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, STANDARD_VR

HEAD_BYTES = 64 * 1024
"""Enough for all file meta information that was ever seen, and the first elements behind it."""

_PREFIX_AT, _PREFIX = 128, b"DICM"
_META_GROUP = 0x0002
_FIRST_GROUPS = frozenset({0x0004, 0x0008})
"""Groups with which a data set begins: those of a DICOMDIR and of everything else."""

_UNDEFINED_LENGTH = 0xFFFFFFFF
_ENOUGH_ELEMENTS = 3
"""So many elements in order, of known tags and plausible lengths, are no coincidence."""

_TRANSFER_SYNTAX_TAG = 0x00020010
_VRS = frozenset(str(vr) for vr in STANDARD_VR)
_LONG_VRS = frozenset(str(vr) for vr in EXPLICIT_VR_LENGTH_32)


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the first bytes of a file say about its encoding.

    Args:
        has_prefix: whether they hold a preamble and the prefix DICM.
        stated_syntax: transfer syntax in the file meta information, None where there is none.
        seen_syntax: the uncompressed transfer syntax that the first elements of the data set are written in;
            None where they are no elements.
        data_set_at: where the data set begins, in bytes from the file's beginning.
    """

    has_prefix: bool
    stated_syntax: UID | None
    seen_syntax: UID | None
    data_set_at: int

    @property
    def is_dicom(self) -> bool:
        """Whether the file begins as DICOM files do; it may be damaged further on."""
        return self.has_prefix or self.stated_syntax is not None or self.seen_syntax is not None

    @property
    def is_self_describing(self) -> bool:
        """Whether every DICOM library reads the file, without looking at its data set first."""
        return self.has_prefix and self.stated_syntax is not None


@dataclass(frozen=True, slots=True)
class _Element:
    tag: int
    length: int
    ends_at: int


def beginning_of(head: bytes) -> Beginning:
    """What the first ``HEAD_BYTES`` bytes of a file say about its encoding."""
    has_prefix = head[_PREFIX_AT:].startswith(_PREFIX)
    data_set_at = _PREFIX_AT + len(_PREFIX) if has_prefix else 0
    stated = UID("")
    while (element := _element(head, data_set_at, "<", is_implicit=False)) is not None:
        if element.tag >> 16 != _META_GROUP:
            break
        if element.tag == _TRANSFER_SYNTAX_TAG:
            value = head[element.ends_at - element.length : element.ends_at]
            stated = UID(value.decode("latin-1").strip("\0 "))
        data_set_at = element.ends_at
    return Beginning(has_prefix, stated or None, _seen_syntax(head, data_set_at), data_set_at)


def _seen_syntax(head: bytes, start: int) -> UID | None:
    for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian):
        first = list(islice(_elements(head, start, syntax), _ENOUGH_ELEMENTS))
        if len(first) == _ENOUGH_ELEMENTS and first[0].tag >> 16 in _FIRST_GROUPS:
            return syntax
    return None


def _elements(head: bytes, start: int, syntax: UID) -> Iterator[_Element]:
    """Elements of a data set as far as they are in order, known, of plausible length and within ``head``.

    The last one may end beyond ``head``, or be a sequence of undefined length.
    """
    order = "<" if syntax.is_little_endian else ">"
    before = -1
    while (element := _element(head, start, order, syntax.is_implicit_VR)) is not None:
        if element.tag <= before or not _is_plausible(element):
            return
        yield element
        before, start = element.tag, element.ends_at


def _element(head: bytes, start: int, order: str, is_implicit: bool) -> _Element | None:
    if len(head) < start + 8:
        return None
    group, number = struct.unpack_from(f"{order}HH", head, start)
    tag, value_at = (group << 16) | number, start + 8
    if is_implicit:
        (length,) = struct.unpack_from(f"{order}L", head, start + 4)
        return _Element(tag, length, value_at + length) if _is_known(tag) else None
    vr = head[start + 4 : start + 6].decode("latin-1")
    if vr not in _VRS:
        return None
    if vr not in _LONG_VRS:
        (length,) = struct.unpack_from(f"{order}H", head, start + 6)
        return _Element(tag, length, value_at + length)
    if len(head) < start + 12:
        return None
    (length,) = struct.unpack_from(f"{order}L", head, start + 8)
    return _Element(tag, length, value_at + 4 + length)


def _is_known(tag: int) -> bool:
    """Whether a tag is in the dictionary, a group's length, or private."""
    return dictionary_has_tag(tag) or not tag & 0xFFFF or bool((tag >> 16) & 1)


def _is_plausible(element: _Element) -> bool:
    return element.length == _UNDEFINED_LENGTH or element.length % 2 == 0
