"""The evaluations of all folds of a cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cvai.errors import ConfigurationInvalid
from cvai.models.card import load_card
from cvai.training.evaluation.report import Report
from cvai.training.evaluation.sections import with_sections
from cvai.training.evaluation.write import RECORD_FILE, read_record
from cvai.training.tasks.registry import task_of_record


def pool(folders: Sequence[Path]) -> Report:
    """One evaluation of all patients of several.

    Args:
        folders: what ``cvai evaluate --out`` wrote, one of each fold.

    Raises:
        ConfigurationInvalid: ``evaluation_missing``, ``folds_overlap``, ``folds_differ``.
    """
    tasks = {task.name: task for task in (task_of_record(read_record(f / RECORD_FILE)) for f in folders)}
    if len(tasks) > 1:
        raise ConfigurationInvalid("folds_differ", f"The evaluations are of {' and '.join(tasks)} models.")
    (task,) = tasks.values()
    if task.evaluation.pool is None:
        raise ConfigurationInvalid("folds_differ", f"Evaluations of {task.name} models are not pooled.")
    return with_sections(task.evaluation.pool(folders))


def require_a_fold(model: Path, folders: Sequence[Path]) -> None:
    """Let intervals be written into no card but that of a network whose errors they come from.

    Raises:
        ConfigurationInvalid: ``folds_differ``.
        ModelInvalid: see ``load_card``.
    """
    sha256 = load_card(model).sha256
    if all(read_record(folder / RECORD_FILE)["model"]["sha256"] != sha256 for folder in folders):
        raise ConfigurationInvalid("folds_differ", f"None of these evaluations is of {model}.")
