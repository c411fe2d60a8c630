"""Pixels of chosen images, decoded only when they are needed."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from cvai.errors import FileRefused
from cvai.study.faults import disk_faults
from cvai.study.frames import frame_attributes
from cvai.study.header import DECODE_ERRORS, number, parse_whole, read_beginning, texts, uid, whole_number
from cvai.study.tolerance import tolerating_values
from cvai.study.values import ImagePlane

LARGEST_CINE_BYTES = 4 * 1024**3
"""As numbers of 32 bits: 20 slices of 50 phases of 1024 x 1024 pixels."""

PIXEL_ERRORS = (*DECODE_ERRORS, OSError, RuntimeError, IndexError, struct.error)
"""What pydicom and its decoders raise on pixel data they cannot decode."""


def intensities(planes: Sequence[ImagePlane]) -> NDArray[np.float32]:
    """(n, y, x) values after the modality rescale, in the order of ``planes``, all of one matrix.

    Raises:
        FileRefused: an image has a known defect, ``pixel_data_unreadable`` or ``cine_too_large``.
        TemporarilyUnavailable: the disk failed.
    """
    _require_room(planes)
    by_file: dict[Path, list[int]] = defaultdict(list)
    for i, plane in enumerate(planes):
        if plane.defect is not None:
            raise plane.defect
        by_file[plane.path].append(i)
    values = np.empty((len(planes), planes[0].rows, planes[0].columns), dtype=np.float32)
    with tolerating_values():
        for members in by_file.values():
            frames = _frames_of([planes[i] for i in members])
            for i, stored in zip(members, frames, strict=True):
                values[i] = _rescaled(planes[i], stored)
    return values


def _require_room(planes: Sequence[ImagePlane]) -> None:
    """A few compressed bytes may state any matrix."""
    n_bytes = 4 * len(planes) * planes[0].rows * planes[0].columns
    if n_bytes > LARGEST_CINE_BYTES:
        raise FileRefused(
            "cine_too_large",
            f"The cine states {len(planes)} images of {planes[0].columns} x {planes[0].rows} pixels: "
            f"{n_bytes / 1024**3:.0f} GiB.",
            "Send the cine as the scanner stored it.",
        )


def pixel_source(path: Path) -> Path | Dataset:
    """What pydicom takes frames from: the file, in which it seeks them, where it can read that.

    A file that is deflated as a whole, or does not state how it is encoded, is read into memory.
    """
    with path.open("rb") as file:
        begins = read_beginning(file)
        if begins.is_self_describing and begins.stated_syntax != DeflatedExplicitVRLittleEndian:
            return path
        return parse_whole(file)


def _frames_of(planes: Sequence[ImagePlane]) -> list[NDArray[np.generic]]:
    """Stored values of frames of one file; each array is (y, x)."""
    indices = [plane.frame_number - 1 for plane in planes if plane.frame_number is not None]
    try:
        with disk_faults():
            source = pixel_source(planes[0].path)
            stored = iter_pixels(source, indices=indices or None, raw=True, correct_unused_bits=False)
            frames = list(stored)
    except PIXEL_ERRORS as error:
        raise _unreadable(planes[0], type(error).__name__) from error
    if len(frames) != len(planes):
        raise _unreadable(planes[0], f"{len(frames)} of {len(planes)} frames")
    return frames


def _rescaled(plane: ImagePlane, stored: NDArray[np.generic]) -> NDArray[np.float32]:
    """Modality LUT of PS3.3 C.11.1; MONOCHROME1, where low values are bright, is turned over first."""
    if stored.shape != (plane.rows, plane.columns):
        raise _unreadable(plane, f"decodes to shape {stored.shape}")
    values = _within_stored_bits(plane, stored).astype(np.float32)
    if texts(plane.header, "PhotometricInterpretation") == ("MONOCHROME1",):
        values = _turned_over(plane, values)
    source = frame_attributes(plane.header, plane.frame_number, "PixelValueTransformationSequence")
    slope, intercept = number(source, "RescaleSlope"), number(source, "RescaleIntercept")
    if slope == 0:
        raise _unreadable(plane, "its RescaleSlope is 0")
    return values * np.float32(1.0 if slope is None else slope) + np.float32(intercept or 0.0)


def _within_stored_bits(plane: ImagePlane, stored: NDArray[np.generic]) -> NDArray[np.generic]:
    """Values of BitsStored bits below HighBit (PS3.5 8.1.1); what stands in the other bits is not the
    image's.

    Decoders of compressed pixels leave the stored bits alone; old native images keep overlays above them, or
    lie at the upper end of their words.
    """
    words = np.asarray(stored)
    n_allocated = 8 * words.dtype.itemsize
    n_stored = whole_number(plane.header, "BitsStored") or n_allocated
    high = whole_number(plane.header, "HighBit")
    shift = 0 if high is None or _is_compressed(plane) else high + 1 - n_stored
    if not 0 < n_stored <= n_allocated or not 0 <= shift <= n_allocated - n_stored:
        raise _unreadable(plane, f"BitsStored {n_stored} and HighBit {high} in words of {n_allocated} bits")
    is_signed = words.dtype.kind == "i"
    low, top = (-(2 ** (n_stored - 1)), 2 ** (n_stored - 1) - 1) if is_signed else (0, 2**n_stored - 1)
    if shift == 0 and words.min() >= low and words.max() <= top:
        return words
    bits = (words.view(f"u{words.dtype.itemsize}") >> shift).astype(np.int64) & (2**n_stored - 1)
    return np.asarray(np.where(bits > top, bits - 2**n_stored, bits))


def _is_compressed(plane: ImagePlane) -> bool:
    stated = uid(getattr(plane.header, "file_meta", Dataset()), "TransferSyntaxUID")
    return bool(stated) and UID(stated).is_transfer_syntax and UID(stated).is_compressed


def _turned_over(plane: ImagePlane, values: NDArray[np.float32]) -> NDArray[np.float32]:
    bits_stored = whole_number(plane.header, "BitsStored") or 16
    is_signed = whole_number(plane.header, "PixelRepresentation") == 1
    return np.float32(-1.0 if is_signed else 2**bits_stored - 1) - values


def _unreadable(plane: ImagePlane, how: str) -> FileRefused:
    return FileRefused(
        "pixel_data_unreadable",
        f"The pixels of instance {plane.sop_instance_uid} cannot be decoded ({how}).",
        "Send the instance again, uncompressed if possible.",
    )
