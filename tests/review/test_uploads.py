"""Uploads into the inbox: whole or not at all, in order, and no larger than they may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvai.errors import RequestInvalid
from cvai.review.uploads import MOST_AT_ONCE, Delivered, Uploads


def test_an_upload_appears_in_the_inbox_once_it_is_whole(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    name = uploads.begin()
    uploads.append(name, 0, 0, b"abc")
    uploads.append(name, 1, 0, b"x")
    uploads.append(name, 0, 3, b"def")
    assert [path.name[0] for path in tmp_path.iterdir()] == ["."], "the inbox leaves hidden folders alone"
    assert uploads.deliver(name) == Delivered(2, 7)
    (delivered,) = tmp_path.iterdir()
    assert {path.name: path.read_bytes() for path in delivered.iterdir()} == {"0": b"abcdef", "1": b"x"}
    with pytest.raises(RequestInvalid, match="no such upload"):
        uploads.append(name, 2, 0, b"late")


def test_a_piece_that_is_missing_or_comes_twice_is_refused(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    name = uploads.begin()
    uploads.append(name, 0, 0, b"abc")
    for offset in (0, 2, 4):
        with pytest.raises(RequestInvalid, match="piece of a file is missing"):
            uploads.append(name, 0, offset, b"def")


def test_an_upload_is_limited_in_bytes_and_files(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, largest_bytes=5, most_files=2)
    name = uploads.begin()
    uploads.append(name, 0, 0, b"abc")
    for number, content in ((0, b"def"), (1, b"def"), (2, b"d")):
        with pytest.raises(RequestInvalid, match="at most"):
            uploads.append(name, number, 3 if number == 0 else 0, content)


def test_what_is_discarded_or_left_over_is_removed(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    for name in [uploads.begin() for _ in range(MOST_AT_ONCE)]:
        uploads.append(name, 0, 0, b"abc")
    with pytest.raises(RequestInvalid, match="under way"):
        uploads.begin()
    uploads.discard(name)
    uploads.begin()
    Uploads(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_upload_is_not_delivered(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    with pytest.raises(RequestInvalid, match="No file"):
        uploads.deliver(uploads.begin())
