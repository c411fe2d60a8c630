"""Whether the process is alive, and whether it can do its work: /healthz and /readyz."""

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
STILL_AT_MOST_S = 300.0
"""The loop that follows the archive waits for answers and for 30 s between looks; longer it is stuck."""
LEAST_FREE_BYTES = 1_000_000_000
ASKED_AGAIN_AFTER_S = 10.0


class Pulse:
    """When the service's loop last came round."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last_s = clock()

    def beat(self) -> None:
        """The loop comes round."""
        self._last_s = self._clock()

    def healthz(self) -> Answer:
        """200 while the loop comes round; to start the process again is all that helps otherwise.

        It asks nobody else: a database that is away is not mended by restarts.
        """
        still_s = self._clock() - self._last_s
        alive = still_s <= STILL_AT_MOST_S
        return (200, "ok\n", PLAIN) if alive else (503, f"stuck for {still_s:.0f} s\n", PLAIN)


@dataclass
class Readiness:
    """Asks whether everything is there that a job needs.

    Args:
        archive: must answer.
        roll: must answer, and this worker must be on it.
        worker: as it stands on the roll.
        data_folder: must have room.
        clock: monotonic seconds.
    """

    archive: Archive
    registry: WorkerRegistry
    worker: str
    data_folder: Path
    clock: Callable[[], float] = time.monotonic
    _one: threading.Lock = field(default_factory=threading.Lock, init=False)
    _told: tuple[float, Answer] | None = field(default=None, init=False)

    def readyz(self) -> Answer:
        """200 when all is well, else 503; what is wrong as JSON. Asked often, it answers from memory."""
        with self._one:
            if self._told is None or self.clock() - self._told[0] >= ASKED_AGAIN_AFTER_S:
                self._told = (self.clock(), self._ask())
            return self._told[1]

    def _ask(self) -> Answer:
        told = {"archive": self._archive(), "database": self._database(), "disk": self._disk()}
        status = 200 if all(answer == "ok" for answer in told.values()) else 503
        return status, f"{json.dumps(told)}\n", JSON

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
