"""Pixels of chosen images, decoded only when they are needed."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from cvai.dicom.read.faults import disk_faults
from cvai.dicom.read.header.attributes import (
    DECODE_ERRORS,
    number,
    parse_whole,
    read_beginning,
    texts,
    uid,
    whole_number,
)
from cvai.dicom.read.header.tolerance import tolerating_values
from cvai.dicom.read.pixels.frames import frame_attributes
from cvai.dicom.read.pixels.padding import padding_of
from cvai.dicom.read.values import ImagePlane
from cvai.domain.cine import STORED_TYPES
from cvai.domain.message import say
from cvai.errors import FileRefused

LARGEST_CINE_BYTES = 4 * 1024**3
"""As numbers of 32 bits: 20 slices of 50 phases of 1024 x 1024 pixels."""

PIXEL_ERRORS = (*DECODE_ERRORS, OSError, RuntimeError, IndexError, struct.error)
"""What pydicom and its decoders raise on pixel data they cannot decode."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredPixels:
    """Images in the type they are stored in.

    Args:
        values: (n, y, x) of one of ``STORED_TYPES``; MONOCHROME1, where low values are bright, turned over;
            padding as dark as the darkest pixel.
        slopes: (n,) RescaleSlope, 1 where none is stated.
        intercepts: (n,) RescaleIntercept, 0 where none is stated.
    """

    values: NDArray[np.number[Any]]
    slopes: NDArray[np.float32]
    intercepts: NDArray[np.float32]


