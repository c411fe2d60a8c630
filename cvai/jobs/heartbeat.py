"""Shows the other workers that this one lives, and takes over the jobs of those that do not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TypeAlias

import structlog
from sqlalchemy.exc import SQLAlchemyError

from cvai.jobs.database import answering
from cvai.jobs.worker_registry import WorkerRegistry

log = structlog.get_logger(__name__)

MISSED_AT_MOST = 7
"""A worker whose count stood still for more looks than this is dead. Looks are counted and not seconds: when
a whole machine was asleep, nobody has missed any."""

Adopt: TypeAlias = Callable[[Iterable[str]], int]
"""Puts running jobs of dead workers back into the queue, and tells how many there were."""


class DeclaredDead(BaseException):
    """Others have taken over this worker's jobs; it must not touch them any more.

    No Exception: nothing that handles the errors of a step may write this down as the end of its job.
    """


def require_living(roll: WorkerRegistry, worker: str) -> None:
    """Go on only while the worker's jobs are its own.

    Raises:
        DeclaredDead: they are others'.
        TemporarilyUnavailable: the database does not answer.
    """
    with answering():
        living = roll.living()
    if worker not in living:
        raise DeclaredDead


class Heartbeat:
    """Beats for one worker until it ends, or finds itself declared dead.

    Args:
        roll: of the workers on the same jobs.
        worker: this one, as it stands on the roll.
        beat_s: seconds between two beats; the same for all workers.
        at_work: workers, living or not, that jobs under way are written down for.
        adopt: takes over the jobs of dead workers.
        on_death: called once when others have declared this worker dead.
    """

    def __init__(
        self,
        roll: WorkerRegistry,
        worker: str,
        beat_s: float,
        at_work: Callable[[], frozenset[str]],
        adopt: Adopt,
        *,
        on_death: Callable[[], None],
    ) -> None:
        self._roll = roll
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
        """Adopt what dead workers left, and beat from now on in a thread of its own."""
        self._thread.start()

    @property
    def declared_dead(self) -> bool:
        """Whether others have taken over this worker's jobs."""
        return self._dead.is_set()

    def stop(self) -> None:
        """End; what this worker has not finished is the others' from now on."""
        self._ended.set()
        self._thread.join()
        try:
            self._roll.strike_off(self._worker)
        except SQLAlchemyError as error:
            # It will be found to stand still.
            log.warning("heartbeat_missed", error=type(error).__name__)

    def look(self) -> None:
        """Beat once, strike off who stands still, and adopt the jobs of those who are gone.

        Raises:
            DeclaredDead: others have declared this worker dead.
        """
        if not self._roll.beat(self._worker):
            raise DeclaredDead
        for worker, beats in self._standing_still().items():
            if self._roll.strike_off(worker, beats):
                log.warning("worker_declared_dead", worker=worker)
        # Who lives is asked after who is at work: a worker that began a job since was there before.
        at_work = self._at_work()
        if (dead := at_work - self._roll.living().keys()) and (adopted := self._adopt(dead)):
            log.warning("jobs_adopted", jobs=adopted)

    def _standing_still(self) -> dict[str, int]:
        """Heartbeats of the workers that have not moved for too many looks."""
        others = {worker: beats for worker, beats in self._roll.living().items() if worker != self._worker}
        looks = {worker: self._looks(worker, beats) for worker, beats in others.items()}
        self._seen = {worker: (beats, looks[worker]) for worker, beats in others.items()}
        return {worker: beats for worker, beats in others.items() if looks[worker] > MISSED_AT_MOST}

    def _looks(self, worker: str, beats: int) -> int:
        before, looks = self._seen.get(worker, (None, 0))
        return looks + 1 if before == beats else 0

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except SQLAlchemyError as error:
                # Without the database nobody can be declared dead either.
                log.warning("heartbeat_missed", error=type(error).__name__)
            except DeclaredDead:
                log.error("declared_dead", worker=self._worker)
                self._dead.set()
                self._on_death()
                return
            if self._ended.wait(self._beat_s):
                return
