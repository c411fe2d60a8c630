"""Models in MLflow's registry: the folder that will be in place, with what is needed to check it again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import mlflow
import onnx
import tomlkit
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from cvai.errors import ConfigurationInvalid, ModelInvalid
from cvai.models.card import CARD_FILE, load_card
from cvai.training.core.config import RunConfig
from cvai.training.core.loop import CHECKPOINT
from cvai.training.core.tracking import Tracker
from cvai.training.evaluation.write import RECORD_FILE
from cvai.training.promotion.parity import CONFIG_FILE, check_parity

_ARTIFACT = "model"
_BESIDE_THE_MODEL = ("LICENSE", "MODEL_CARD.md")
DEFAULT_STORE = "sqlite:///runs/mlflow.db"


def register(config: RunConfig, folder: Path, record: Path) -> int:
    """Put an evaluated model into the registry, under the name of its configuration, beside its run.

    What is registered is a folder: model file and card byte for byte, evaluation, the averaged weights as a
    checkpoint that a second stage can start from, the configuration of the run, and MLflow's own description,
    so that ``mlflow.onnx.load_model("models:/NAME/VERSION")`` works as well.

    Args:
        config: of the training run.
        folder: the model folder that was evaluated.
        record: its evaluation.json.

    Returns:
        The version the registry gave it.

    Raises:
        ModelInvalid: the folder does not hold the model of this run, or the evaluation is of another one.
    """
    check_evaluation(folder, record)
    with tempfile.TemporaryDirectory() as name:
        draft = Path(name)
        _gather(config, folder, record, draft)
        check_parity(draft)
        with Tracker(config):
            return _upload(config, draft)


def _gather(config: RunConfig, folder: Path, record: Path, draft: Path) -> None:
    card = load_card(folder)
    for file in (CARD_FILE, card.file, *_BESIDE_THE_MODEL):
        if (folder / file).is_file():
            shutil.copy(folder / file, draft / file)
    shutil.copy(record, draft / RECORD_FILE)
    saved = torch.load(config.output / CHECKPOINT, weights_only=True)
    torch.save({"average": saved["average"]}, draft / CHECKPOINT)
    values = config.model_dump(mode="json", exclude_none=True)
    (draft / CONFIG_FILE).write_text(tomlkit.dumps(values), encoding="utf-8")


def _upload(config: RunConfig, draft: Path) -> int:
    card = load_card(draft)
    run = mlflow.active_run().info.run_id
    # A run may be exported, calibrated and registered again; the versions before keep what they are of.
    artifact = f"{_ARTIFACT}-{hashlib.sha256((draft / CARD_FILE).read_bytes()).hexdigest()[:12]}"
    described = Model(artifact_path=artifact, run_id=run)
    described.add_flavor(
        "onnx", onnx_version=onnx.__version__, data=card.file, providers=["CPUExecutionProvider"]
    )
    described.save(draft / "MLmodel")
    mlflow.log_artifacts(str(draft), artifact)
    tags = {"version": card.version, "sha256": card.sha256, "license": card.license}
    registered = mlflow.register_model(f"runs:/{run}/{artifact}", config.name, tags=tags)
    return int(registered.version)


def check_evaluation(folder: Path, record: Path) -> None:
    """Raise ModelInvalid unless ``record`` is the evaluation of the model in ``folder``."""
    card = load_card(folder)
    if not record.is_file():
        raise ModelInvalid(
            "evaluation_missing",
            f"{card.name} {card.version} has no {RECORD_FILE}.",
            "Run `cvai evaluate --out` and keep the file beside the model.",
        )
    evaluated = json.loads(record.read_text(encoding="utf-8"))["model"]["sha256"]
    if evaluated != card.sha256:
        raise ModelInvalid(
            "evaluation_of_other_model",
            f"{RECORD_FILE} is of a model with SHA-256 {evaluated[:12]}…, {card.name} {card.version} has "
            f"{card.sha256[:12]}….",
            "Evaluate this model.",
        )


def tracking_store(named: str | None) -> str:
    """The store asked for, else that of MLFLOW_TRACKING_URI, else the one that runs of this tree use.

    Raises:
        ConfigurationInvalid: it is a SQLite file that is not there; MLflow would make an empty one.
    """
    store = named or os.environ.get("MLFLOW_TRACKING_URI", DEFAULT_STORE)
    file = store.removeprefix("sqlite:///")
    if file != store and not Path(file).is_file():
        raise ConfigurationInvalid(
            "registry_missing",
            f"There is no registry at {store}.",
            "Name it with --registry, or train first.",
        )
    return store


def fetch(store: str, name: str, version: int, folder: Path) -> Path:
    """Download a registered version into ``folder`` and return where it lies.

    Raises:
        ConfigurationInvalid: there is no such version.
    """
    mlflow.set_tracking_uri(store)
    try:
        path = mlflow.artifacts.download_artifacts(
            artifact_uri=f"models:/{name}/{version}", dst_path=str(folder)
        )
    except MlflowException as error:
        known = [str(v.version) for v in mlflow.MlflowClient().search_model_versions(f"name='{name}'")]
        raise ConfigurationInvalid(
            "version_unknown",
            f"The registry has no version {version} of {name}.",
            f"Registered: {', '.join(sorted(known, key=int)) or 'none'}.",
        ) from error
    return Path(path)
