"""A session of ONNX Runtime that fails now and then, in the way ONNX Runtime itself fails."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

import onnxruntime

DEVICE = "AzureExecutionProvider"
"""Offered by every ONNX Runtime for CPUs, which it leaves all operators to: a second provider for tests."""


class FailingSession:
    """Passes everything on to ONNX Runtime; in the runs named, images of a size that the network cannot take.

    What ONNX Runtime raises then is of the kind that it raises where a kernel fails on a device.
    """

    def __init__(self, session: Any, fails_at: Container[int]) -> None:
        self._session = session
        self._fails_at = fails_at
        self.batches: list[int] = []
        """Images of each run."""
        self.get_inputs, self.get_providers = session.get_inputs, session.get_providers

    def run(self, outputs: None, images: dict[str, Any]) -> Any:
        self.batches.append(len(next(iter(images.values()))))
        if len(self.batches) in self._fails_at:
            images = {name: values[..., :33, :33] for name, values in images.items()}
        return self._session.run(outputs, images)


def failing_at(*runs: int) -> Callable[..., FailingSession]:
    """Opens sessions that fail in these runs, the first of which is that of the reference."""
    return lambda *args, **kwargs: FailingSession(onnxruntime.InferenceSession(*args, **kwargs), runs)
