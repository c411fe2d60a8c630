"""What every test may ask for."""

from __future__ import annotations

import gc
import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# How long an example takes is the machine's business: a busy one must not fail a test that holds.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

ROOT = Path(__file__).resolve().parents[1]


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
