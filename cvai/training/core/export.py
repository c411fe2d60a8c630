"""From a checkpoint to a model folder: ONNX file and card, checked before they replace what is there."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import onnx
import tomlkit
import torch

from cvai.errors import ConfigurationInvalid, ModelInvalid
from cvai.models.card import CARD_FILE
from cvai.models.reference import reference_pixels, smooth_noise
from cvai.models.runtimes.onnx import OnnxNetwork
from cvai.training.core.cards import MODEL_FILE, REFERENCE_TOLERANCE, card_values
from cvai.training.core.loop import CHECKPOINT
from cvai.training.core.networks import network_for
from cvai.training.core.spec import AnyRun
from cvai.training.core.start import averaged_weights


def averaged_network(run: AnyRun) -> torch.nn.Module:
    """The network with the moving average of its weights, from the run's checkpoint.

    Raises:
        ConfigurationInvalid: the run has no checkpoint yet.
    """
    checkpoint = run.config.output / CHECKPOINT
    if not checkpoint.is_file():
        raise ConfigurationInvalid(
            "checkpoint_missing",
            f"There is no {checkpoint}.",
            "Run `cvai train` with this configuration first.",
        )
    network = network_for(run)
    network.load_state_dict(averaged_weights(checkpoint))
    return network.eval()


def write_onnx(network: torch.nn.Module, example: torch.Tensor, multiple: int, path: Path) -> None:
    """Write (n, c, y, x) -> (n, k, y, x) with free batch, rows and columns.

    Args:
        network: what is written.
        example: an input of at least two images.
        multiple: what rows and columns are multiples of.
        path: file to write.
    """
    step = torch.export.Dim("step", min=2, max=64)
    columns_step = torch.export.Dim("columns_step", min=2, max=64)
    shapes = ({0: torch.export.Dim("batch"), 2: multiple * step, 3: multiple * columns_step},)
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


@torch.no_grad()
def export(run: AnyRun, folder: Path) -> Path:
    """Write model.onnx and card.toml into ``folder``, after ONNX Runtime has given what torch gives.

    Raises:
        ModelInvalid: the exported network differs from the trained one; ``folder`` is left as it was.
    """
    network, config = averaged_network(run), run.config
    image = smooth_noise(config.seed, len(run.task.channels), config.input.size)
    logits = network(torch.from_numpy(image)).numpy()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        draft = Path(name)
        example = torch.from_numpy(image).repeat(2, 1, 1, 1)
        write_onnx(network, example, config.network.multiple_of, draft / MODEL_FILE)
        sha256 = hashlib.sha256((draft / MODEL_FILE).read_bytes()).hexdigest()
        pixels = [round(float(v), 5) for v in reference_pixels(logits)]
        (draft / CARD_FILE).write_text(tomlkit.dumps(card_values(run, sha256, pixels)))
        difference = float(np.abs(OnnxNetwork(draft).logits(image) - logits).max())
        if difference > REFERENCE_TOLERANCE:
            raise ModelInvalid("export_differs", f"ONNX Runtime differs from torch by {difference:.4g}.")
        for file in (MODEL_FILE, CARD_FILE):
            (draft / file).replace(folder / file)
    return folder
