"""How long each stage of an analysis took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from types import MappingProxyType


class Stopwatch:
    """Durations of the stages a study went through, in milliseconds; a stage entered again adds up."""

    def __init__(self, so_far_ms: Mapping[str, float] = MappingProxyType({})) -> None:
        self.timings_ms = dict(so_far_ms)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block; a block that raises is timed as well."""
        start = perf_counter()
        try:
            yield
        finally:
            self.timings_ms[name] = self.timings_ms.get(name, 0.0) + (perf_counter() - start) * 1000.0
