"""ONNX Runtime: one session a model, checked against its card when it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import structlog
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as states

from cvai.errors import DeviceFailed, ModelInvalid
from cvai.models.card import ModelCard, load_card
from cvai.models.reference import check_reference
from cvai.models.runtimes.batches import BATCH_ON_CPU, batch_on_device, device_memory_bytes
from cvai.models.runtimes.providers import CPU, load_device_libraries, providers_for, session_providers

log = structlog.get_logger(__name__)

_DEVICE_ERRORS = (
    states.DeviceReset,
    states.EngineError,
    states.EPFail,
    states.Fail,
    states.NotImplemented,
    states.RuntimeException,
)
"""What ONNX Runtime raises where a device, its memory or its driver fails."""

OpenSession = Callable[..., Any]
"""Opens a session as ``onnxruntime.InferenceSession`` does."""


class OnnxNetwork:
    """A network that turns (n, c, y, x) into (n, k, y, x) logits, on one provider.

    Args:
        folder: model folder with card.toml.
        threads: threads within one operator; more than there are free cores makes it slower.
        provider: of ONNX Runtime, by its name.
        device_batch: images at a time where the provider is no CPU; None to go by the device's memory.
        open_session: as ``onnxruntime.InferenceSession``.

    Raises:
        ModelInvalid: the folder is damaged, or the network does not reproduce its reference outputs.
        DeviceFailed: the provider does not load or run.
    """

    def __init__(
        self,
        folder: Path,
        threads: int = 2,
        provider: str = CPU,
        device_batch: int | None = None,
        open_session: OpenSession = onnxruntime.InferenceSession,
    ) -> None:
        self.card: ModelCard = load_card(folder)
        self.provider = provider
        """The provider that runs; never another one than asked for."""
        self._device_batch = device_batch
        try:
            self._session = self._opened(folder, threads, open_session)
        except states.InvalidProtobuf as error:
            raise ModelInvalid("model_unreadable", f"{folder.name}/{self.card.file}: {error}") from error
        self._input = self._session.get_inputs()[0].name
        check_reference(self)

    def images_at_once(self, rows: int, columns: int) -> int:
        """Images of this size that are computed together."""
        if self.provider == CPU:
            return BATCH_ON_CPU
        return batch_on_device(rows * columns, self._device_batch, device_memory_bytes())

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, c, y, x) images to (n, k, y, x) logits.

        Raises:
            DeviceFailed: the device failed; nothing is computed in its place.
        """
        step = self.images_at_once(*images.shape[2:])
        parts = [self._run(images[i : i + step]) for i in range(0, len(images), step)]
        return np.asarray(np.concatenate(parts), dtype=np.float32)

    def _run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            logits: NDArray[np.float32] = self._session.run(
                None, {self._input: np.ascontiguousarray(images)}
            )[0]
        except _DEVICE_ERRORS as error:
            if self.provider == CPU:
                raise
            raise _device_failed(self.provider, error) from error
        return logits

    def _opened(self, folder: Path, threads: int, open_session: OpenSession) -> Any:
        load_device_libraries(self.provider)
        try:
            # ONNX Runtime's own fallback would go on with another provider in silence.
            session = open_session(
                str(folder / self.card.file),
                _options(threads),
                providers=session_providers(self.provider),
                enable_fallback=0,
            )
        except (*_DEVICE_ERRORS, RuntimeError) as error:
            if self.provider == CPU:
                raise
            raise _device_failed(self.provider, error) from error
        running = session.get_providers()[0]
        if running != self.provider:
            raise DeviceFailed(
                "device_failed",
                f"ONNX Runtime offers {self.provider} and opens {running} in its place.",
                "Check the driver, and the libraries that this version of ONNX Runtime needs.",
            )
        return session


def open_onnx(
    folder: Path, threads: int = 2, provider: str = "auto", device_batch: int | None = None
) -> OnnxNetwork:
    """A model folder on the first provider that runs it.

    Args:
        folder: model folder with card.toml.
        threads: threads within one operator.
        provider: see ``providers_for``.
        device_batch: images at a time on a device; None to go by its memory.

    Raises:
        ModelInvalid: the folder is damaged, or the network does not reproduce its reference outputs.
        ConfigurationInvalid: the installed ONNX Runtime does not offer the provider.
        DeviceFailed: the only provider asked for does not load or run.
    """
    *others, last = providers_for(provider)
    for device in others:
        try:
            return OnnxNetwork(folder, threads, device, device_batch)
        except (DeviceFailed, ModelInvalid) as error:
            log.warning("provider_passed_over", provider=device, code=error.code, reason=error.message)
    return OnnxNetwork(folder, threads, last, device_batch)


def _options(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # As fast alone; threads that spin while they wait hold cores that other processes want.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


def _device_failed(provider: str, error: Exception) -> DeviceFailed:
    first_line = str(error).partition("\n")[0][:300]
    return DeviceFailed(
        "device_failed", f"{provider}: {first_line}", "Check the device, its driver and its free memory."
    )
