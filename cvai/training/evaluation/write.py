"""An evaluation as a folder: record, page and pictures."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from cvai.errors import ConfigurationInvalid
from cvai.training.evaluation.page import page
from cvai.training.evaluation.report import Report

RECORD_FILE, PAGE_FILE = "evaluation.json", "report.html"
_DOTS_PER_INCH = 110


def write_report(report: Report, folder: Path) -> Path:
    """Write evaluation.json, report.html and its pictures into ``folder``, and return it.

    Args:
        report: what is written.
        folder: made where it is missing; pictures of worst cases of an earlier evaluation are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("worst_*.png"):
        stale.unlink()
    pictures = {stem: _png(figure) for stem, figure in report.pictures().items()}
    for stem, png in pictures.items():
        (folder / f"{stem}.png").write_bytes(png)
    titled = {_title(stem): png for stem, png in pictures.items()}
    (folder / PAGE_FILE).write_text(page(report, titled), encoding="utf-8")
    (folder / RECORD_FILE).write_text(report.record_json + "\n", encoding="utf-8")
    return folder


def read_record(path: Path) -> dict[str, Any]:
    """An evaluation.json as it was written.

    Raises:
        ConfigurationInvalid: ``evaluation_missing``.
    """
    if not path.is_file():
        raise ConfigurationInvalid("evaluation_missing", f"There is no {path}.", "Run `cvai evaluate --out`.")
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH)
    return buffer.getvalue()


def _title(stem: str) -> str:
    """What stands above a picture.

    >>> _title("bland_altman"), _title("worst_patient080_ES")
    ('Bland-Altman', 'Worst case: patient080 ES')
    """
    if stem == "bland_altman":
        return "Bland-Altman"
    words = stem.replace("_", " ")
    return f"Worst case: {words.removeprefix('worst ')}" if words.startswith("worst ") else words.capitalize()
