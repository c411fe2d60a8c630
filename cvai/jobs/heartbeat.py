"""Heartbeat of a worker, and adoption of the jobs of dead workers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TypeAlias

import structlog
from sqlalchemy.exc import SQLAlchemyError

from cvai.jobs.database import answering
from cvai.jobs.worker_registry import WorkerRegistry

log = structlog.get_logger(__name__)

MAX_MISSED_LOOKS = 7
"""A worker whose count has not changed for more looks than this is dead. Looks are counted instead of
seconds, so that a suspended machine does not make every worker appear dead."""

Adopt: TypeAlias = Callable[[Iterable[str]], int]
"""Puts running jobs of dead workers back into the queue; returns how many."""


class DeclaredDead(BaseException):
    """Others have taken over this worker's jobs, which it must no longer touch.

    A BaseException, so that error handling of steps never records it as the outcome of a job.
    """


def require_living(registry: WorkerRegistry, worker: str) -> None:
    """Check that the worker still owns its jobs.

    Raises:
        DeclaredDead: it does not.
        TemporarilyUnavailable: the database does not answer.
    """
    with answering():
        living = registry.living()
    if worker not in living:
        raise DeclaredDead


class Heartbeat:
    """Beats for one worker until it is stopped or declared dead.

    Args:
        registry: of the workers on the same jobs.
        worker: identity of this one, see ``WorkerRegistry.register``.
        beat_s: seconds between two beats; the same for all workers.
        at_work: workers, living or dead, to which running jobs are assigned.
        adopt: requeues the jobs of dead workers.
        on_death: called once when others have declared this worker dead.
    """

    def __init__(
        self,
        registry: WorkerRegistry,
        worker: str,
        beat_s: float,
        at_work: Callable[[], frozenset[str]],
        adopt: Adopt,
        *,
        on_death: Callable[[], None],
    ) -> None:
        self._registry = registry
        self._worker = worker
        self._beat_s = beat_s
        self._at_work = at_work
        self._adopt = adopt
        self._on_death = on_death
        self._ended = threading.Event()
        self._dead = threading.Event()
        self._seen: dict[str, tuple[int, int]] = {}
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Adopt jobs of dead workers and start beating, in a thread."""
        self._thread.start()

    @property
    def declared_dead(self) -> bool:
        """Whether others have taken over this worker's jobs."""
        return self._dead.is_set()

    def stop(self) -> None:
        """Stop beating and leave; other workers take over unfinished jobs."""
        self._ended.set()
        self._thread.join()
        try:
            self._registry.remove(self._worker)
        except SQLAlchemyError as error:
            # The others will notice that its count stands still.
            log.warning("heartbeat_missed", error=type(error).__name__)

    def look(self) -> None:
        """Beat once, remove workers whose count stands still, and adopt jobs of workers not registered.

        Raises:
            DeclaredDead: others have declared this worker dead.
        """
        if not self._registry.beat(self._worker):
            raise DeclaredDead
        for worker, beats in self._standing_still().items():
            if self._registry.remove(worker, beats):
                log.warning("worker_declared_dead", worker=worker)
        # Read after at_work: a worker that took a job before that read was registered by then.
        at_work = self._at_work()
        if (dead := at_work - self._registry.living().keys()) and (adopted := self._adopt(dead)):
            log.warning("jobs_adopted", jobs=adopted)

    def _standing_still(self) -> dict[str, int]:
        """Heartbeat counts of the workers that have not beaten for too many looks."""
        others = {
            worker: beats for worker, beats in self._registry.living().items() if worker != self._worker
        }
        looks = {worker: self._looks(worker, beats) for worker, beats in others.items()}
        self._seen = {worker: (beats, looks[worker]) for worker, beats in others.items()}
        return {worker: beats for worker, beats in others.items() if looks[worker] > MAX_MISSED_LOOKS}

    def _looks(self, worker: str, beats: int) -> int:
        before, looks = self._seen.get(worker, (None, 0))
        return looks + 1 if before == beats else 0

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except SQLAlchemyError as error:
                # While the database is away, no worker can be declared dead either.
                log.warning("heartbeat_missed", error=type(error).__name__)
            except DeclaredDead:
                log.error("declared_dead", worker=self._worker)
                self._dead.set()
                self._on_death()
                return
            if self._ended.wait(self._beat_s):
                return
