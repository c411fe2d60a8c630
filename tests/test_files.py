"""Folders and files are closed to others whatever the umask and what stood there before, and appear whole."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvai import files
from cvai.files import appearing_whole, is_private, private_file, private_folder, write_whole


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


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("before", [None, b"former"])
def test_a_file_takes_its_name_whole_and_nothing_else_is_left(
    tmp_path: Path, before: bytes | None, durable: bool
) -> None:
    path = tmp_path / "a.json"
    if before is not None:
        path.write_bytes(before)
    with appearing_whole(path, durable=durable) as partial:
        partial.write_bytes(b"new")
        assert (path.read_bytes() if path.exists() else None) == before
        assert partial.name.startswith("."), "feeds and backups leave hidden names alone"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("private", "expected"), [(True, 0o600), (False, 0o644)])
def test_a_file_that_appears_whole_is_private_unless_others_may_read_it(
    tmp_path: Path, private: bool, expected: int
) -> None:
    before = os.umask(0o022)
    write_whole(tmp_path / "a", b"a", private=private)
    os.umask(before)
    assert mode(tmp_path / "a") == expected


def test_of_a_file_that_cannot_be_written_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"former")

    def write_half() -> None:
        with appearing_whole(path) as partial:
            partial.write_bytes(b"ne")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk"):
        write_half()
    assert path.read_bytes() == b"former"
    assert list(tmp_path.iterdir()) == [path]


def test_contents_are_on_the_disk_before_the_file_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named_when_synced: list[bool] = []
    monkeypatch.setattr(files.os, "fsync", lambda _: named_when_synced.append((tmp_path / "a").exists()))
    write_whole(tmp_path / "a", b"a", durable=True)
    write_whole(tmp_path / "b", b"b")
    assert named_when_synced == [False]
