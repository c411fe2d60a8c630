"""OpenVINO, where it is installed: the same ONNX file, often faster on Intel processors."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from cvai.errors import ConfigurationInvalid, DeviceFailed, ModelInvalid
from cvai.models.card import ModelCard, load_card
from cvai.models.reference import check_reference
from cvai.models.runtimes.batches import BATCH_OF_UNKNOWN_MEMORY

OPENVINO = "openvino"
_TELEMETRY = "openvino_telemetry"


class OpenVinoNetwork:
    """A network that turns (n, c, y, x) into (n, k, y, x) logits, in OpenVINO on the CPU.

    Args:
        folder: model folder with card.toml and an ONNX file.
        threads: threads of the inference.

    Raises:
        ModelInvalid: the folder is damaged, or the network does not reproduce its reference outputs.
        ConfigurationInvalid: OpenVINO is not installed.
    """

    def __init__(self, folder: Path, threads: int = 2) -> None:
        self.card: ModelCard = load_card(folder)
        openvino = _import_openvino()
        # Processors with bf16 would use it unasked: other logits than the card's.
        settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1}
        try:
            model = openvino.Core().read_model(folder / self.card.file)
        except RuntimeError as error:
            message = f"{folder.name}/{self.card.file} cannot be read by OpenVINO."
            raise ModelInvalid("model_unreadable", message, "Install the model again.") from error
        self._compiled = openvino.Core().compile_model(model, "CPU", settings)
        check_reference(self)

    @property
    def provider(self) -> str:
        """What runs."""
        return "OpenVINO CPU"

    def images_at_once(self, rows: int, columns: int) -> int:  # noqa: ARG002 - the same for every size
        """Images of this size that are computed together."""
        return BATCH_OF_UNKNOWN_MEMORY

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, c, y, x) images to (n, k, y, x) logits.

        Raises:
            DeviceFailed: OpenVINO failed.
        """
        step = self.images_at_once(*images.shape[2:])
        try:
            parts = [
                self._compiled(np.ascontiguousarray(images[i : i + step]))[0]
                for i in range(0, len(images), step)
            ]
        except RuntimeError as error:
            raise DeviceFailed("device_failed", f"{self.provider}: {str(error)[:300]}") from error
        return np.asarray(np.concatenate(parts), dtype=np.float32)


def _import_openvino() -> ModuleType:
    with _without_telemetry():
        try:
            return importlib.import_module("openvino")
        except ImportError as error:
            raise ConfigurationInvalid(
                "provider_missing", "OpenVINO is not installed.", "pip install 'cvai[openvino]'"
            ) from error


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Importing OpenVINO reports to its maker over the network unless its reporting package is missing.

    Nothing beside a patient archive does that. A name that is None in ``sys.modules`` cannot be imported;
    OpenVINO then takes a stub that does nothing.
    """
    before = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if before is None:
            del sys.modules[_TELEMETRY]
        else:
            sys.modules[_TELEMETRY] = before
