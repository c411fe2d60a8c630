"""One evaluation of a model for coronary angiograms."""

from __future__ import annotations

from pathlib import Path

from cvai.training.core.spec import Asked
from cvai.training.evaluation.report import Report


def evaluate(folder: Path, asked: Asked) -> Report:
    """Score the validation images of ARCADE."""
    raise NotImplementedError(folder, asked)
