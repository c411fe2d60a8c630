"""Liveness and readiness: /healthz and /readyz."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from sqlalchemy.exc import SQLAlchemyError

from cvai.archive.port import Archive
from cvai.errors import CvaiError
from cvai.jobs.worker_registry import WorkerRegistry

Answer: TypeAlias = tuple[int, str, str]
"""HTTP status, text, content type."""

Routes: TypeAlias = Mapping[str, Callable[[], Answer]]

PLAIN, JSON = "text/plain; charset=utf-8", "application/json"
MAX_STANDSTILL_S = 300.0
"""Far above the longest wait of the loop: for responses, and 30 s between looks."""
LEAST_FREE_BYTES = 1_000_000_000
CACHED_FOR_S = 10.0


class Pulse:
    """Records the last iteration of the service's loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last_s = clock()

    def beat(self) -> None:
        """Record an iteration."""
        self._last_s = self._clock()

    def healthz(self) -> Answer:
        """200 while the loop runs, else 503, then the process should be restarted.

        Other systems are not checked: a restart does not repair them.
        """
        standstill_s = self._clock() - self._last_s
        alive = standstill_s <= MAX_STANDSTILL_S
        return (200, "ok\n", PLAIN) if alive else (503, f"stuck for {standstill_s:.0f} s\n", PLAIN)


@dataclass
class Readiness:
    """Checks everything that a job needs.

    Args:
        archive: must answer.
        registry: must answer, and contain this worker.
        worker: identity of this worker.
        data_folder: must have free space.
        clock: monotonic seconds.
    """

    archive: Archive
    registry: WorkerRegistry
    worker: str
    data_folder: Path
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _cached: tuple[float, Answer] | None = field(default=None, init=False)

    def readyz(self) -> Answer:
        """200 when all checks pass, else 503, with their results as JSON; cached for a short time."""
        with self._lock:
            if self._cached is None or self.clock() - self._cached[0] >= CACHED_FOR_S:
                self._cached = (self.clock(), self._check())
            return self._cached[1]

    def _check(self) -> Answer:
        answers = {"archive": self._archive(), "database": self._database(), "disk": self._disk()}
        status = 200 if all(answer == "ok" for answer in answers.values()) else 503
        return status, f"{json.dumps(answers)}\n", JSON

    def _archive(self) -> str:
        try:
            self.archive.probe()
        except CvaiError as error:
            return error.code
        return "ok"

    def _database(self) -> str:
        try:
            return "ok" if self.worker in self.registry.living() else "declared_dead"
        except SQLAlchemyError:
            return "database_unavailable"

    def _disk(self) -> str:
        return "ok" if shutil.disk_usage(self.data_folder).free >= LEAST_FREE_BYTES else "disk_full"
