"""result.json as jobs leave it: the one place in which the service reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cvai.dicom.write.result_json import read_entry


def read_result(path: Path) -> Mapping[str, Any]:
    """What the result.json of one job says of its analysis; empty where it does not lie here.

    Results are kept for a while only, or were written by another worker, elsewhere.
    """
    return read_entry(path) if path.is_file() else {}
