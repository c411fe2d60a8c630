"""Workers that die or freeze: the living take over their jobs, and what wakes again touches nothing."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy

from cvai.archive.folder.archive import FolderArchive
from cvai.jobs.database import open_database
from cvai.jobs.heartbeat import MAX_MISSED_LOOKS, DeclaredDead, Heartbeat, require_living
from cvai.jobs.job import JobState
from cvai.jobs.ledger import JobRecord
from cvai.jobs.worker_registry import WorkerRegistry
from tests.postgres import fresh_database, needs_postgres
from tests.process import Process, eventually, jobs_at
from tests.standin import derived_uid, write_study

pytestmark = pytest.mark.servers

BEAT_S = 1.0


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=[needs_postgres, pytest.mark.servers])])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'jobs.sqlite'}"
        return
    with fresh_database(request.getfixturevalue("postgres_server")) as database:
        yield database


@pytest.fixture
def registry(url: str) -> Iterator[WorkerRegistry]:
    database = open_database(url)
    yield WorkerRegistry(database)
    database.dispose()


def heartbeat(registry: WorkerRegistry, worker: str) -> Heartbeat:
    def adopt(dead: Iterable[str]) -> int:
        raise AssertionError(f"nobody was at work: {dead}")

    return Heartbeat(registry, worker, BEAT_S, at_work=frozenset, adopt=adopt, on_death=lambda: None)


def test_who_stands_still_is_struck_off_and_notices(registry: WorkerRegistry) -> None:
    frozen, watching = registry.register("a", "here"), registry.register("b", "there")
    watcher = heartbeat(registry, watching)
    for _ in range(MAX_MISSED_LOOKS + 1):
        watcher.look()
        require_living(registry, frozen)
    watcher.look()
    assert registry.living().keys() == {watching}
    with pytest.raises(DeclaredDead):
        require_living(registry, frozen)
    with pytest.raises(DeclaredDead):
        heartbeat(registry, frozen).look()


def test_who_beats_is_left_alone_however_often_it_is_looked_at(registry: WorkerRegistry) -> None:
    slow, quick = registry.register("a", "here"), registry.register("b", "there")
    watcher = heartbeat(registry, quick)
    for look in range(5 * MAX_MISSED_LOOKS):
        if look % MAX_MISSED_LOOKS == 0:
            registry.beat(slow)
        watcher.look()
    assert registry.living().keys() == {slow, quick}


def test_a_worker_that_beats_just_as_it_is_struck_off_stays(registry: WorkerRegistry) -> None:
    worker = registry.register("a", "here")
    seen = registry.living()[worker]
    registry.beat(worker)
    assert not registry.remove(worker, seen)
    assert registry.remove(worker, seen + 1)
    assert not registry.remove(worker, seen + 1), "for exactly one caller"


def test_a_start_in_the_same_place_takes_the_place_of_the_one_before(registry: WorkerRegistry) -> None:
    before, elsewhere = registry.register("a", "here"), registry.register("a", "there")
    after = registry.register("a", "here")
    assert len({before, elsewhere, after}) == 3
    assert registry.living().keys() == {elsewhere, after}


class Ward:
    """Three workers with folders of their own on one database and one archive."""

    def __init__(self, root: Path, url: str) -> None:
        self.root, self.url = root, url
        self.archive_folder = root / "archive"
        self.archive = FolderArchive(self.archive_folder)
        self.log, self.gate = root / "analyses.log", root / "gate"
        self.workers: dict[str, Process] = {}

    def start(self, name: str) -> Process:
        config = self.root / f"{name}.toml"
        config.write_text(
            f'worker_name = "{name}"\ndata_folder = "{self.root / name}"\ndatabase_url = "{self.url}"\n'
            f"poll_interval_s = 0.1\nheartbeat_s = {BEAT_S}\nshutdown_grace_s = 1\njobs_at_once = 1\n"
            f'[folder]\ninbox = "{self.root / "inbox"}"\narchive = "{self.archive_folder}"\nsettle_s = 0.2\n'
        )
        command = [sys.executable, "-m", "tests.service", config, self.log, self.gate]
        self.workers[name] = Process(command, self.root / f"{name}.log")
        return self.workers[name]

    def records(self) -> list[JobRecord]:
        return jobs_at(self.url)

    def running(self) -> dict[str, str]:
        """Job by the worker that has it."""
        return {r.worker: r.job.job_id for r in self.records() if r.outcome.state is JobState.RUNNING}

    def signal(self, name: str, number: signal.Signals) -> None:
        os.kill(self.workers[name].pid, number)

    def freeze(self, name: str) -> None:
        """Stop a worker that holds no lock on a file of SQLite: no other gets past that until it resumes."""
        for _ in range(20):
            self.signal(name, signal.SIGSTOP)
            if self.url.startswith("postgresql") or is_free(
                Path(sqlalchemy.make_url(self.url).database or "")
            ):
                return
            self.signal(name, signal.SIGCONT)
            time.sleep(0.1)
        raise TimeoutError(f"{name} always held a lock on the database")


def is_free(database: Path) -> bool:
    """Whether a file of SQLite can be locked for this process alone within a few seconds."""
    with closing(sqlite3.connect(database, timeout=5, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
        return True


@pytest.fixture
def ward(tmp_path: Path, url: str) -> Iterator[Ward]:
    made = Ward(tmp_path, url)
    yield made
    for worker in made.workers.values():
        if worker.died() is None:
            worker.kill()


def test_of_three_workers_one_is_killed_and_one_frozen_and_the_third_does_their_jobs(
    ward: Ward, tmp_path: Path
) -> None:
    uids = [derived_uid("adoption", ward.url, str(number)) for number in range(3)]
    for number, uid in enumerate(uids):
        write_study(tmp_path / "inbox" / str(number), uid)
    for name in ("worker-1", "worker-2", "worker-3"):
        ward.start(name)
    eventually(lambda: len(ward.running()) == 3 and len(begun(ward)) == 3, "each worker to have a job")
    ward.workers["worker-2"].kill()
    ward.freeze("worker-3")
    ward.gate.touch()
    eventually(lambda: ended(ward) == 3, "the jobs of the dead to be done")
    assert {r.worker for r in ward.records()} == {"worker-1"}
    stored = {uid: documents(ward, uid) for uid in uids}
    assert {len(paths) for paths in stored.values()} == {1}
    written_ns = {path: path.stat().st_mtime_ns for paths in stored.values() for path in paths}

    ward.signal("worker-3", signal.SIGCONT)
    assert eventually(ward.workers["worker-3"].died, "the frozen worker to notice") == 1
    assert ward.workers["worker-3"].events("declared_dead")
    assert {uid: documents(ward, uid) for uid in uids} == stored
    assert {path: path.stat().st_mtime_ns for path in written_ns} == written_ns, "none was stored twice"
    assert {r.outcome.state for r in ward.records()} == {JobState.ANALYSED}


def begun(ward: Ward) -> list[str]:
    return ward.log.read_text().splitlines() if ward.log.exists() else []


def ended(ward: Ward) -> int:
    return sum(record.ended_at is not None for record in ward.records())


def documents(ward: Ward, study_uid: str) -> list[Path]:
    content, folder = ward.archive.content(study_uid), ward.archive_folder / study_uid
    return [folder / f"{i.sop_instance_uid}.dcm" for i in content.instances if not i.is_source]
