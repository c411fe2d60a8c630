"""The cards of exported models."""

from __future__ import annotations

from typing import Any

from cvai.domain.anatomy import ECHO_LABELS, SAX_LABELS
from cvai.domain.echo.views import EchoView
from cvai.models.intensity import HIGH_PERCENTILE, LOW_PERCENTILE
from cvai.training.core.config import AnyTrainConfig, EchoTrainConfig, TrainConfig
from cvai.training.datasets.data import load_split
from cvai.training.datasets.kinds import open_dataset
from cvai.training.datasets.port import Source
from cvai.training.tasks.echo.camus import CAMUS

MODEL_FILE = "model.onnx"
REFERENCE_TOLERANCE = 0.02
"""Largest difference in a logit between torch and a runtime: rounding, not another answer."""


def card_values(config: AnyTrainConfig, sha256: str, logits: list[float]) -> dict[str, Any]:
    """The card of an exported model, as ``ModelCard`` reads it.

    Args:
        config: what was trained.
        sha256: hex digest of the model file.
        logits: what the network gives for the reference input of ``config.seed``.
    """
    if isinstance(config, EchoTrainConfig):
        source, view = CAMUS, _echo_view(config)
    else:
        source, view = open_dataset(config.data.kind, config.data.folder).source, _sax_view(config)
    return {
        "name": config.name,
        "version": config.version,
        "view": view["view"],
        "file": MODEL_FILE,
        "sha256": sha256,
        "license": source.license,
        "intended_use": "Research. Not for clinical use, not for commercial use.",
        **{key: value for key, value in view.items() if key not in ("view", "input")},
        "input": {
            "axes": "n c y x",
            **view["input"],
            "multiple_of": multiple_of(config),
            "low_percentile": LOW_PERCENTILE,
            "high_percentile": HIGH_PERCENTILE,
        },
        "training": _training(config, source),
        "reference": {"seed": config.seed, "logits": logits, "tolerance": REFERENCE_TOLERANCE},
    }


def multiple_of(config: AnyTrainConfig) -> int:
    """What the rows and columns of the network's input are multiples of."""
    return int(2 ** (len(config.network.filters) - 1))


def _sax_view(config: TrainConfig) -> dict[str, Any]:
    return {
        "view": "sax_cine",
        "labels": {structure.value: value for structure, value in SAX_LABELS.items()},
        "input": {
            "channels": ["slice before", "slice", "slice after"],
            "spacing_mm": config.input.spacing_mm,
            "size": config.input.size,
        },
    }


def _echo_view(config: EchoTrainConfig) -> dict[str, Any]:
    return {
        "view": "echo",
        "views": [view.value for view in EchoView],
        "labels": {structure.value: value for structure, value in ECHO_LABELS.items()},
        "input": {"channels": ["sector squeezed to a square"], "size": config.input.size},
    }


def _training(config: AnyTrainConfig, source: Source) -> dict[str, Any]:
    return {
        "data": source.title,
        "patients": len(load_split(config.data.split).train),
        "citation": source.citation,
        "split": config.data.split.as_posix(),
    }
