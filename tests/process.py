"""Starting cvai as a process of its own, and waiting for what it does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine

from cvai.errors import ConfigurationInvalid
from cvai.jobs.database import open_database
from cvai.jobs.ledger import JobRecord, Ledger, open_ledger
from tests.conftest import ROOT
from tests.forked import Forked

UNCOUNTED = "late_enhancement"
CVAI = (sys.executable, "-m", "cvai")
T = TypeVar("T")
PATIENCE_S = 200.0
"""What takes a second takes minutes where many others are at work."""


def eventually(look: Callable[[], T | None], what: str, timeout_s: float = PATIENCE_S) -> T:
    """The first thing that ``look`` finds."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.1)
    raise TimeoutError(f"waited {timeout_s:.0f} s for {what}")


class Process:
    """A command in the background, stopped by its own id.

    Under pytest a module of Python is forked from a process that has imported the service already.
    """

    def __init__(
        self, command: Sequence[str | Path], log: Path, stdout: Path = Path(os.devnull), tree: Path = ROOT
    ) -> None:
        """``tree`` holds the package; one that is not this tree's starts in a fresh interpreter."""
        self._log = log
        log.touch()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CVAI_") or k == "CVAI_MODELS"}
        python, dash_m, *module = map(str, command)
        forkable = (python, dash_m) == (sys.executable, "-m") and tree == ROOT
        if forkable and "PYTEST_VERSION" in os.environ:
            self._process: Forked | subprocess.Popen[bytes] = Forked(module, environment, stdout, log)
        else:
            environment = {"CVAI_MODELS": str(ROOT / "models"), **environment, "PYTHONPATH": str(tree)}
            with stdout.open("ab") as out, log.open("ab") as err:
                self._process = subprocess.Popen(
                    [str(part) for part in command], cwd=tree, env=environment, stdout=out, stderr=err
                )

    @property
    def pid(self) -> int:
        return self._process.pid

    def events(self, name: str) -> list[dict[str, Any]]:
        """Log lines of this name so far."""
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def count(self, name: str) -> int:
        """How many log lines of this name there are so far; costs next to nothing."""
        return self._log.read_bytes().count(f'"event": "{name}"'.encode())

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(timeout=PATIENCE_S)

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        self._process.terminate()
        return self._process.wait(timeout=PATIENCE_S)

    def died(self) -> int | None:
        """The exit status, None while it lives."""
        return self._process.poll()


@contextmanager
def closing_database(url: str) -> Iterator[Engine]:
    """The jobs' database, closed afterwards."""
    database = open_database(url)
    try:
        yield database
    finally:
        database.dispose()


def all_jobs_at(url: str) -> list[JobRecord]:
    """All jobs of a database, newest first; none while no service has made it yet."""
    try:
        with open_ledger(url) as ledger:
            return list(ledger.jobs())
    except ConfigurationInvalid:
        return []


def jobs_at(url: str) -> list[JobRecord]:
    """As ``all_jobs_at``, without those for late enhancement.

    Every study of MR has one; tests of a cine do not count them.
    """
    return [record for record in all_jobs_at(url) if record.job.kind != UNCOUNTED]


def jobs(data_folder: Path) -> list[JobRecord]:
    """Jobs of a service on SQLite, see ``jobs_at``."""
    return jobs_at(sqlite_of(data_folder))


def ended_by_kind(data_folder: Path, study_uid: str, kinds: set[str]) -> dict[str, JobRecord]:
    """The jobs of a study by their kind, once those of these kinds have ended."""

    def found(jobs: Iterable[JobRecord]) -> dict[str, JobRecord] | None:
        of_study = {record.job.kind: record for record in jobs if record.job.study_uid == study_uid}
        ended = {kind for kind, record in of_study.items() if record.ended_at is not None}
        return of_study if kinds == ended else None

    return _awaited(data_folder, found, f"jobs of {sorted(kinds)} to end", 2 * PATIENCE_S)


def sqlite_of(data_folder: Path) -> str:
    return f"sqlite:///{data_folder / 'jobs.sqlite'}"


def ended_jobs(data_folder: Path, n: int, timeout_s: float = PATIENCE_S) -> list[JobRecord]:
    """The jobs that have ended, newest first, once they are ``n``."""

    def found(jobs: Iterable[JobRecord]) -> list[JobRecord] | None:
        ended = [r for r in jobs if r.ended_at is not None and r.job.kind != UNCOUNTED]
        return ended if len(ended) >= n else None

    return _awaited(data_folder, found, f"{n} jobs to end", timeout_s)


def _awaited(
    data_folder: Path, found: Callable[[Iterable[JobRecord]], T | None], what: str, timeout_s: float
) -> T:
    """The first thing found among all jobs of a service on SQLite.

    The database is opened once it is there, and then kept open: opening it costs six times what a look does.
    """
    with ExitStack() as opened:
        ledgers: list[Ledger] = []

        def look() -> T | None:
            if not ledgers:
                try:
                    ledgers.append(opened.enter_context(open_ledger(sqlite_of(data_folder))))
                except ConfigurationInvalid:
                    return None
            return found(ledgers[0].jobs())

        return eventually(look, what, timeout_s)
