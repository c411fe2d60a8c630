"""The weights a run starts from: those of an earlier run, or of a model of which the ONNX file is left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx.numpy_helper import to_array

from cvai.errors import ConfigurationInvalid
from cvai.models.card import load_card
from cvai.models.runtimes.onnx import OnnxNetwork
from cvai.training.core.cards import REFERENCE_TOLERANCE

Weights = dict[str, torch.Tensor]
"""The state of a network by name."""

_AVERAGE = "module."


def first_weights(source: Path, network: torch.nn.Module, images: Iterable[torch.Tensor]) -> Weights:
    """The state that ``network`` starts from.

    Args:
        source: a run's checkpoint, or the folder of a model.
        network: a network of the same kind; its own weights are changed.
        images: (n, c, y, x) such as it will be trained on.

    Raises:
        ConfigurationInvalid: ``start_missing``, ``start_differs``.
    """
    if not source.exists():
        raise ConfigurationInvalid(
            "start_missing", f"There is no {source} to start from.", "Train its first stage, or name a model."
        )
    try:
        return _unfolded(source, network, images) if source.is_dir() else averaged_weights(source)
    except (KeyError, RuntimeError) as error:
        raise ConfigurationInvalid(
            "start_differs",
            f"The weights of {source} are those of another network.",
            "Give [network] the filters of the model that is started from.",
        ) from error


def averaged_weights(checkpoint: Path) -> Weights:
    """The moving average of a run's weights."""
    saved: dict[str, Any] = torch.load(checkpoint, weights_only=True, map_location="cpu")
    return {k.removeprefix(_AVERAGE): v for k, v in saved["average"].items() if k.startswith(_AVERAGE)}


@torch.no_grad()
def _unfolded(model: Path, network: torch.nn.Module, images: Iterable[torch.Tensor]) -> Weights:
    """The weights of an exported model, with batch normalisations that change nothing at inference.

    In an ONNX file they are folded into the convolutions. A network that is trained needs them back: each is
    given the mean and the variance of what reaches it, and undoes both.
    """
    graph = onnx.load(model / load_card(model).file).graph
    written = {entry.name: torch.from_numpy(to_array(entry).copy()) for entry in graph.initializer}
    norms = []
    for name, norm in network.named_modules(remove_duplicate=False):
        if isinstance(norm, torch.nn.BatchNorm2d) and _folded_bias_of(name) in written:
            norm.reset_running_stats()
            norm.weight.fill_((1.0 + norm.eps) ** 0.5)
            norm.bias.copy_(written.pop(_folded_bias_of(name)))
            norms.append(norm)
    # Not strict: DynUNet's state names some weights twice. What is missing shows in the logits.
    if network.load_state_dict(written, strict=False).unexpected_keys:
        raise KeyError("what DynUNet has not")
    network.eval()
    with _moments(norms) as moments:
        for image in images:
            network(image)
    for norm in norms:
        mean, variance = moments.of(norm)
        norm.bias.add_(mean)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.register_buffer("running_mean", mean)
        norm.register_buffer("running_var", variance)
    _require_same_logits(model, network, image)
    return {name: value.clone() for name, value in network.state_dict().items()}


def _folded_bias_of(norm: str) -> str:
    """The exporter's name of a normalisation's bias: DynUNet's ``norm1`` comes after its ``conv1``."""
    block, _, number = norm.rpartition(".norm")
    return f"{block}.conv{number}.conv.weight_bias"


def _require_same_logits(model: Path, network: torch.nn.Module, image: torch.Tensor) -> None:
    difference = np.abs(OnnxNetwork(model).logits(image.numpy()) - network(image).numpy()).max()
    if difference > REFERENCE_TOLERANCE:
        raise KeyError("what the model has not")


class _Moments:
    """Mean and variance of each channel that reaches a normalisation."""

    def __init__(self) -> None:
        self._seen: dict[torch.nn.Module, list[tuple[torch.Tensor, torch.Tensor]]] = {}

    def look(self, norm: torch.nn.Module, given: tuple[torch.Tensor]) -> None:
        (values,) = given
        variance, mean = torch.var_mean(values, dim=(0, 2, 3), correction=0)
        self._seen.setdefault(norm, []).append((mean, variance))

    def of(self, norm: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
        means, variances = (torch.stack(values) for values in zip(*self._seen[norm], strict=True))
        return means.mean(0), variances.mean(0) + means.var(0, correction=0)


@contextmanager
def _moments(norms: Iterable[torch.nn.Module]) -> Iterator[_Moments]:
    """Collects while the network runs."""
    moments = _Moments()
    hooks = [norm.register_forward_pre_hook(moments.look) for norm in norms]
    try:
        yield moments
    finally:
        for hook in hooks:
            hook.remove()
