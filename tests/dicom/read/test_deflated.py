"""A small deflated file may hold anything; it is looked at before it is believed."""

from __future__ import annotations

import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, MRImageStorage

from cvai.archive.part10 import identity_in, read_identity
from cvai.dicom.read.header import deflated
from cvai.dicom.read.header.deflated import require_bounded
from cvai.dicom.read.pixels.decode import LARGEST_CINE_BYTES, intensities
from cvai.dicom.read.pixels.frames import MOST_FRAMES
from cvai.dicom.read.read import read_studies
from cvai.errors import FileRefused
from tests.dicom.read.dicom_files import SeriesSpec, image

SPEC = SeriesSpec()
ZEROS = 64 * 1024**2


def write_deflated(path: Path, ds: Dataset) -> Path:
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    ds.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def bomb(tmp_path: Path) -> Path:
    """64 MiB of zeros as pixels."""
    ds = image(SPEC, 0, 0)
    ds.PixelData = bytes(ZEROS)
    path = write_deflated(tmp_path / "bomb.dcm", ds)
    assert path.stat().st_size < ZEROS / 500
    return path


def test_a_file_that_inflates_to_too_much_is_refused_before_it_is_inflated(bomb: Path) -> None:
    tracemalloc.start()
    with bomb.open("rb") as file, pytest.raises(FileRefused) as refused:
        require_bounded(file, largest_bytes=8 * 1024**2)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.code == "inflates_too_far"
    assert peak_bytes < 6 * 1024**2


def test_whoever_opens_a_file_is_warned(bomb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deflated.require_bounded, "__defaults__", (8 * 1024**2,))
    assert read_identity(bomb) is None
    assert [refusal.code for refusal in read_studies(bomb).unreadable] == ["inflates_too_far"]


def test_a_deflated_file_of_a_sensible_size_is_read(tmp_path: Path) -> None:
    path = write_deflated(tmp_path / "sound.dcm", image(SPEC, 0, 0))
    with path.open("rb") as file:
        require_bounded(file)
        assert file.tell() == 0
    identity = read_identity(path)
    assert identity is not None
    assert identity.study_uid == SPEC.study_uid


def test_damage_in_what_is_deflated_is_an_unreadable_file_and_no_more(tmp_path: Path) -> None:
    data = bytearray(write_deflated(tmp_path / "damaged.dcm", image(SPEC, 0, 0)).read_bytes())
    begins = 144 + int.from_bytes(data[140:144], "little")
    data[begins : begins + 8] = b"\xff" * 8
    (tmp_path / "damaged.dcm").write_bytes(data)
    with pytest.raises(zlib.error):
        require_bounded(BytesIO(data))
    assert identity_in(BytesIO(data)) is None
    assert [refusal.code for refusal in read_studies(tmp_path).unreadable] == ["unreadable_header"]


@pytest.mark.parametrize("n_frames", [MOST_FRAMES + 1, 2_000_000_000, -5])
def test_a_deflated_file_that_states_any_number_of_frames_is_refused(tmp_path: Path, n_frames: int) -> None:
    ds = image(SPEC, 0, 0)
    ds.NumberOfFrames = n_frames
    (study,) = read_studies(write_deflated(tmp_path / "frames.dcm", ds)).studies
    assert [refusal.code for refusal in study.unreadable] == ["too_many_frames"]


def test_images_of_any_stated_size_are_refused_before_there_is_room_made_for_them(tmp_path: Path) -> None:
    for number in range(2):
        ds = image(SPEC, 0, number)
        ds.SOPClassUID = MRImageStorage
        ds.Rows = ds.Columns = 65_535
        write_deflated(tmp_path / f"{number}.dcm", ds)
    ((series,),) = [study.series for study in read_studies(tmp_path).studies]
    assert LARGEST_CINE_BYTES < 4 * 2 * 65_535**2
    with pytest.raises(FileRefused) as refused:
        intensities(series.planes)
    assert refused.value.code == "cine_too_large"
