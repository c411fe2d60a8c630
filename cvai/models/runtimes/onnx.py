"""ONNX Runtime: one session a model, checked against its card when it is loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cvai.errors import ConfigurationInvalid, ModelInvalid
from cvai.models.card import ModelCard, load_card
from cvai.models.reference import check_reference

_CPU = "CPUExecutionProvider"
PREFERRED_PROVIDERS = ("CUDAExecutionProvider", _CPU)

_BATCH, _BATCH_ON_CPU = 16, 2
"""Images at a time. On a processor logits are the same bit by bit whatever their number, larger batches are
no faster, and the runtime keeps the memory of the largest: 16 images of 192 x 192 took 0.4 GB, two 0.06."""


class OnnxNetwork:
    """A network that turns (n, c, y, x) into (n, k, y, x) logits.

    Args:
        folder: model folder with card.toml.
        threads: threads within one operator; more than there are free cores makes it slower.
        provider: ``auto`` takes the first of PREFERRED_PROVIDERS that is there.

    Raises:
        ModelInvalid: the folder is damaged, or the network does not reproduce its reference outputs.
        ConfigurationInvalid: the provider asked for is not there.
    """

    def __init__(self, folder: Path, threads: int = 2, provider: str = "auto") -> None:
        self.card: ModelCard = load_card(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # As fast alone; threads that spin while they wait hold cores that other processes want.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(folder / self.card.file), options, providers=_providers(provider)
            )
        except onnxruntime.capi.onnxruntime_pybind11_state.InvalidProtobuf as error:
            raise ModelInvalid("model_unreadable", f"{folder.name}/{self.card.file}: {error}") from error
        self._input = self._session.get_inputs()[0].name
        check_reference(self)

    @property
    def provider(self) -> str:
        """The provider that really runs."""
        return str(self._session.get_providers()[0])

    def logits(self, images: NDArray[np.float32], batch_size: int | None = None) -> NDArray[np.float32]:
        """(n, c, y, x) images to (n, k, y, x) logits, ``batch_size`` images at a time."""
        batch_size = batch_size or (_BATCH_ON_CPU if self.provider == _CPU else _BATCH)
        parts = [
            self._session.run(None, {self._input: np.ascontiguousarray(images[i : i + batch_size])})[0]
            for i in range(0, len(images), batch_size)
        ]
        return np.asarray(np.concatenate(parts), dtype=np.float32)


def _providers(provider: str) -> list[str]:
    available = onnxruntime.get_available_providers()
    if provider == "auto":
        return [p for p in PREFERRED_PROVIDERS if p in available]
    if provider not in available:
        raise ConfigurationInvalid(
            "provider_missing", f"{provider} is not available here.", f"Available: {', '.join(available)}."
        )
    return [provider]
