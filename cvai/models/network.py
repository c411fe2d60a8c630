"""A network on whatever runtime its file and the settings ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cvai.errors import ModelInvalid
from cvai.models.card import ModelCard, load_card
from cvai.models.runtimes.onnx import open_onnx
from cvai.models.runtimes.openvino import OPENVINO, OpenVinoNetwork
from cvai.models.runtimes.torchscript import TORCHSCRIPT_SUFFIXES, TorchScriptNetwork


class Network(Protocol):
    """Turns images into logits, and has shown that it computes what its card says."""

    @property
    def card(self) -> ModelCard:
        """The card of its model folder."""
        ...

    @property
    def provider(self) -> str:
        """The runtime that really runs, for results and logs."""
        ...

    def images_at_once(self, rows: int, columns: int) -> int:
        """Images of this size that are computed together: as many as suit the runtime and its memory."""
        ...

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, c, y, x) images to (n, k, y, x) logits; raises DeviceFailed where a device fails."""
        ...


def open_network(
    folder: Path, threads: int = 2, provider: str = "auto", device_batch: int | None = None
) -> Network:
    """Load a model folder on the runtime that its file and ``provider`` ask for.

    Args:
        folder: model folder with card.toml. A ``.onnx`` file runs in ONNX Runtime or OpenVINO, a TorchScript
            file (``.ts``, ``.pt``), such as MONAI bundles are exported to, in torch.
        threads: threads within one operator.
        provider: ``auto``, ``cpu``, ``cuda``, ``tensorrt``, ``openvino``, or a provider of ONNX Runtime by
            its name; for TorchScript ``auto``, ``cpu`` or ``cuda``.
        device_batch: images at a time on a device; None to go by its memory.

    Raises:
        ModelInvalid: the folder is damaged, or the network does not reproduce its reference outputs.
        ConfigurationInvalid: the runtime asked for is not there.
        DeviceFailed: it is there, and does not load or run.
    """
    suffix = Path(load_card(folder).file).suffix
    if suffix in TORCHSCRIPT_SUFFIXES:
        return TorchScriptNetwork(folder, threads, provider, device_batch)
    if suffix != ".onnx":
        raise ModelInvalid(
            "model_format_unknown",
            f"{folder.name}: no runtime here reads {suffix or 'files without an ending'}.",
            f"Known are .onnx and {', '.join(TORCHSCRIPT_SUFFIXES)}.",
        )
    if provider == OPENVINO:
        return OpenVinoNetwork(folder, threads)
    return open_onnx(folder, threads, provider, device_batch)
