"""What every test may ask for."""

from __future__ import annotations

import gc
import os
import shutil
import warnings
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # Before numpy is imported: workers share the cores, and threads of BLAS spin while they wait.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import hypothesis
import pytest
import structlog

# How long an example takes is the machine's business: a busy one must not fail a test that holds. The
# examples are the same in every run, so that what passed once does not fail by chance;
# HYPOTHESIS_PROFILE=search looks for others.
hypothesis.settings.register_profile("any machine", deadline=None, derandomize=True)
hypothesis.settings.register_profile("search", deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "any machine"))


@pytest.fixture(autouse=True)
def logs_as_by_default() -> Iterator[None]:
    """A command called within a test sends the log to stderr; the next test looks for it on stdout."""
    yield
    structlog.reset_defaults()


ROOT = Path(__file__).resolve().parents[1]

LONGEST_FIRST = ("servers", "browser", "training", "slow")
"""Markers of tests that take long: their files begin first, so that no worker ends with one of them."""

WAITING = LONGEST_FIRST[:2]
"""Markers of tests that wait for other processes most of their time."""

MARKED_FOLDERS = {
    "tests/e2e": "servers",
    "tests/notebooks": "training",
    "tests/training": "training",
    "cvai/training": "training",
}
"""Folders whose tests need it all."""

MARKED_FIXTURES = {"browser": "browser", "site": "servers", "orthanc": "servers", "wheel": "slow"}
"""Fixtures that start something, or take long to make."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what a test needs."""
    for marker in _needs(item, _file(item)):
        item.add_marker(marker)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the files that take longest begin first; each goes to one worker of pytest-xdist.

    Files that wait and files that compute alternate, so that cores have something to do while others wait.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    ranks: dict[str, int] = {}
    for item in items:
        ranks[_file(item)] = min(_rank(item), ranks.get(_file(item), len(LONGEST_FIRST)))
    files = sorted(ranks, key=lambda file: (ranks[file], file))
    waiting = [file for file in files if ranks[file] < len(WAITING)]
    pairs = zip_longest(waiting, files[len(waiting) :])
    places = {file: place for place, file in enumerate(file for pair in pairs for file in pair if file)}
    items.sort(key=lambda item: places[_file(item)])


def _file(item: pytest.Item) -> str:
    return item.path.relative_to(ROOT).as_posix()


def _rank(item: pytest.Item) -> int:
    found = [LONGEST_FIRST.index(mark.name) for mark in item.iter_markers() if mark.name in LONGEST_FIRST]
    return min(found, default=len(LONGEST_FIRST))


def _needs(item: pytest.Item, file: str) -> Iterator[str]:
    """Markers that follow from where a test stands and what it asks for."""
    yield from (name for folder, name in MARKED_FOLDERS.items() if file.startswith(f"{folder}/"))
    yield from (
        name for fixture, name in MARKED_FIXTURES.items() if fixture in getattr(item, "fixturenames", ())
    )
    if item.get_closest_marker("orthanc"):
        yield "servers"


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


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """SQLAlchemy URL of a PostgreSQL for all tests; ``tests.postgres`` makes a fresh database on it."""
    from tests.postgres import running_postgres

    with running_postgres() as url:
        yield url


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
