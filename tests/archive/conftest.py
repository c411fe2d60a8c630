from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orthanc import Orthanc


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    server = Orthanc(tmp_path / "orthanc")
    server.start()
    yield server
    server.stop()
