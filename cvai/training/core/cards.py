"""The cards of exported models."""

from __future__ import annotations

from typing import Any

from cvai.models.intensity import HIGH_PERCENTILE, LOW_PERCENTILE
from cvai.training.core.spec import AnyRun
from cvai.training.datasets.data import load_split

MODEL_FILE = "model.onnx"
REFERENCE_TOLERANCE = 0.02
"""Largest difference in a logit between torch and a runtime: rounding, not another answer."""


def card_values(run: AnyRun, sha256: str, logits: list[float]) -> dict[str, Any]:
    """The card of an exported model, as ``ModelCard`` reads it.

    Args:
        run: what was trained.
        sha256: hex digest of the model file.
        logits: what the network gives for the reference input of the run's seed.
    """
    task, config = run.task, run.config
    fields = task.card(config)
    return {
        "name": config.name,
        "version": config.version,
        "view": task.card_view,
        "file": MODEL_FILE,
        "sha256": sha256,
        "license": fields.source.license,
        "intended_use": fields.intended_use,
        "labels": {structure.value: value for structure, value in task.labels.items()},
        **fields.further,
        **({} if fields.source.convention is None else {"convention": fields.source.convention}),
        "input": {
            "axes": "n c y x",
            "channels": list(task.channels),
            "size": config.input.size,
            **{"low_percentile": LOW_PERCENTILE, "high_percentile": HIGH_PERCENTILE, **fields.input},
            "multiple_of": config.network.multiple_of,
        },
        "training": {
            "data": fields.source.title,
            "patients": fields.patients or len(load_split(config.data.split).train),
            "citation": fields.source.citation,
            "split": config.data.split.as_posix(),
        },
        "reference": {"seed": config.seed, "logits": logits, "tolerance": REFERENCE_TOLERANCE},
    }
