"""Files without preamble, meta information or transfer syntax are read; nothing else is taken for DICOM."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from cvai.archive.folder.archive import FolderArchive
from cvai.archive.part10 import identity_in, read_identity, read_traits
from cvai.dicom.read.header.encoding import beginning_of
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.ultrasound.loops import assemble_loop, select_loops
from tests.dicom.read.assembling import assemble_folder, expected_pixels
from tests.dicom.read.dicom_files import SeriesSpec, enhanced, image, images, pixels_of, write_one
from tests.dicom.read.ultrasound_files import beating_frames, write_loop

SPEC = SeriesSpec(n_slices=3)
UNCOMPRESSED = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


def encoded(ds: Dataset, syntax: UID) -> bytes:
    """A data set and nothing around it."""
    if syntax == ExplicitVRBigEndian:
        ds.PixelData = np.frombuffer(ds.PixelData, "<i2").astype(">i2").tobytes()
    ds["PixelData"].VR = "OW"
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = syntax.is_little_endian, syntax.is_implicit_VR
    plain = Dataset()
    plain.update(ds)
    write_dataset(buffer, plain)
    return buffer.getvalue()


def bare(ds: Dataset, syntax: UID) -> bytes:
    return encoded(ds, syntax)


def meta_alone(ds: Dataset, syntax: UID) -> bytes:
    """File meta information that states the transfer syntax, without the preamble before it."""
    return meta(ds, TransferSyntaxUID=syntax) + encoded(ds, syntax)


def without_syntax(ds: Dataset, syntax: UID) -> bytes:
    return bytes(128) + b"DICM" + meta(ds) + encoded(ds, syntax)


def meta(ds: Dataset, **attributes: object) -> bytes:
    made = FileMetaDataset()
    made.FileMetaInformationVersion = b"\0\1"
    made.MediaStorageSOPClassUID = ds.SOPClassUID
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, made)
    return buffer.getvalue()


@pytest.mark.parametrize("syntax", UNCOMPRESSED, ids=lambda uid: uid.name)
@pytest.mark.parametrize("layout", [bare, meta_alone, without_syntax])
def test_a_cine_is_the_same_whatever_its_files_lack(
    tmp_path: Path, layout: Callable[[Dataset, UID], bytes], syntax: UID
) -> None:
    for number, ds in enumerate(images(SPEC)):
        (tmp_path / f"{number}").write_bytes(layout(ds, syntax))
    (study,) = read_studies(tmp_path).studies
    assert study.unreadable == ()
    np.testing.assert_array_equal(assemble_folder(tmp_path).stack.pixels, expected_pixels(SPEC))


@pytest.mark.parametrize("syntax", UNCOMPRESSED, ids=lambda uid: uid.name)
def test_a_multi_frame_cine_without_preamble_is_read(tmp_path: Path, syntax: UID) -> None:
    (tmp_path / "cine").write_bytes(bare(enhanced(SPEC), syntax))
    rescaled = np.array(
        [[2 * pixels_of(SPEC, z, t) - float(z) for z in range(SPEC.n_slices)] for t in range(SPEC.n_phases)]
    )
    np.testing.assert_array_equal(assemble_folder(tmp_path).stack.pixels, rescaled)


def test_an_ultrasound_loop_without_preamble_is_read(tmp_path: Path) -> None:
    write_loop(tmp_path / "a" / "loop.dcm", beating_frames(), 1, FrameTime=40.0)
    (tmp_path / "b").mkdir()
    ds = dcmread(tmp_path / "a" / "loop.dcm")
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    plain = Dataset()
    plain.update(ds)
    write_dataset(buffer, plain)
    (tmp_path / "b" / "loop").write_bytes(buffer.getvalue())
    loops = []
    for folder in "ab":
        (study,) = read_studies(tmp_path / folder).studies
        (images_of_loop,) = select_loops(study).loops
        loops.append(assemble_loop(images_of_loop).loop.frames)
    np.testing.assert_array_equal(*loops)


@pytest.mark.parametrize("syntax", UNCOMPRESSED, ids=lambda uid: uid.name)
@pytest.mark.parametrize("layout", [bare, meta_alone, without_syntax])
def test_the_archive_knows_such_files_by_their_identity(
    tmp_path: Path, layout: Callable[[Dataset, UID], bytes], syntax: UID
) -> None:
    path = tmp_path / "inbox" / "a"
    path.parent.mkdir()
    path.write_bytes(layout(image(SPEC, 0, 0), syntax))
    identity = read_identity(path)
    assert identity is not None
    assert identity.sop_instance_uid == image(SPEC, 0, 0).SOPInstanceUID
    assert ("Modality", "MR") in read_traits(path)
    archive = FolderArchive(tmp_path / "archive")
    assert archive.take_in([path]) == [SPEC.study_uid]
    archive.fetch(SPEC.study_uid, tmp_path / "fetched")
    assert len(read_studies(tmp_path / "fetched").studies[0].series[0].planes) == 1


def test_compressed_pixels_of_an_unstated_transfer_syntax_are_refused(tmp_path: Path) -> None:
    ds = image(SPEC, 0, 0)
    ds.PixelData = encapsulate([b"\xff\xd8 no one says by what"])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, ds)
    (tmp_path / "a").write_bytes(buffer.getvalue())
    (study,) = read_studies(tmp_path).studies
    assert [refusal.code for refusal in study.unreadable] == ["unsupported_transfer_syntax"]


def test_a_bare_file_that_is_cut_off_is_truncated(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bare(image(SPEC, 0, 0), ImplicitVRLittleEndian)[:-10])
    (study,) = read_studies(tmp_path).studies
    assert [refusal.code for refusal in study.unreadable] == ["truncated_file"]


def test_a_deflated_file_without_preamble_is_read_and_its_size_bounded(tmp_path: Path) -> None:
    ds = image(SPEC, 0, 0)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    ds.save_as(tmp_path / "whole", enforce_file_format=True)
    (tmp_path / "bare").write_bytes((tmp_path / "whole").read_bytes()[132:])
    (tmp_path / "whole").unlink()
    (study,) = read_studies(tmp_path).studies
    assert study.unreadable == ()
    assert len(study.series[0].planes) == 1


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2000))
def test_no_bytes_at_random_are_taken_for_a_data_set(data: bytes) -> None:
    assert not beginning_of(data).is_dicom
    assert identity_in(BytesIO(data)) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(5000),
        b"\xff" * 5000,
        b"\x08\x00" * 2000,
        b"\x02\x00" * 2000,
        b"\x08\0\5\0" + b"\n\0\0\0ISO_IR 100" + b"and then something else entirely" * 20,
        b"PatientName=Doe^John\n" * 50,
        "Größe: 180 cm\n".encode("utf-16") * 40,
    ],
)
def test_what_only_looks_a_little_like_a_data_set_stays_no_dicom(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    (refusal,) = read_studies(tmp_path).unreadable
    assert refusal.code == ("not_dicom" if data else "empty_file")


def test_a_stated_transfer_syntax_is_believed(tmp_path: Path) -> None:
    write_one(tmp_path / "a", image(SPEC, 0, 0))
    begins = beginning_of((tmp_path / "a").read_bytes())
    assert begins.is_self_describing
    assert begins.stated_syntax == ExplicitVRLittleEndian
