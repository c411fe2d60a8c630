"""A disk that fails for a while is waited out; nothing is said of files that could not be looked at."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cvai.dicom.read.faults import byte_errors, disk_faults
from cvai.dicom.read.files.dicomdir import read_directory
from cvai.dicom.read.pixels.decode import intensities
from cvai.dicom.read.read import open_studies, read_studies
from cvai.dicom.read.ultrasound.loops import assemble_loop, select_loops
from cvai.errors import FileRefused, TemporarilyUnavailable
from tests.dicom.read.dicom_files import SeriesSpec, images, write
from tests.dicom.read.ultrasound_files import beating_frames, write_loop
from tests.faults import as_nobody, no_more_files

SPEC = SeriesSpec(n_slices=3)


@pytest.fixture
def open_to_all(tmp_path: Path) -> Path:
    """A folder whose parents anybody may enter."""
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    return tmp_path


def reading_all(folder: Path) -> None:
    read_studies(folder)


def opening(folder: Path) -> None:
    with open_studies(folder):
        pass


@pytest.mark.parametrize("use", [reading_all, opening])
def test_too_many_open_files_are_no_damaged_files(tmp_path: Path, use: Callable[[Path], None]) -> None:
    write(tmp_path, images(SPEC))
    with no_more_files(), pytest.raises(TemporarilyUnavailable) as caught:
        use(tmp_path)
    assert caught.value.code == "files_unavailable"
    assert caught.value.hint
    assert read_studies(tmp_path).studies[0].unreadable == ()


def test_too_many_open_files_while_pixels_are_decoded_are_no_damaged_pixels(tmp_path: Path) -> None:
    write(tmp_path / "mr", images(SPEC))
    write_loop(tmp_path / "us" / "1.dcm", beating_frames(), 1, FrameTime=40.0)
    (study,) = read_studies(tmp_path / "mr").studies
    (loop,) = select_loops(read_studies(tmp_path / "us").studies[0]).loops
    for decode in (lambda: intensities(study.series[0].planes), lambda: assemble_loop(loop)):
        with no_more_files(), pytest.raises(TemporarilyUnavailable):
            decode()
        decode()


def test_too_many_open_files_are_no_damaged_zip_or_tar(tmp_path: Path) -> None:
    path = tmp_path / "study.tar"
    path.write_bytes(bytes(257) + b"ustar\0" + bytes(2000))
    with no_more_files(), pytest.raises(TemporarilyUnavailable), open_studies(path):
        pass
    with pytest.raises(FileRefused), open_studies(path):
        pass


def test_a_folder_that_may_not_be_listed_is_not_passed_over(open_to_all: Path) -> None:
    write(open_to_all / "a", images(SPEC))
    (other,) = write(open_to_all / "b", images(SPEC.but(n_slices=1, n_phases=1)))
    for mode in (0o000, 0o600):  # neither read nor entered; read and not entered
        other.parent.chmod(mode)
        with as_nobody(), pytest.raises(TemporarilyUnavailable, match="Permission denied"):
            read_studies(open_to_all)
        other.parent.chmod(0o755)
    assert len(read_studies(open_to_all).studies) == 1


def test_a_file_that_may_not_be_read_is_not_passed_over(open_to_all: Path) -> None:
    paths = write(open_to_all, images(SPEC))
    paths[4].chmod(0)
    with as_nobody(), pytest.raises(TemporarilyUnavailable, match="Permission denied"):
        read_studies(open_to_all)


def test_a_dicomdir_that_may_not_be_read_is_not_passed_over(open_to_all: Path) -> None:
    path = open_to_all / "DICOMDIR"
    path.write_bytes(b"")
    path.chmod(0)
    with as_nobody(), pytest.raises(OSError, match="Permission denied"):
        read_directory(path)


@pytest.mark.parametrize("errno", ["EIO", "ESTALE", "EMFILE", "ENFILE", "EINTR", "ETIMEDOUT", "EAGAIN"])
def test_every_error_of_the_system_is_waited_out(errno: str) -> None:
    number = getattr(__import__("errno"), errno)
    with pytest.raises(TemporarilyUnavailable, match=os.strerror(number)), disk_faults():
        raise OSError(number, os.strerror(number))
    with pytest.raises(OSError, match=os.strerror(number)), byte_errors():
        raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("error", [OSError("broken data stream"), OSError(22, "Invalid argument")])
def test_what_libraries_raise_about_bytes_is_not(error: OSError) -> None:
    with pytest.raises(OSError, match=str(error.args[-1])), disk_faults():
        raise error
    with pytest.raises(EOFError), byte_errors():
        raise error
