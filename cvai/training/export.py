"""From a checkpoint to a model folder: ONNX file and card, checked before they replace what is there."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tomlkit
import torch

from cvai.errors import ConfigurationInvalid, ModelInvalid
from cvai.heart.anatomy import SAX_LABELS
from cvai.inference.card import CARD_FILE
from cvai.inference.intensity import HIGH_PERCENTILE, LOW_PERCENTILE
from cvai.inference.onnx import OnnxNetwork
from cvai.inference.reference import reference_pixels, smooth_noise
from cvai.training.config import TrainConfig
from cvai.training.data import load_split
from cvai.training.datasets.kinds import open_dataset
from cvai.training.loop import CHECKPOINT
from cvai.training.networks import sax_network

MODEL_FILE = "model.onnx"
REFERENCE_TOLERANCE = 0.02
"""Largest difference in a logit between torch and a runtime: rounding, not another answer."""


def averaged_network(config: TrainConfig) -> torch.nn.Module:
    """The network with the moving average of its weights, from the run's checkpoint.

    Raises:
        ConfigurationInvalid: the run has no checkpoint yet.
    """
    checkpoint = config.output / CHECKPOINT
    if not checkpoint.is_file():
        raise ConfigurationInvalid(
            "checkpoint_missing",
            f"There is no {checkpoint}.",
            "Run `cvai train` with this configuration first.",
        )
    saved: dict[str, Any] = torch.load(checkpoint, weights_only=True)
    prefix = "module."
    weights = {k.removeprefix(prefix): v for k, v in saved["average"].items() if k.startswith(prefix)}
    network = sax_network(config.network)
    network.load_state_dict(weights)
    return network.eval()


def write_onnx(network: torch.nn.Module, size: int, path: Path) -> None:
    """Write (n, 3, y, x) -> (n, 4, y, x) with free batch, rows and columns."""
    example = torch.zeros(2, 3, size, size)
    step = torch.export.Dim("step", min=2, max=64)
    columns_step = torch.export.Dim("columns_step", min=2, max=64)
    shapes = ({0: torch.export.Dim("batch"), 2: 16 * step, 3: 16 * columns_step},)
    torch.onnx.export(
        network,
        (example,),
        path,
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes=shapes,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    strip_traces(path)


def strip_traces(path: Path) -> None:
    """Take out the stack traces torch writes on every node: they name folders of the machine it ran on."""
    model = onnx.load(path)
    for entry in (*model.graph.node, *model.graph.value_info, *model.graph.initializer):
        entry.ClearField("metadata_props")
        entry.ClearField("doc_string")
    onnx.save(model, path)


def card_values(config: TrainConfig, sha256: str, logits: list[float], reference_seed: int) -> dict[str, Any]:
    """The card of an exported short-axis model."""
    levels = len(config.network.filters)
    source = open_dataset(config.data.kind, config.data.folder).source
    return {
        "name": config.name,
        "version": config.version,
        "view": "sax_cine",
        "file": MODEL_FILE,
        "sha256": sha256,
        "license": source.license,
        "intended_use": "Research. Not for clinical use, not for commercial use.",
        "labels": {structure.value: value for structure, value in SAX_LABELS.items()},
        "input": {
            "axes": "n c y x",
            "channels": ["slice before", "slice", "slice after"],
            "spacing_mm": config.input.spacing_mm,
            "size": config.input.size,
            "multiple_of": 2 ** (levels - 1),
            "low_percentile": LOW_PERCENTILE,
            "high_percentile": HIGH_PERCENTILE,
        },
        "training": {
            "data": source.title,
            "patients": len(load_split(config.data.split).train),
            "citation": source.citation,
            "split": config.data.split.as_posix(),
        },
        "reference": {"seed": reference_seed, "logits": logits, "tolerance": REFERENCE_TOLERANCE},
    }


@torch.no_grad()
def export(config: TrainConfig, folder: Path) -> Path:
    """Write model.onnx and card.toml into ``folder``, after ONNX Runtime has given what torch gives.

    Raises:
        ModelInvalid: the exported network differs from the trained one; ``folder`` is left as it was.
    """
    network = averaged_network(config)
    image = smooth_noise(config.seed, 3, config.input.size)
    logits = network(torch.from_numpy(image)).numpy()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        draft = Path(name)
        write_onnx(network, config.input.size, draft / MODEL_FILE)
        sha256 = hashlib.sha256((draft / MODEL_FILE).read_bytes()).hexdigest()
        pixels = [round(float(v), 5) for v in reference_pixels(logits)]
        (draft / CARD_FILE).write_text(tomlkit.dumps(card_values(config, sha256, pixels, config.seed)))
        difference = float(np.abs(OnnxNetwork(draft).logits(image) - logits).max())
        if difference > REFERENCE_TOLERANCE:
            raise ModelInvalid("export_differs", f"ONNX Runtime differs from torch by {difference:.4g}.")
        for file in (MODEL_FILE, CARD_FILE):
            (draft / file).replace(folder / file)
    return folder
