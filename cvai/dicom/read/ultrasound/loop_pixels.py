"""The frames of an ultrasound loop as brightness, however machines store them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import iter_pixels, pixel_array
from pydicom.uid import UID

from cvai.dicom.read.faults import disk_faults
from cvai.dicom.read.header.attributes import parse, texts, uid, whole_number
from cvai.dicom.read.header.tolerance import tolerating_values
from cvai.dicom.read.pixels.decode import PIXEL_ERRORS, pixel_source, unreadable
from cvai.dicom.read.values import ImagePlane, Images
from cvai.domain.message import say
from cvai.errors import FileRefused

LARGEST_LOOP_BYTES = 4 * 1024**3
"""Decoded, all channels; the longest stress echo loops stay below a quarter of it."""

_COLOURED = 40
"""Difference of the channels, in grey levels, above which a pixel is coloured."""

_BRIGHT = 80
"""Grey levels from which a pixel shows the hue of its map."""

_ONE_HUE = 0.12
"""Spread of differences of channels in one map, as shares of the brightness, of nine in ten pixels."""

_LEAST_HUE, _FULL_HUE = 0.05, 0.75
"""Difference of two channels as a share of the brightness: less is grey, and more is no map of tissue."""

_GREY = ("MONOCHROME1", "MONOCHROME2")
_PALETTE = "PALETTE COLOR"
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT")
"""PhotometricInterpretation, PS3.3 C.7.6.3.1.2."""


def grey_loop(images: Images) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """(t, y, x) brightness 0..255, and (y, x) share of the frames in which a pixel is coloured.

    Raises:
        FileRefused: ``loop_too_large``, a known defect, or ``pixel_data_unreadable``.
        TemporarilyUnavailable: the disk failed.
    """
    _check_size(images)
    _check_layout(images[0])
    first = images[0]
    frames = np.empty((len(images), first.rows, first.columns), dtype=np.uint8)
    coloured = np.zeros((first.rows, first.columns), dtype=np.float32)
    is_luminance: bool | None = None
    try:
        with disk_faults(), tolerating_values():
            for frame, stored in zip(frames, _stored_frames(first, len(images)), strict=True):
                values = _eight_bits(stored, first.header)
                if values.ndim == 2:
                    frame[...] = values
                    continue
                if is_luminance is None:
                    is_luminance = _is_luminance(values, first.header)
                frame[...] = values[..., 0] if is_luminance else _brightness(values)
                seen = _is_coloured(values, is_luminance=is_luminance)
                coloured += _without_map(seen, values, is_luminance=is_luminance)
    except PIXEL_ERRORS as error:
        raise unreadable(first, type(error).__name__) from error
    return frames, coloured / np.float32(len(images))


def _check_size(images: Images) -> None:
    first = images[0]
    samples = whole_number(first.header, "SamplesPerPixel") or 1
    n_bytes = len(images) * first.rows * first.columns * samples
    if n_bytes > LARGEST_LOOP_BYTES:
        raise FileRefused(
            "loop_too_large",
            say(
                "The loop declares {count} frames of {columns} x {rows} pixels: {size_gib:.0f} GiB.",
                count=len(images),
                columns=first.columns,
                rows=first.rows,
                size_gib=n_bytes / 1024**3,
            ),
            say("Send the loop as the ultrasound machine stored it."),
        )
    defect = next((image.defect for image in images if image.defect is not None), None)
    if defect is not None:
        raise defect


def _check_layout(image: ImagePlane) -> None:
    """Refuse what would be decoded to something else than what was seen."""
    interpretation = _interpretation(image.header)
    if interpretation not in (*_GREY, _PALETTE, *_COLOURS):
        raise unreadable(image, f"PhotometricInterpretation {interpretation or 'not stated'}")
    allocated, stored, highest = (
        whole_number(image.header, keyword) for keyword in ("BitsAllocated", "BitsStored", "HighBit")
    )
    if stored is not None and stored != allocated and highest != stored - 1:
        raise unreadable(image, f"BitsStored {stored} with HighBit {highest}")


def _stored_frames(first: ImagePlane, n_frames: int) -> Iterator[NDArray[np.generic]]:
    """(y, x) or (y, x, channel) of every frame as it is decoded.

    Native YBR_FULL_422 holds two bytes a pixel (PS3.3 C.7.6.3.1.2). Where there are three, it is YBR_FULL
    under a wrong name. pydicom's iterator loses count after the first frame, so frames are asked for singly.
    """
    syntax = UID(uid(getattr(first.header, "file_meta", Dataset()), "TransferSyntaxUID"))
    source = pixel_source(first.path)
    if syntax.is_compressed or _interpretation(first.header) != "YBR_FULL_422":
        yield from iter_pixels(source, raw=True)
    elif _bytes_a_pixel(first, source, n_frames) == 3:
        yield from iter_pixels(source, raw=True, photometric_interpretation="YBR_FULL")
    else:
        for index in range(n_frames):
            yield pixel_array(source, index=index, raw=True)


def _bytes_a_pixel(first: ImagePlane, source: Dataset | Path, n_frames: int) -> int:
    """Two or three, of native pixel data that may be padded by a byte."""
    n_bytes = len(source.PixelData) if isinstance(source, Dataset) else _length_in(source)
    n_pixels = n_frames * first.rows * first.columns
    for each in (2, 3):
        if 0 <= n_bytes - each * n_pixels <= 1:
            return each
    raise unreadable(first, f"YBR_FULL_422 in {n_bytes} bytes for {n_pixels} pixels")


def _length_in(path: Path) -> int:
    """Length stated in the Pixel Data element (PS3.5 7.1)."""
    with path.open("rb") as file:
        is_implicit, is_little = parse(file).original_encoding
        element = file.read(8 if is_implicit else 12)
    return int.from_bytes(element[-4:], "little" if is_little else "big")


def _eight_bits(values: NDArray[np.generic], header: Dataset) -> NDArray[np.uint8]:
    """(y, x) grey or (y, x, channel) colour, 0..255; MONOCHROME1 is turned over, palettes are applied."""
    interpretation = _interpretation(header)
    bits = whole_number(header, "BitsStored") or 8
    if interpretation == _PALETTE:
        values = apply_color_lut(values, header)
        values = values // 256 if values.dtype.itemsize > 1 else values
    elif bits != 8 or values.dtype != np.uint8:
        values = (values.astype(np.float32) * (255.0 / (2**bits - 1))).clip(0, 255)
    eight_bits = values.astype(np.uint8)
    return 255 - eight_bits if interpretation == "MONOCHROME1" else eight_bits


def _is_luminance(values: NDArray[np.uint8], header: Dataset) -> bool:
    """Whether the first of three channels is the brightness and the others are colour differences.

    Labels are wrong in real loops, and JPEG 2000 is decoded to RGB whatever its label says. Most of an
    ultrasound image is black or grey: read the wrong way, nearly all of it would be coloured.
    """
    as_luminance, as_rgb = (
        np.count_nonzero(_is_coloured(values, is_luminance=is_luminance)) for is_luminance in (True, False)
    )
    if as_luminance == as_rgb:
        return _interpretation(header).startswith("YBR")
    return bool(as_luminance < as_rgb)


def _brightness(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(y, x) a quarter of red, five eighths of green and an eighth of blue, close to ITU-R BT.601."""
    red, green, blue = _channels(rgb)
    return ((red * 2 + green * 5 + blue) // 8).astype(np.uint8)


def _is_coloured(values: NDArray[np.uint8], *, is_luminance: bool) -> NDArray[np.bool_]:
    first, second, third = _channels(values)
    if is_luminance:
        spread = np.maximum(np.abs(second - 128), np.abs(third - 128)) * 2
    else:
        low, high = np.minimum(first, second), np.maximum(first, second)
        spread = np.maximum(high, third) - np.minimum(low, third)
    return np.asarray(spread > _COLOURED, dtype=np.bool_)


def _without_map(
    coloured: NDArray[np.bool_], values: NDArray[np.uint8], *, is_luminance: bool
) -> NDArray[np.bool_]:
    """(y, x) coloured pixels but for those of tissue that is shown in brown or blue instead of grey.

    In such a map all that is bright has one hue. Flow and motion have several, beside tissue in grey.
    """
    if not coloured.any():
        return coloured
    red, green, blue = _red_green_blue(values, is_luminance=is_luminance)
    brightest = np.maximum(np.maximum(red, green), blue)
    is_bright = brightest >= _BRIGHT
    if not is_bright.any():
        return coloured
    hues = [(channel - green)[is_bright] / brightest[is_bright] for channel in (red, blue)]
    low, middle, high = np.percentile(hues, (5, 50, 95), axis=1)
    if np.any(high - low > _ONE_HUE) or not _LEAST_HUE <= np.abs(middle).max() <= _FULL_HUE:
        return coloured
    off_map = np.zeros_like(coloured)
    off_map[is_bright] = np.any(np.abs(hues - middle[:, None]) > _ONE_HUE, axis=0)
    return off_map


def _red_green_blue(values: NDArray[np.uint8], *, is_luminance: bool) -> list[NDArray[np.float32]]:
    """(y, x) of each, converted by ITU-R BT.601 where the first channel is the brightness."""
    first, second, third = (channel.astype(np.float32) for channel in _channels(values))
    if not is_luminance:
        return [first, second, third]
    blue_off, red_off = second - 128, third - 128
    green = first - np.float32(0.344) * blue_off - np.float32(0.714) * red_off
    return [first + np.float32(1.402) * red_off, green, first + np.float32(1.772) * blue_off]


def _channels(values: NDArray[np.uint8]) -> tuple[NDArray[np.int16], NDArray[np.int16], NDArray[np.int16]]:
    first, second, third = (values[..., channel].astype(np.int16) for channel in range(3))
    return first, second, third


def _interpretation(header: Dataset) -> str:
    return (texts(header, "PhotometricInterpretation") or ("",))[0]
