"""Every way of storing pixels that docs/explanation/reading.md calls tested, from file to assembled cine."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import gdcm
import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from cvai.dicom.read.read import read_studies
from cvai.domain.findings import Severity
from cvai.errors import FileRefused
from tests.conftest import ROOT
from tests.dicom.read.assembling import assemble_folder, expected_pixels
from tests.dicom.read.dicom_files import SeriesSpec, enhanced, image, images, pixels_of, write_one

SPEC = SeriesSpec(n_slices=3, rows=16, columns=20)
GDCM_KINDS = {
    JPEGLossless: gdcm.TransferSyntax.JPEGLosslessProcess14,
    JPEGLosslessSV1: gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    JPEGLSLossless: gdcm.TransferSyntax.JPEGLSLossless,
    JPEGLSNearLossless: gdcm.TransferSyntax.JPEGLSNearLossless,
    JPEG2000Lossless: gdcm.TransferSyntax.JPEG2000Lossless,
    JPEG2000: gdcm.TransferSyntax.JPEG2000,
    JPEGExtended12Bit: gdcm.TransferSyntax.JPEGExtendedProcess2_4,
}
LOSSLESS = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
)
LOSSY = (JPEGBaseline8Bit, JPEGLSNearLossless, JPEG2000)


def store(path: Path, ds: Dataset, syntax: UID) -> None:
    """Write an instance of plain little-endian pixels in another transfer syntax."""
    if syntax in GDCM_KINDS:
        write_one(path, ds)
        transcode_with_gdcm(path, syntax)
    elif syntax == RLELossless:
        ds.file_meta = plain_meta(ds)
        ds.compress(RLELossless, generate_instance_uid=False)
        write_one(path, ds)
    elif syntax == JPEGBaseline8Bit:
        write_one(path, as_jpeg_baseline(ds))
    else:
        ds.file_meta = plain_meta(ds)
        ds.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            ds.PixelData = np.frombuffer(ds.PixelData, "<i2").astype(">i2").tobytes()
            ds["PixelData"].VR = "OW"
        ds.save_as(path, enforce_file_format=True)


def plain_meta(ds: Dataset) -> Dataset:
    ds.ensure_file_meta()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds.file_meta


def transcode_with_gdcm(path: Path, syntax: UID) -> None:
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(path))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(GDCM_KINDS[syntax]))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()


def as_jpeg_baseline(ds: Dataset) -> Dataset:
    """Eight bits a pixel, as ultrasound and secondary captures are stored."""
    eight_bits = np.frombuffer(ds.PixelData, "<i2").reshape(-1, ds.Rows, ds.Columns).astype(np.uint8)
    frames = []
    for frame in eight_bits:
        buffer = BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG", quality=95)
        frames.append(buffer.getvalue())
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    return with_frames(ds, frames, JPEGBaseline8Bit)


def coded_frames(path: Path, syntax: UID) -> list[bytes]:
    """The frames of the multi-frame cine in its order, phase by phase."""
    frames = []
    for t in range(SPEC.n_phases):
        for z in range(SPEC.n_slices):
            store(path, image(SPEC, z, t), syntax)
            frames.extend(generate_frames(dcmread(path).PixelData, number_of_frames=1))
    path.unlink()
    return frames


def with_frames(ds: Dataset, frames: list[bytes], syntax: UID) -> Dataset:
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.ensure_file_meta()
    ds.file_meta.TransferSyntaxUID = syntax
    return ds


def smooth(ds: Dataset) -> Dataset:
    """Values of a shallow hill: what a lossy coder keeps within a few grey values, unsigned and of 8 bits."""
    z_and_t = int(ds.InstanceNumber)
    y, x = np.mgrid[0 : ds.Rows, 0 : ds.Columns]
    ds.PixelRepresentation = 0
    ds.PixelData = (40 + z_and_t + 2 * y + 3 * x).astype("<u2").tobytes()
    ds.BitsStored, ds.HighBit = 12, 11
    return ds


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid.name)
def test_a_cine_is_the_same_however_it_is_stored(tmp_path: Path, syntax: UID) -> None:
    for number, ds in enumerate(images(SPEC)):
        store(tmp_path / f"{number}.dcm", ds, syntax)
    assert {dcmread(p).file_meta.TransferSyntaxUID for p in tmp_path.iterdir()} == {syntax}
    cine = assemble_folder(tmp_path)
    np.testing.assert_array_equal(cine.stack.pixels, expected_pixels(SPEC))
    assert cine.findings == ()


@pytest.mark.parametrize(
    ("ratio", "severity"), [("4.5", Severity.INFO), (["4", "30"], Severity.WARNING), (None, Severity.WARNING)]
)
def test_images_that_were_compressed_with_loss_before_are_said_to_be(
    tmp_path: Path, ratio: object, severity: Severity
) -> None:
    for number, ds in enumerate(images(SPEC)):
        ds.LossyImageCompression = "01" if number % 2 else "00"
        if ratio is not None:
            ds.LossyImageCompressionRatio = ratio
        write_one(tmp_path / f"{number}.dcm", ds)
    (found,) = assemble_folder(tmp_path).findings
    assert (found.code, found.severity) == ("lossy_compression", severity)
    assert "13 of 27 images" in found.message


@pytest.mark.parametrize("syntax", LOSSY, ids=lambda uid: uid.name)
def test_a_lossy_cine_is_read_within_what_its_coder_lost(tmp_path: Path, syntax: UID) -> None:
    originals = [smooth(ds) for ds in images(SPEC)]
    expected = np.stack([np.frombuffer(ds.PixelData, "<u2").reshape(16, 20) for ds in originals])
    for number, ds in enumerate(originals):
        store(tmp_path / f"{number}.dcm", ds, syntax)
    assert {dcmread(p).file_meta.TransferSyntaxUID for p in tmp_path.iterdir()} == {syntax}
    cine = assemble_folder(tmp_path)
    pixels = cine.stack.pixels
    assert [(f.code, f.severity) for f in cine.findings] == [("lossy_compression", Severity.WARNING)]
    as_slices = expected.reshape(SPEC.n_slices, SPEC.n_phases, 16, 20).swapaxes(0, 1)
    np.testing.assert_allclose(pixels, as_slices, atol=4)


MULTIFRAME: tuple[UID, ...] = (
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
)


@pytest.mark.parametrize("syntax", MULTIFRAME, ids=lambda uid: uid.name)
def test_a_multi_frame_cine_is_the_same_however_it_is_stored(tmp_path: Path, syntax: UID) -> None:
    cine = enhanced(SPEC)
    if syntax in GDCM_KINDS:
        # GDCM writes functional groups of its own; so its coder is given one frame after the other.
        cine = with_frames(cine, coded_frames(tmp_path / "frame", syntax), syntax)
        write_one(tmp_path / "cine.dcm", cine)
    else:
        store(tmp_path / "cine.dcm", cine, syntax)
    pixels = assemble_folder(tmp_path).stack.pixels
    rescaled = np.array(
        [[2 * pixels_of(SPEC, z, t) - float(z) for z in range(SPEC.n_slices)] for t in range(SPEC.n_phases)]
    )
    np.testing.assert_array_equal(pixels, rescaled)


def test_what_no_decoder_reads_is_refused_by_name(tmp_path: Path) -> None:
    ds = as_jpeg_baseline(image(SPEC, 0, 0))
    ds.file_meta.TransferSyntaxUID = HTJ2KLossless
    write_one(tmp_path / "image.dcm", ds)
    (refusal,) = read_studies(tmp_path).studies[0].unreadable
    assert refusal.code == "unsupported_transfer_syntax"
    assert "High-Throughput JPEG 2000" in refusal.message
    assert HTJ2KLossless in refusal.message


def test_twelve_bits_of_extended_jpeg_are_refused_and_not_guessed(tmp_path: Path) -> None:
    """Its free decoders know 8 bits; the one that knows 12 is under the GPL."""
    for number, ds in enumerate(images(SPEC)):
        store(tmp_path / f"{number}.dcm", smooth(ds), JPEGExtended12Bit)
    with pytest.raises(FileRefused) as refusal:
        assemble_folder(tmp_path)
    assert refusal.value.code == "pixel_data_unreadable"


def named_in_docs(heading: str) -> set[str]:
    """UIDs in the table below a heading of docs/explanation/reading.md."""
    text = (ROOT / "docs" / "explanation" / "reading.md").read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"`(1\.2\.840\.10008\.1\.2[0-9.]*)`", section))


def test_the_documented_transfer_syntaxes_are_those_tested() -> None:
    assert named_in_docs("Transfer syntaxes") == set(
        map(str, (*LOSSLESS, *LOSSY, JPEGExtended12Bit, HTJ2KLossless))
    )
