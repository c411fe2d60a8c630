"""Reads the result.json of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cvai.dicom.write.result_json import read_entry


def read_result(path: Path) -> Mapping[str, Any]:
    """The analysis entry in the result.json of one job; empty where the file is missing.

    It may have been removed by retention, or be on another worker's disk.
    """
    return read_entry(path) if path.is_file() else {}
