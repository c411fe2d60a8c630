"""A job engine on a fresh database, with an embedded archive and the stand-in analysis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from cvai.archive.folder.archive import FolderArchive
from cvai.archive.port import Archive
from cvai.jobs.deliver import Deliveries
from cvai.jobs.installed import Analyse, AnalyseChosen, Installed, Shadow
from cvai.jobs.job import StudyJob
from cvai.jobs.jobs import JobDatabase, JobEngine, RetryPolicy
from cvai.jobs.ledger import JobRecord, open_ledger
from cvai.jobs.shadow import ShadowSteps
from cvai.jobs.steps import StudySteps
from cvai.jobs.stops import Stop
from tests.standin import KIND, MODEL_SHA256, analyse, installed, slots_below


@dataclass
class Bench:
    """Everything a job needs, below one folder; ``beside`` are analyses beside the first."""

    root: Path
    analyse: Analyse = analyse
    archive: Archive | None = None
    model_sha256: str = MODEL_SHA256
    attempts: int = 3
    jobs_at_once: int = 1
    deliveries: Deliveries = field(default_factory=Deliveries)
    shadow: Shadow | None = None
    beside: tuple[Installed, ...] = ()
    analyse_chosen: AnalyseChosen | None = None
    stop_of: Callable[[str], Stop | None] = lambda _: None
    is_canceled: Callable[[str], bool] = lambda _: False
    engines: list[JobEngine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder_archive = FolderArchive(self.root / "archive")
        self.url = f"sqlite:///{self.root / 'jobs.sqlite'}"

    @property
    def analyses(self) -> tuple[Installed, ...]:
        first = installed(self.analyse, self.model_sha256)
        return (replace(first, analyse_chosen=self.analyse_chosen), *self.beside)

    def start(self, alone: bool = True) -> JobEngine:
        steps = StudySteps(
            archive=self.archive or self.folder_archive,
            analyses=self.analyses,
            work_folder=self.root / "work",
            results_folder=self.root / "results",
            slots=slots_below(self.root, self.jobs_at_once),
            stop_of=self.stop_of,
            is_canceled=self.is_canceled,
        )
        database = JobDatabase(self.url, "worker-1", self.jobs_at_once)
        retry = RetryPolicy(self.attempts, 0.01, 0.02)
        engine = JobEngine(database, steps, retry, self.deliveries, shadow=self.shadow_steps(steps))
        engine.start(alone)
        self.engines.append(engine)
        return engine

    def shadow_steps(self, steps: StudySteps) -> ShadowSteps | None:
        if self.shadow is None:
            return None
        shadows = {KIND: self.shadow}
        return ShadowSteps(steps.archive, shadows, steps.work_folder, steps.results_folder, steps.slots)

    def stop(self, grace_s: float = 0) -> None:
        while self.engines:
            self.engines.pop().stop(grace_s)

    def receive(self, paths: list[Path]) -> None:
        self.folder_archive.take_in(paths)

    def job(self, study_uid: str, kind: str = KIND) -> StudyJob:
        """The job a service would queue for the study as it stands."""
        (analysis,) = (a for a in self.analyses if a.kind == kind)
        return analysis.job_for(study_uid, self.folder_archive.content(study_uid).digest)

    def ended(self, job: StudyJob, having: Callable[[JobRecord], bool] = lambda _: True) -> JobRecord:
        """The job's record once it has ended."""
        deadline = time.monotonic() + 30
        with open_ledger(self.url) as ledger:  # once: opening it costs six times what a look does
            while time.monotonic() < deadline:
                record = ledger.job(job.job_id)
                if record.ended_at is not None and having(record):
                    return record
                time.sleep(0.05)
        raise TimeoutError(f"the job is {record.outcome.state}")


@cache
def used_database() -> bytes:
    """An SQLite database without jobs that has the queue: DBOS looks for a new one once a second only."""
    with TemporaryDirectory() as folder:
        made = Bench(Path(folder))
        made.start()
        made.stop()
        return (made.root / "jobs.sqlite").read_bytes()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "jobs.sqlite").write_bytes(used_database())
    made = Bench(tmp_path)
    yield made
    made.stop()
