"""Whether a model file computes what the trained weights compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from cvai.errors import ModelInvalid
from cvai.models.reference import reference_input
from cvai.models.runtimes.onnx import OnnxNetwork
from cvai.training.core.export import averaged_network
from cvai.training.tasks.registry import load_run

CONFIG_FILE = "train.toml"


@torch.no_grad()
def check_parity(folder: Path) -> float:
    """The largest difference of a logit between torch and ONNX Runtime on the card's reference input.

    Args:
        folder: model folder that also holds the checkpoint of the weights, and the configuration that says
            what network they are of.

    Raises:
        ModelInvalid: it is larger than rounding explains.
    """
    onnx_network = OnnxNetwork(folder, threads=1)
    run = load_run(folder / CONFIG_FILE).with_values(output=folder)
    image, tolerance = reference_input(onnx_network.card), onnx_network.card.reference.tolerance
    trained = averaged_network(run)(torch.from_numpy(image)).numpy()
    difference = float(np.abs(onnx_network.logits(image) - trained).max())
    if not difference <= tolerance:
        raise ModelInvalid(
            "parity_lost",
            f"The model file differs from the trained weights by {difference:.4g}; "
            f"{tolerance:.4g} is allowed.",
            "Export the run again, evaluate what came out, and register that.",
        )
    return difference
