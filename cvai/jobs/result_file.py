"""Reads the result.json of jobs, and states in it that they are withheld."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cvai.dicom.write.result_json import read_entry
from cvai.files import write_whole


def read_result(path: Path) -> Mapping[str, Any]:
    """The analysis entry in the result.json of one job; empty where the file is missing.

    It may have been removed by retention, or be on another worker's disk.
    """
    return read_entry(path) if path.is_file() else {}


def withhold(path: Path, stop: Mapping[str, str]) -> None:
    """State in the result.json of one job why its results are withheld; nothing where the file is missing.

    Args:
        path: of the file.
        stop: see ``Stop.to_json``.
    """
    if path.is_file():
        record = json.loads(path.read_text(encoding="utf-8"))
        for entry in record["analyses"]:
            entry["withheld"] = dict(stop)
        write_whole(path, (json.dumps(record, indent=1) + "\n").encode())
