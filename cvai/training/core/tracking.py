"""Runs are recorded in MLflow, in a SQLite file beside the run unless MLFLOW_TRACKING_URI says otherwise."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import mlflow
from mlflow.exceptions import MlflowException

from cvai.training.core.config import RunConfig


def use_tracking_store(output: Path) -> None:
    """Point MLflow at the store of this run's folder."""
    folder = output.parent.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db"))


class Tracker:
    """One MLflow run, as a context; a resumed training continues the run it started."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._id_file = config.output / "mlflow_run_id"

    def __enter__(self) -> Self:
        use_tracking_store(self._config.output)
        if mlflow.get_experiment_by_name(self._config.name) is None:
            artifacts = (self._config.output.parent / "mlflow_artifacts").resolve()
            mlflow.create_experiment(self._config.name, artifact_location=artifacts.as_uri())
        mlflow.set_experiment(self._config.name)
        known = self._started()
        run = mlflow.start_run(run_id=known, run_name=f"{self._config.name} {self._config.version}")
        self._id_file.write_text(run.info.run_id)
        if known is None:
            mlflow.log_params(_flat(self._config.model_dump(mode="json")))
        return self

    def _started(self) -> str | None:
        """The run that this training started; None where it is the first, or the store has lost that run."""
        if not self._id_file.is_file():
            return None
        known = self._id_file.read_text().strip()
        try:
            mlflow.get_run(known)
        except MlflowException:
            return None
        return known

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        mlflow.end_run("FINISHED" if kind is None else "KILLED")

    def log(self, metrics: dict[str, float], step: int, picture: Path | None = None) -> None:
        """Record metrics and, where given, a picture of this step."""
        mlflow.log_metrics(metrics, step=step)
        if picture is not None:
            mlflow.log_artifact(str(picture), "pictures")


def _flat(tree: dict[str, object], prefix: str = "") -> dict[str, object]:
    out: dict[str, object] = {}
    for key, value in tree.items():
        out.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return out
