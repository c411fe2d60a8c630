"""How long each stage of an analysis took, and what is waited for before a network runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import perf_counter
from types import MappingProxyType
from typing import TypeAlias

Lock: TypeAlias = Callable[[], AbstractContextManager[object]]
"""Entered around whatever runs a network."""


class Stopwatch:
    """Durations of the stages a study went through, in milliseconds; a stage entered again adds up.

    Args:
        so_far_ms: of stages it went through before.
        inference_lock: held while a network runs; waiting for it is not counted.
    """

    def __init__(
        self,
        so_far_ms: Mapping[str, float] = MappingProxyType({}),
        inference_lock: Lock = nullcontext,
    ) -> None:
        self.timings_ms = dict(so_far_ms)
        self._inference_lock = inference_lock

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block; a block that raises is timed as well."""
        start = perf_counter()
        try:
            yield
        finally:
            self.timings_ms[name] = self.timings_ms.get(name, 0.0) + (perf_counter() - start) * 1000.0

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Time a block that runs a network, with the lock held."""
        with self._inference_lock(), self.stage("infer"):
            yield
