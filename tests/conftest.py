"""What every test may ask for."""

from __future__ import annotations

import gc
import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # Before numpy is imported: workers share the cores, and threads of BLAS spin while they wait.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import hypothesis
import pytest

# How long an example takes is the machine's business: a busy one must not fail a test that holds.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

ROOT = Path(__file__).resolve().parents[1]

LONGEST_FIRST = ("slow", "servers", "browser", "training")
"""Markers of tests that take long: their files begin first, so that no worker ends with one of them."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts a server, and share the tests among the workers of pytest-xdist.

    The tests of a file go to one worker, so that what they share is made once, unless ``xdist_group``
    says something else.
    """
    for item in items:
        if item.get_closest_marker("orthanc"):
            item.add_marker(pytest.mark.servers)
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(ROOT).as_posix()))
    if "PYTEST_XDIST_WORKER" in os.environ:
        _begin_with_the_longest(items)


def _begin_with_the_longest(items: list[pytest.Item]) -> None:
    """Order groups by their markers; within a group the order stays."""
    ranks: dict[str, int] = {}
    for item in items:
        rank = min(
            (LONGEST_FIRST.index(m.name) for m in item.iter_markers() if m.name in LONGEST_FIRST), default=9
        )
        ranks[_group(item)] = min(rank, ranks.get(_group(item), rank))
    items.sort(key=lambda item: (ranks[_group(item)], _group(item)))


def _group(item: pytest.Item) -> str:
    marker = item.get_closest_marker("xdist_group")
    assert marker is not None
    return str(marker.args[0])


def real_data_folder() -> Path:
    """CVAI_DATA, by default ``../shared/data`` beside the project."""
    named = Path(os.environ.get("CVAI_DATA", "../shared/data"))
    return named if named.is_absolute() else ROOT / named


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real studies; tests that ask for it skip where it is absent."""
    folder = real_data_folder()
    if not folder.is_dir():
        pytest.skip("no real data: CVAI_DATA names no folder")
    return folder


@pytest.fixture
def dead_lines_closed() -> Iterator[None]:
    """pynetdicom leaves a socket whose other side has hung up to the garbage collector, which tells of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


@pytest.fixture(scope="session")
def dciodvfy() -> str:
    """Path of dciodvfy; tests that ask for it skip where it is not installed."""
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    return program
