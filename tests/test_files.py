"""Folders and files are closed to others, by whatever umask and whatever stood there before."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvai import files
from cvai.files import is_private, private_file, private_folder


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_and_those_above_it_are_made_for_the_owner_alone(tmp_path: Path, umask: int) -> None:
    made = private_folder(tmp_path / "a" / "b" / "c")
    for folder in (made, made.parent, made.parent.parent):
        assert mode(folder) == 0o700, umask


@pytest.mark.parametrize("before", [0o777, 0o755, 0o750, 0o2775, 0o500], ids=oct)
def test_a_folder_that_is_there_is_closed(tmp_path: Path, before: int) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    folder.chmod(before)
    assert mode(private_folder(folder)) == 0o700


def test_folders_above_one_that_are_there_are_others_business(tmp_path: Path) -> None:
    (tmp_path / "above").mkdir()
    (tmp_path / "above").chmod(0o755)
    private_folder(tmp_path / "above" / "a")
    assert mode(tmp_path / "above") == 0o755


def test_a_folder_that_is_shared_on_purpose_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    assert not is_private(private_folder(tmp_path))
    assert mode(tmp_path) == 0o1777


def test_a_folder_of_another_user_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setattr(files.os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert not is_private(private_folder(tmp_path))


def test_a_file_is_made_for_the_owner_alone(tmp_path: Path, umask: int) -> None:
    private_file(tmp_path / "a").write_text("a")
    assert (mode(tmp_path / "a"), (tmp_path / "a").read_text()) == (0o600, "a"), umask


@pytest.mark.parametrize("before", [0o666, 0o644, 0o640, 0o400, 0o755], ids=oct)
def test_a_file_that_is_there_is_closed_and_keeps_its_contents(tmp_path: Path, before: int) -> None:
    path = tmp_path / "a"
    path.write_text("a")
    path.chmod(before)
    assert mode(private_file(path)) == 0o600
    assert path.read_text() == "a"


def test_a_device_is_left_alone() -> None:
    before = mode(Path("/dev/null"))
    private_file(Path("/dev/null"))
    assert mode(Path("/dev/null")) == before
