"""An evaluation beside the training it belongs to, in MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import mlflow

from cvai.errors import ConfigurationInvalid
from cvai.models.card import ModelCard
from cvai.training.core.config import RunConfig
from cvai.training.core.tracking import Tracker
from cvai.training.tasks.registry import load_run

ARTIFACTS = "evaluation"


def config_of(path: Path, model: ModelCard) -> RunConfig:
    """The configuration that trained ``model``.

    Raises:
        ConfigurationInvalid: it cannot be read, or trains another model.
    """
    config: RunConfig = load_run(path).config
    if (model.name, model.version) != (config.name, config.version):
        raise ConfigurationInvalid(
            "evaluated_other_model",
            f"{path.name} trains {config.name} {config.version}, not {model.name} {model.version}.",
            "Name the configuration of the evaluated model, or export its run first.",
        )
    return config


def track_evaluation(config: RunConfig, metrics: Mapping[str, float], folder: Path) -> None:
    """Add the headline metrics of an evaluation and its written ``folder`` to the run of ``config``."""
    with Tracker(config):
        mlflow.log_metrics(dict(metrics))
        mlflow.log_artifacts(str(folder), ARTIFACTS)
