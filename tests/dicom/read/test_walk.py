"""Links are followed, every real file is read once, and a circle of links ends."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from cvai.dicom.read.files.walk import files_below
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.whole import require_readable
from cvai.errors import StudyRefused
from tests.dicom.read.dicom_files import SeriesSpec, images, write

SPEC = SeriesSpec(n_slices=3)


@pytest.fixture
def originals(tmp_path: Path) -> list[Path]:
    return write(tmp_path / "disk" / "study", images(SPEC))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def n_images(source: Path) -> int:
    (study,) = read_studies(source).studies
    assert study.unreadable == study.lost == ()
    return sum(len(series.planes) for series in study.series)


def test_a_folder_behind_a_link_is_read(originals: list[Path], source: Path) -> None:
    (source / "study").symlink_to(originals[0].parent)
    assert n_images(source) == 27


def test_a_source_that_is_a_link_is_read(originals: list[Path], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(originals[0].parent)
    assert n_images(tmp_path / "link") == 27


def test_files_behind_links_are_read(originals: list[Path], source: Path) -> None:
    for number, path in enumerate(originals):
        (source / f"{number}.dcm").symlink_to(path)
    assert n_images(source) == 27


def test_links_in_a_circle_end(originals: list[Path], source: Path) -> None:
    folder = originals[0].parent
    (folder / "up").symlink_to(folder.parent)
    (folder / "self").symlink_to(folder)
    (source / "a").symlink_to(folder)
    (folder / "back").symlink_to(source)
    assert n_images(source) == 27
    assert n_images(folder) == 27


def test_a_file_is_listed_once_and_by_its_own_name(originals: list[Path]) -> None:
    folder = originals[0].parent
    for number in range(5):
        (folder / f"{number}-again.dcm").symlink_to(originals[0])
    (folder / "0-folder").symlink_to(folder)
    assert files_below(folder).files == tuple(sorted(originals))


@pytest.mark.parametrize("target", ["nowhere", "image.dcm", "file/below"])
def test_a_link_to_nothing_is_a_lost_image_where_it_is_named_like_one(
    originals: list[Path], target: str
) -> None:
    folder = originals[0].parent
    (folder / "file").write_text("no folder")
    (folder / "image.dcm").symlink_to(target)
    (study,) = read_studies(folder).studies
    assert [file.refusal.code for file in study.lost] == ["file_missing"]
    with pytest.raises(StudyRefused, match="cannot be read"):
        require_readable(study, study.series[0].planes)


def test_a_link_to_nothing_that_is_named_like_no_image_is_told_of(originals: list[Path]) -> None:
    folder = originals[0].parent
    (folder / "viewer.exe").symlink_to("nowhere")
    outcome = read_studies(folder)
    assert [refusal.code for refusal in outcome.no_images] == ["file_missing"]
    assert outcome.studies[0].lost == ()


def test_pipes_and_sockets_are_not_opened(originals: list[Path]) -> None:
    folder = originals[0].parent
    os.mkfifo(folder / "pipe.dcm")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s"))
        assert n_images(folder) == 27
        assert files_below(folder).special == (folder / "pipe.dcm", folder / "s")
