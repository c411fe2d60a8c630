"""Whether the pixels a header promises are really in the file, seen without decoding them."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from pydicom import FileDataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from cvai.dicom.read.header.attributes import uid, whole_number
from cvai.domain.message import say
from cvai.errors import FileRefused

_UNDEFINED_LENGTH = 0xFFFFFFFF
_ITEM = 0xFFFEE000
_SEQUENCE_END = 0xFFFEE0DD
_OFFSET_BYTES = 4
"""Of an entry of the Basic Offset Table, one for each frame (PS3.5 A.4)."""
_MOST_PADDING = 0.1
"""Share of a frame that may follow the pixels: some writers fill up to a block."""


def pixel_data_defect(file: BinaryIO, header: FileDataset) -> FileRefused | None:
    """What keeps the pixels of an image from being decoded, None where nothing does.

    Args:
        file: positioned where reading the header stopped: at the Pixel Data element, or at the file's end.
        header: the header as read with ``stop_before_pixels``.
    """
    return _transfer_syntax_defect(header) or _length_defect(file, header)


def _transfer_syntax_defect(header: FileDataset) -> FileRefused | None:
    syntax = _syntax(header)
    if _has_decoder(syntax):
        return None
    named = f"{syntax.name} ({syntax})" if syntax.name != syntax else syntax
    return _unsupported(header, named or say("(none stated)"))


def _syntax(header: FileDataset) -> UID:
    return UID(uid(header.file_meta, "TransferSyntaxUID"))


def _unsupported(header: FileDataset, syntax: str) -> FileRefused:
    return FileRefused(
        "unsupported_transfer_syntax",
        say(
            "Instance {instance} is stored with transfer syntax {syntax}, which cannot be decoded here.",
            instance=uid(header, "SOPInstanceUID"),
            syntax=syntax,
        ),
        say("Ask the archive for Explicit VR Little Endian."),
    )


def _has_decoder(syntax: UID) -> bool:
    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False


def _length_defect(file: BinaryIO, header: FileDataset) -> FileRefused | None:
    if header.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
        return None  # the compressed stream was checked as a whole when the header was read
    is_implicit, is_little = header.original_encoding
    declared_bytes = _pixel_data_length(file, bool(is_implicit), "<" if is_little else ">")
    if declared_bytes is None:
        return _truncated(header, say("the file ends before its pixel data"))
    if declared_bytes == _UNDEFINED_LENGTH:
        return _fragments_defect(file, header) or _codec_defect(header)
    return _native_defect(min(declared_bytes, _bytes_left(file)), header)


def _native_defect(present_bytes: int, header: FileDataset) -> FileRefused | None:
    """Uncompressed pixels that are fewer or more than the header describes."""
    expected_bytes = _expected_bytes(header)
    if expected_bytes is None:
        return FileRefused(
            "unreadable_header",
            say("Instance {instance} does not describe its pixels.", instance=uid(header, "SOPInstanceUID")),
            say("Send the instance again from the scanner or archive."),
        )
    if present_bytes < expected_bytes:
        return _truncated(
            header,
            say(
                "its pixel data holds {present_bytes} of {expected_bytes} bytes",
                present_bytes=present_bytes,
                expected_bytes=expected_bytes,
            ),
        )
    frame_bytes = expected_bytes / _n_frames(header)
    if _is_grey(header) and present_bytes - expected_bytes > _MOST_PADDING * frame_bytes:
        return _not_described(
            header,
            say(
                "its pixel data holds {present_bytes} bytes, {expected_bytes} of which the header describes",
                present_bytes=present_bytes,
                expected_bytes=expected_bytes,
            ),
        )
    return None


def _n_frames(header: FileDataset) -> int:
    return whole_number(header, "NumberOfFrames") or 1


def _is_grey(header: FileDataset) -> bool:
    """Colours with every sample are often labelled as colours with half of them."""
    return whole_number(header, "SamplesPerPixel") == 1


def _pixel_data_length(file: BinaryIO, is_implicit: bool, byte_order: str) -> int | None:
    """Length stated in the Pixel Data element (PS3.5 7.1), None at the end; leaves file at the value."""
    element = file.read(8 if is_implicit else 12)
    layout = f"{byte_order}HHL" if is_implicit else f"{byte_order}HH4xL"
    if len(element) < struct.calcsize(layout):
        return None
    group, _, length = struct.unpack(layout, element)
    return int(length) if group == 0x7FE0 else None


def _bytes_left(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size - file.tell()


def _expected_bytes(header: FileDataset) -> int | None:
    try:
        return int(get_expected_length(header, unit="bytes"))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _fragments_defect(file: BinaryIO, header: FileDataset) -> FileRefused | None:
    """Walk over the items of encapsulated pixel data (PS3.5 A.4); every frame has one fragment or more."""
    lengths = []
    while len(item := file.read(8)) == 8:
        group, element, length = struct.unpack("<HHL", item)
        tag = (group << 16) | element
        if tag == _SEQUENCE_END:
            break
        if tag != _ITEM or length > _bytes_left(file):
            return _truncated(header, say("its compressed pixel data breaks off"))
        file.seek(length, os.SEEK_CUR)
        lengths.append(length)
    n_fragments, n_frames = len(lengths) - 1, _n_frames(header)  # the first item is the offset table
    if n_fragments < n_frames:
        return _truncated(
            header,
            say(
                "it holds {n_fragments} compressed fragments for {n_frames} frames",
                n_fragments=max(n_fragments, 0),
                n_frames=n_frames,
            ),
        )
    n_offsets = lengths[0] // _OFFSET_BYTES
    if n_offsets > n_frames:
        return _not_described(
            header,
            say(
                "it holds {n_offsets} compressed frames, {n_frames} of which the header describes",
                n_offsets=n_offsets,
                n_frames=n_frames,
            ),
        )
    return None


def _codec_defect(header: FileDataset) -> FileRefused | None:
    """Compressed pixels in a file that states no compression, or nothing."""
    syntax = _syntax(header)
    return (
        None
        if syntax.is_encapsulated
        else _unsupported(header, say("{syntax} and compressed pixels", syntax=syntax))
    )


def _truncated(header: FileDataset, how: str) -> FileRefused:
    return FileRefused(
        "truncated_file",
        say(
            "Instance {instance} is incomplete: {reason}.", instance=uid(header, "SOPInstanceUID"), reason=how
        ),
        say("Send the instance again from the scanner or archive."),
    )


def _not_described(header: FileDataset, how: str) -> FileRefused:
    return FileRefused(
        "pixels_not_described",
        say(
            "The header of instance {instance} does not fit its pixels: {reason}.",
            instance=uid(header, "SOPInstanceUID"),
            reason=how,
        ),
        say("Correct Rows, Columns, BitsAllocated or NumberOfFrames, or send the instance again."),
    )
