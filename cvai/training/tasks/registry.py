"""Everything that networks are trained for; nothing else names a task."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cvai.errors import ConfigurationInvalid
from cvai.models.card import ModelCard
from cvai.training.core.config import RunConfig
from cvai.training.core.spec import AnyRun, AnyTask, Run
from cvai.training.tasks import coronary, echo, lge, sax
from cvai.wrong_keys import worded

TASKS: tuple[AnyTask, ...] = (sax.TASK, echo.TASK, lge.TASK, coronary.TASK)


def load_run(path: Path) -> AnyRun:
    """Read and check a configuration file.

    Raises:
        ConfigurationInvalid: the file is missing, not TOML, or a key is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
        task = _task(lambda task: task.name == values.get("view"), f'view = "{values.get("view")}" in {path}')
    except FileNotFoundError as error:
        raise ConfigurationInvalid("config_missing", f"There is no file {path}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationInvalid("config_invalid", f"{path}: {error}") from error
    try:
        return Run(task, task.config.model_validate(values))
    except ValidationError as error:
        raise ConfigurationInvalid("config_invalid", f"{path}: {worded(error, task.config, text)}") from error


def run_of(config: RunConfig) -> AnyRun:
    """A configuration with the task that it is for.

    Raises:
        ConfigurationInvalid: no task has its ``view``.
    """
    return Run(_task(lambda task: task.name == config.view, f'view = "{config.view}"'), config)


def task_of_card(card: ModelCard) -> AnyTask:
    """The task that a model was trained for.

    Raises:
        ConfigurationInvalid: none makes such models.
    """
    return _task(lambda task: task.card_view == card.view, f"{card.name}, a model for {card.view}")


def task_of_record(record: Mapping[str, Any]) -> AnyTask:
    """The task that an evaluation.json is of.

    Raises:
        ConfigurationInvalid: none writes its schema.
    """
    return _task(lambda task: task.evaluation.schema == record["schema"], f"schema {record['schema']}")


def _task(fits: Callable[[AnyTask], bool], what: str) -> AnyTask:
    for task in TASKS:
        if fits(task):
            return task
    known = ", ".join(task.name for task in TASKS)
    raise ConfigurationInvalid("task_unknown", f"No training task is for {what}.", f"There are: {known}.")
