"""How long each stage of an analysis took."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import perf_counter
from types import MappingProxyType
from typing import TypeAlias

Segmenting: TypeAlias = Callable[[], AbstractContextManager[object]]
"""Entered around whatever runs a network, see ``Lane``."""

SEGMENTING_STAGE = "infer"


class Stopwatch:
    """Durations of the stages a study went through, in milliseconds; a stage entered again adds up.

    Args:
        so_far_ms: of stages it went through before.
        segmenting: what has to be waited for before a network runs; the wait is not counted.
    """

    def __init__(
        self,
        so_far_ms: Mapping[str, float] = MappingProxyType({}),
        segmenting: Segmenting = nullcontext,
    ) -> None:
        self.timings_ms = dict(so_far_ms)
        self._segmenting = segmenting

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block; a block that raises is timed as well."""
        with self._segmenting() if name == SEGMENTING_STAGE else nullcontext():
            start = perf_counter()
            try:
                yield
            finally:
                self.timings_ms[name] = self.timings_ms.get(name, 0.0) + (perf_counter() - start) * 1000.0
