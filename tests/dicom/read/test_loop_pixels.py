from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
)

from cvai.dicom.read.read import read_studies
from cvai.dicom.read.ultrasound.loop_pixels import grey_loop
from cvai.errors import FileRefused
from tests.dicom.read.ultrasound_files import beating_frames, write_loop

GREY = beating_frames(8, 40, 60)


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    (study,) = read_studies(path.parent).studies
    return grey_loop(study.series[0].planes)


def refusal(path: Path) -> str:
    with pytest.raises(FileRefused) as refused:
        read(path)
    return refused.value.message


def halved(luminance: np.ndarray) -> bytes:
    """Native YBR_FULL_422 of grey frames: Y1 Y2 CB CR (PS3.3 C.7.6.3.1.2)."""
    pairs = np.full((*luminance.shape[:2], luminance.shape[2] // 2, 4), 128, np.uint8)
    pairs[..., 0], pairs[..., 1] = luminance[:, :, 0::2], luminance[:, :, 1::2]
    return pairs.tobytes()


def three(first: np.ndarray, others: np.ndarray | int) -> np.ndarray:
    """(t, y, x, 3): the first channel and twice the others."""
    second = np.broadcast_to(np.asarray(others, np.uint8), first.shape)
    return np.stack([first, second, second], axis=-1)


def planes(frames: np.ndarray) -> np.ndarray:
    """The same values, plane after plane (PlanarConfiguration 1)."""
    return np.ascontiguousarray(frames.transpose(0, 3, 1, 2)).reshape(frames.shape)


COLOUR = {"SamplesPerPixel": 3, "BitsAllocated": 8}


@pytest.mark.parametrize(
    ("frames", "changes"),
    [
        pytest.param(GREY, {}, id="MONOCHROME2"),
        pytest.param(255 - GREY, {"PhotometricInterpretation": "MONOCHROME1"}, id="MONOCHROME1"),
        pytest.param(three(GREY, GREY), {}, id="RGB"),
        pytest.param(planes(three(GREY, GREY)), {"PlanarConfiguration": 1}, id="RGB by planes"),
        pytest.param(three(GREY, 128), {"PhotometricInterpretation": "YBR_FULL"}, id="YBR_FULL"),
        pytest.param(
            planes(three(GREY, 128)),
            {"PhotometricInterpretation": "YBR_FULL", "PlanarConfiguration": 1},
            id="YBR_FULL by planes",
        ),
        pytest.param(
            three(GREY, 128), {"PhotometricInterpretation": "YBR_FULL_422"}, id="422 of three bytes"
        ),
        pytest.param(three(GREY, 128), {"PhotometricInterpretation": "RGB"}, id="YBR called RGB"),
        pytest.param(three(GREY, GREY), {"PhotometricInterpretation": "YBR_FULL"}, id="RGB called YBR"),
    ],
)
def test_brightness_is_what_was_seen(tmp_path: Path, frames: np.ndarray, changes: dict[str, Any]) -> None:
    frames_read, coloured = read(write_loop(tmp_path / "a.dcm", frames, **changes))
    np.testing.assert_array_equal(frames_read, GREY)
    assert coloured.max() == 0


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_native_422_of_two_bytes_a_pixel_is_read(tmp_path: Path, syntax: Any) -> None:
    changes = {**COLOUR, "PhotometricInterpretation": "YBR_FULL_422", "PlanarConfiguration": 0}
    path = write_loop(tmp_path / "a.dcm", GREY, syntax=syntax, PixelData=halved(GREY), **changes)
    frames, coloured = read(path)
    np.testing.assert_array_equal(frames, GREY)
    assert coloured.max() == 0


def test_422_of_neither_two_nor_three_bytes_is_refused(tmp_path: Path) -> None:
    changes = {**COLOUR, "PhotometricInterpretation": "YBR_FULL_422", "PlanarConfiguration": 0}
    path = write_loop(tmp_path / "a.dcm", GREY, PixelData=halved(GREY) + bytes(500), **changes)
    assert "YBR_FULL_422 in 38900 bytes for 19200 pixels" in refusal(path)


@pytest.mark.parametrize(
    ("bits_stored", "allocated"), [pytest.param(12, 16, id="12 of 16"), pytest.param(16, 16, id="16")]
)
def test_more_than_eight_bits_are_scaled_down(tmp_path: Path, bits_stored: int, allocated: int) -> None:
    full = 2**bits_stored - 1
    frames = (GREY.astype(np.float64) / 255 * full).astype(np.uint16)
    bits = {"BitsAllocated": allocated, "BitsStored": bits_stored, "HighBit": bits_stored - 1}
    grey, _ = read(write_loop(tmp_path / "a.dcm", frames, **bits))
    np.testing.assert_allclose(grey.astype(int), GREY, atol=1)


def test_colour_of_sixteen_bits_is_grey_where_its_channels_are_alike(tmp_path: Path) -> None:
    frames = np.repeat(GREY.astype(np.uint16)[..., None] * 257, 3, axis=-1)
    bits = {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15}
    grey, coloured = read(write_loop(tmp_path / "a.dcm", frames, **bits))
    np.testing.assert_allclose(grey.astype(int), GREY, atol=1)
    assert coloured.max() == 0


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_is_applied(tmp_path: Path, bits: int) -> None:
    inverted = np.arange(255, -1, -1).astype(np.uint8 if bits == 8 else np.uint16) * (1 if bits == 8 else 257)
    table: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour in ("Red", "Green", "Blue"):
        table[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        table[f"{colour}PaletteColorLookupTableData"] = inverted.tobytes()
    grey, coloured = read(write_loop(tmp_path / "a.dcm", 255 - GREY, **table))
    np.testing.assert_array_equal(grey, GREY)
    assert coloured.max() == 0


def compressed(folder: Path, syntax: Any, interpretation: str, **options: Any) -> Path:
    """The grey frames as colour JPEG or JPEG 2000, called what it may be called."""
    path = write_loop(folder / "a.dcm", three(GREY, GREY))
    header, fragments = dcmread(path), []
    for frame in three(GREY, GREY):
        file = io.BytesIO()
        Image.fromarray(frame).save(file, **options)
        fragments.append(file.getvalue())
    header.PhotometricInterpretation = interpretation
    header.file_meta.TransferSyntaxUID = syntax
    header.PixelData = encapsulate(fragments)
    header["PixelData"].is_undefined_length = True
    header.save_as(path)
    return path


@pytest.mark.parametrize(
    ("syntax", "interpretation", "options"),
    [
        pytest.param(JPEGBaseline8Bit, "YBR_FULL_422", {"format": "JPEG"}, id="JPEG"),
        pytest.param(JPEGBaseline8Bit, "RGB", {"format": "JPEG"}, id="JPEG called RGB"),
        pytest.param(
            JPEGBaseline8Bit,
            "YBR_FULL_422",
            {"format": "JPEG", "keep_rgb": True},
            id="JPEG of RGB called YBR",
        ),
        pytest.param(
            JPEG2000Lossless,
            "YBR_RCT",
            {"format": "JPEG2000", "no_jp2": True, "mct": 1, "irreversible": False},
            id="JPEG 2000 with RCT",
        ),
        pytest.param(
            JPEG2000,
            "YBR_ICT",
            {"format": "JPEG2000", "no_jp2": True, "mct": 1, "irreversible": True},
            id="JPEG 2000 with ICT",
        ),
        pytest.param(
            JPEG2000Lossless,
            "RGB",
            {"format": "JPEG2000", "no_jp2": True, "mct": 0, "irreversible": False},
            id="JPEG 2000 of RGB",
        ),
    ],
)
def test_compressed_colour_is_grey_whatever_it_is_called(
    tmp_path: Path, syntax: Any, interpretation: str, options: dict[str, Any]
) -> None:
    grey, coloured = read(compressed(tmp_path, syntax, interpretation, quality=95, **options))
    assert np.abs(grey.astype(int) - GREY).mean() < 4
    assert coloured.mean() < 0.01


def test_true_colour_is_told_from_grey(tmp_path: Path) -> None:
    frames = three(GREY, GREY)
    frames[:, 10:20, 25:35] = (200, 40, 20)
    _, coloured = read(write_loop(tmp_path / "a.dcm", frames))
    assert coloured[10:20, 25:35].min() == 1
    assert coloured.sum() == 100


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"PhotometricInterpretation": "HSV"}, "PhotometricInterpretation HSV"),
        (
            {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 15, "PixelData": bytes(2 * GREY.size)},
            "BitsStored 12 with HighBit 15",
        ),
    ],
)
def test_pixels_that_would_be_read_wrongly_are_refused(
    tmp_path: Path, changes: dict[str, Any], cause: str
) -> None:
    assert cause in refusal(write_loop(tmp_path / "a.dcm", GREY, **changes))
