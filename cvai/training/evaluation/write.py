"""The evaluation as a folder: record, page and pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from cvai.training.evaluation.agreement import paired
from cvai.training.evaluation.bland_altman import bland_altman_figure
from cvai.training.evaluation.page import page
from cvai.training.evaluation.record import record_json
from cvai.training.evaluation.summary import Evaluation

RECORD_FILE, PAGE_FILE, BLAND_ALTMAN_FILE = "evaluation.json", "report.html", "bland_altman.png"
_DOTS_PER_INCH = 110


def write_evaluation(evaluation: Evaluation, worst: Mapping[str, Figure], folder: Path) -> Path:
    """Write evaluation.json, report.html and its pictures into ``folder``, and return it.

    Args:
        evaluation: what is written.
        worst: pictures of the worst cases by file stem, see ``draw_worst_cases``.
        folder: made where it is missing; pictures of worst cases of an earlier evaluation are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("worst_*.png"):
        stale.unlink()
    pictures = {BLAND_ALTMAN_FILE: bland_altman_figure(paired(evaluation.scores), evaluation.agreement)}
    pictures |= {f"{stem}.png": figure for stem, figure in worst.items()}
    files = {name: _png(figure) for name, figure in pictures.items()}
    for name, png in files.items():
        (folder / name).write_bytes(png)
    titled = {_title(name): png for name, png in files.items()}
    (folder / PAGE_FILE).write_text(page(evaluation, titled), encoding="utf-8")
    (folder / RECORD_FILE).write_text(record_json(evaluation) + "\n", encoding="utf-8")
    return folder


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH)
    return buffer.getvalue()


def _title(name: str) -> str:
    """What stands above a picture.

    >>> _title("bland_altman.png"), _title("worst_patient080_ES.png")
    ('Bland-Altman', 'Worst case: patient080 ES')
    """
    if name == BLAND_ALTMAN_FILE:
        return "Bland-Altman"
    return f"Worst case: {Path(name).stem.removeprefix('worst_').replace('_', ' ')}"