def stored_pixels(planes: Sequence[ImagePlane]) -> StoredPixels:
    """Images in the order of ``planes``, all of one matrix, decoded one by one.

    They have the type that all of them are stored in; where types differ, the smallest one that holds all.
    Words of more than 16 bits become float32.

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
    values: NDArray[np.number[Any]] | None = None
    slopes, intercepts = np.ones(len(planes), np.float32), np.zeros(len(planes), np.float32)
    with tolerating_values():
        for members in by_file.values():
            frames = _frames_of([planes[i] for i in members])
            for i, words in zip(members, frames, strict=True):
                image = _intensity_order(planes[i], words)
                values = _with_room_for(image, values, len(planes))
                values[i] = image
                slopes[i], intercepts[i] = _rescale(planes[i])
    if values is None:
        raise ValueError("there are no images")
    return StoredPixels(values, slopes, intercepts)


def intensities(planes: Sequence[ImagePlane]) -> NDArray[np.float32]:
    """(n, y, x) values after the modality rescale (PS3.3 C.11.1); see ``stored_pixels``."""
    stored = stored_pixels(planes)
    slopes, intercepts = (a[:, np.newaxis, np.newaxis] for a in (stored.slopes, stored.intercepts))
    return np.asarray(stored.values.astype(np.float32) * slopes + intercepts)


def _with_room_for(
    image: NDArray[np.number[Any]], values: NDArray[np.number[Any]] | None, n_images: int
) -> NDArray[np.number[Any]]:
    """``values`` as they are, or in a type that holds ``image`` too."""
    if values is None:
        return np.empty((n_images, *image.shape), dtype=image.dtype)
    if image.dtype == values.dtype:
        return values
    common = np.result_type(image.dtype, values.dtype)
    return values.astype(common if common in STORED_TYPES else np.float32, copy=False)


def _require_room(planes: Sequence[ImagePlane]) -> None:
    """A few compressed bytes may state any matrix."""
    n_bytes = 4 * len(planes) * planes[0].rows * planes[0].columns
    if n_bytes > LARGEST_CINE_BYTES:
        raise FileRefused(
            "cine_too_large",
            say(
                "The cine states {n_images} images of {columns} x {rows} pixels: {size_gib:.0f} GiB.",
                n_images=len(planes),
                columns=planes[0].columns,
                rows=planes[0].rows,
                size_gib=n_bytes / 1024**3,
            ),
            say("Send the cine as the scanner stored it."),
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


def _frames_of(planes: Sequence[ImagePlane]) -> Iterator[NDArray[np.generic]]:
    """Stored values of frames of one file, decoded one by one; each array is (y, x)."""
    indices = [plane.frame_number - 1 for plane in planes if plane.frame_number is not None]
    n_frames = 0
    try:
        with disk_faults():
            source = pixel_source(planes[0].path)
            for frame in iter_pixels(source, indices=indices or None, raw=True, correct_unused_bits=False):
                n_frames += 1
                if n_frames <= len(planes):
                    yield frame
    except PIXEL_ERRORS as error:
        raise unreadable(planes[0], type(error).__name__) from error
    if n_frames != len(planes):
        raise unreadable(
            planes[0], say("{n_frames} of {n_images} frames", n_frames=n_frames, n_images=len(planes))
        )


def _rescale(plane: ImagePlane) -> tuple[float, float]:
    """Slope and intercept of the modality rescale."""
    source = frame_attributes(plane.header, plane.frame_number, "PixelValueTransformationSequence")
    slope, intercept = number(source, "RescaleSlope"), number(source, "RescaleIntercept")
    if slope == 0:
        raise unreadable(plane, say("its RescaleSlope is 0"))
    return 1.0 if slope is None else slope, intercept or 0.0


def _intensity_order(plane: ImagePlane, stored: NDArray[np.generic]) -> NDArray[np.number[Any]]:
    """Values of the image, of one of STORED_TYPES; MONOCHROME1, where low values are bright, turned over."""
    if stored.shape != (plane.rows, plane.columns):
        raise unreadable(plane, say("decodes to shape {shape}", shape=str(stored.shape)))
    values = _within_stored_bits(plane, stored)
    is_padding = padding_of(plane.header, values)
    own_type: np.dtype[Any] = stored.dtype.newbyteorder("=")
    if own_type not in STORED_TYPES:
        own_type = np.dtype(np.float32)
        values = values.astype(own_type)
    if texts(plane.header, "PhotometricInterpretation") == ("MONOCHROME1",):
        values = _turned_over(plane, values)
        limits = np.iinfo(own_type) if own_type.kind in "iu" else None
        if limits is not None and not limits.min <= values.min() <= values.max() <= limits.max:
            own_type = np.dtype(np.float32)
    if is_padding is not None:
        values = np.where(is_padding, values[~is_padding].min(), values)
    return values.astype(own_type, copy=False)


def _within_stored_bits(plane: ImagePlane, stored: NDArray[np.generic]) -> NDArray[np.number[Any]]:
    """Values of BitsStored bits below HighBit (PS3.5 8.1.1); what stands in the other bits is not the
    image's.

    Decoders of compressed pixels leave the stored bits alone; old native images keep overlays above them, or
    lie at the upper end of their words.
    """
    words: NDArray[Any] = np.asarray(stored)
    n_allocated = 8 * words.dtype.itemsize
    n_stored = whole_number(plane.header, "BitsStored") or n_allocated
    high = whole_number(plane.header, "HighBit")
    shift = 0 if high is None or _is_compressed(plane) else high + 1 - n_stored
    if not 0 < n_stored <= n_allocated or not 0 <= shift <= n_allocated - n_stored:
        raise unreadable(
            plane,
            say(
                "BitsStored {n_stored} and HighBit {high} in words of {n_allocated} bits",
                n_stored=n_stored,
                high=str(high),
                n_allocated=n_allocated,
            ),
        )
    is_signed = words.dtype.kind == "i"
    low, top = (-(2 ** (n_stored - 1)), 2 ** (n_stored - 1) - 1) if is_signed else (0, 2**n_stored - 1)
    if shift == 0 and words.min() >= low and words.max() <= top:
        return words
    bits = (words.view(f"u{words.dtype.itemsize}") >> shift).astype(np.int64) & (2**n_stored - 1)
    return np.asarray(np.where(bits > top, bits - 2**n_stored, bits))


def _is_compressed(plane: ImagePlane) -> bool:
    stated = uid(getattr(plane.header, "file_meta", Dataset()), "TransferSyntaxUID")
    return bool(stated) and UID(stated).is_transfer_syntax and UID(stated).is_compressed


def _turned_over(plane: ImagePlane, values: NDArray[np.number[Any]]) -> NDArray[np.number[Any]]:
    """In float32, which is exact where values have 16 bits or fewer."""
    bits_stored = whole_number(plane.header, "BitsStored") or 16
    is_signed = whole_number(plane.header, "PixelRepresentation") == 1
    return np.float32(-1.0 if is_signed else 2**bits_stored - 1) - values.astype(np.float32)


def unreadable(plane: ImagePlane, how: str) -> FileRefused:
    """The refusal of pixels that cannot be decoded; ``how`` says what is wrong with them."""
    return FileRefused(
        "pixel_data_unreadable",
        say(
            "The pixels of instance {instance} cannot be decoded ({reason}).",
            instance=plane.sop_instance_uid,
            reason=how,
        ),
        say("Send the instance again, uncompressed if possible."),
    )
