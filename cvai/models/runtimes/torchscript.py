"""TorchScript in torch, for those who bring a network of their own, such as an exported MONAI bundle."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cvai.errors import ConfigurationInvalid, DeviceFailed, ModelInvalid
from cvai.models.card import ModelCard, load_card
from cvai.models.reference import check_reference
from cvai.models.runtimes.batches import BATCH_OF_UNKNOWN_MEMORY, batch_on_device, device_memory_bytes

if TYPE_CHECKING:
    import torch

TORCHSCRIPT_SUFFIXES = (".ts", ".pt")


class TorchScriptNetwork:
    """A network that turns (n, c, y, x) into (n, k, y, x) logits, in torch.

    Args:
        folder: model folder with card.toml; of a MONAI bundle, the card's ``file`` is ``models/model.ts``.
        threads: threads within one operator; torch has one number for the whole process.
        provider: ``cpu``, ``cuda``, or ``auto`` for CUDA where there is a device.
        device_batch: images at a time on a CUDA device; None to go by its memory.

    Raises:
        ModelInvalid: the folder is damaged, or the network does not reproduce its reference outputs.
        ConfigurationInvalid: torch is not installed, or has no such device.
        DeviceFailed: the device fails.
    """

    def __init__(
        self, folder: Path, threads: int = 2, provider: str = "auto", device_batch: int | None = None
    ) -> None:
        self.card: ModelCard = load_card(folder)
        self._device = _device(provider)
        self._device_batch = device_batch
        self._network = _load(folder, self.card, self._device)
        import torch

        torch.set_num_threads(threads)
        check_reference(self)

    @property
    def provider(self) -> str:
        """What runs."""
        return f"torch {self._device}"

    def images_at_once(self, rows: int, columns: int) -> int:
        """Images of this size that are computed together."""
        if self._device == "cpu":
            return BATCH_OF_UNKNOWN_MEMORY
        return batch_on_device(rows * columns, self._device_batch, device_memory_bytes())

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, c, y, x) images to (n, k, y, x) logits.

        Raises:
            DeviceFailed: the device failed.
        """
        step = self.images_at_once(*images.shape[2:])
        parts = [self._run(images[i : i + step]) for i in range(0, len(images), step)]
        return np.asarray(np.concatenate(parts), dtype=np.float32)

    def _run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        batch = torch.from_numpy(np.ascontiguousarray(images))
        try:
            with torch.inference_mode():
                logits: NDArray[np.float32] = self._network(batch.to(self._device)).float().cpu().numpy()
        except RuntimeError as error:
            if self._device == "cpu":
                raise
            first_line = str(error).partition("\n")[0][:300]
            raise DeviceFailed("device_failed", f"{self.provider}: {first_line}") from error
        return logits


def _device(provider: str) -> str:
    try:
        import torch
    except ImportError as error:
        raise ConfigurationInvalid(
            "provider_missing", "A TorchScript model needs torch.", "pip install 'cvai[train]'"
        ) from error
    devices = ("cuda", "cpu") if torch.cuda.is_available() else ("cpu",)
    if provider == "auto":
        return devices[0]
    if provider not in devices:
        raise ConfigurationInvalid(
            "provider_missing", f"torch has no {provider} here.", f"Available: {', '.join(devices)}."
        )
    return provider


def _load(folder: Path, card: ModelCard, device: str) -> torch.jit.ScriptModule:
    import torch

    try:
        with warnings.catch_warnings():
            # torch means to replace TorchScript; bundles are still made of it.
            warnings.filterwarnings("ignore", message=".*torch.jit.load", category=DeprecationWarning)
            network: torch.jit.ScriptModule = torch.jit.load(  # type: ignore[no-untyped-call]
                folder / card.file, map_location=device
            )
    except RuntimeError as error:
        raise ModelInvalid(
            "model_unreadable", f"{folder.name}/{card.file} is no TorchScript.", "Export the network again."
        ) from error
    network.eval()
    return network
