"""Many studies through one service that is never restarted: nothing grows, neither memory, handles nor files.

``python -m benchmarks.soak [--archive folder|orthanc|dicomweb] [--database sqlite|postgres] [--model]
[--studies 1000] [--warm-up 4500]``

Time is compressed: studies arrive as fast as they are done. The stand-in analysis is used, so that what is
watched is the service, its database, its feed and its folders; with ``--model`` the real one measures small
phantoms, on the embedded archive. Those that warm it up fill what grows to a bound: the identities and
digests of the files of the last 1,024 studies, which it remembers on purpose, the page caches of its
databases, and what Python itself keeps, in two steps of about 5 MB after some 2,000 and 4,200 studies.
Growth is the slope of a line through what comes then, with its standard error. With ``--model`` the service
remembers 128 studies, and memory is what it has allocated (``benchmarks/soak_service.py``), which shows a
kilobyte a study within some hundred studies: ``--studies 500 --warm-up 200``. SQLite's share of it, whose
page caches fill to a bound of their own, is stated apart then. Exit status 1 when something grows.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from scipy.stats import linregress

from benchmarks.outages import site
from cvai.phantom.cine_sax.study import TRUTH_FILE, write_phantom_study
from cvai.phantom.parameters import PhantomAcquisition
from tests.hospital import Hospital, open_files, resident_mb
from tests.postgres import running_postgres
from tests.process import Process, eventually
from tests.standin import derived_uid, write_study

ALLOWED_KB_A_STUDY = 1.0
"""A megabyte in a thousand studies is what a heap moves by itself; a job or a study kept would be more."""
ALLOWED_FILES_A_STUDY = 0.005
SAMPLES = 100
SMALL = PhantomAcquisition(
    n_slices=7, n_phases=8, rows=112, columns=112, spacing_y_mm=3.0, spacing_x_mm=3.0, slice_spacing_mm=14.0
)


@dataclass(frozen=True)
class Sample:
    """One look at the service.

    Args:
        studies: that have gone through.
        memory_mb: without ``sqlite_mb``.
        handles: of open files.
        temporary: files in its work folder.
        sqlite_mb: of SQLite, where that is told apart.
    """

    studies: int
    memory_mb: float
    handles: int
    temporary: int
    sqlite_mb: float = 0.0


@dataclass(frozen=True)
class Running:
    """A service at work.

    Args:
        service: its process.
        data_folder: its own.
        deliver: puts the study of a number where the service finds it.
        memory_mb: of a process: what of it lies in RAM, or what it has allocated without and by SQLite.
    """

    service: Process
    data_folder: Path
    deliver: Callable[[int], object]
    memory_mb: Callable[[int], tuple[float, float]] = lambda pid: (resident_mb(pid), 0.0)


def sample(at: Running, studies: int) -> Sample:
    pid, work = at.service.pid, at.data_folder / "work"
    memory_mb, sqlite_mb = at.memory_mb(pid)
    return Sample(studies, memory_mb, open_files(pid), sum(1 for _ in work.rglob("*")), sqlite_mb)


def told_mb(told: Path, pid: int) -> tuple[float, float]:
    """What a soaked service says that it has allocated, without and by SQLite."""
    before = _lines(told)
    os.kill(pid, signal.SIGUSR1)
    eventually(lambda: len(_lines(told)) > len(before), "the service to say what it has allocated")
    memory_mb, sqlite_mb = map(float, _lines(told)[-1].split())
    return memory_mb, sqlite_mb


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


@contextmanager
def measuring(root: Path) -> Iterator[Running]:
    """A service with its model on its embedded archive; studies are small phantoms of different hearts."""
    data_folder, config, told = root / "data", root / "service.toml", root / "allocated"
    config.write_text(
        f'data_folder = "{data_folder}"\nanalyses = ["cine_sax"]\npoll_interval_s = 0.1\n'
        "[folder]\nsettle_s = 0.1\n"
    )
    inbox = data_folder / "inbox"

    def deliver(number: int) -> None:
        outside = root / "outside" / str(number)
        write_phantom_study(outside, acquisition=replace(SMALL, seed=number))
        (outside / TRUTH_FILE).unlink()
        inbox.mkdir(parents=True, exist_ok=True)
        outside.rename(inbox / str(number))

    os.environ["PYTHONMALLOC"] = "malloc"
    # Every thread keeps what it frees for itself, up to a bound, and mallinfo2 takes that for allocated.
    os.environ["GLIBC_TUNABLES"] = "glibc.malloc.tcache_count=0"
    command = [sys.executable, "-m", "benchmarks.soak_service", told, "serve", "--config", config]
    service = Process(command, root / "service.log")
    try:
        yield Running(service, data_folder, deliver, partial(told_mb, told))
    finally:
        service.stop()


@contextmanager
def running(archive: str, database: str, root: Path) -> Iterator[Running]:
    """A service on its embedded archive, or beside an Orthanc that it knows by its own API or by DICOMweb."""
    if archive == "folder":
        with (
            running_postgres() if database == "postgres" else nullcontext() as url,
            embedded(root, url) as at,
        ):
            yield at
        return
    with site(root, archive) as at:

        def deliver(number: int) -> None:
            uid = derived_uid(str(root), str(number))
            at.orthanc.stow(write_study(root / "outside" / str(number), uid))

        yield Running(at.service, at.settings.data_folder, deliver)


@contextmanager
def embedded(root: Path, database_url: str | None) -> Iterator[Running]:
    """A service on its embedded archive."""
    hospital = Hospital(root, database_url)
    service = hospital.start()
    try:
        yield Running(service, hospital.data_folder, hospital.deliver)
    finally:
        service.stop()


def has_ended(service: Process, jobs: int) -> bool:
    return service.count("job_ended") >= jobs


def soak(at: Running, studies: int, warm_up: int) -> list[Sample]:
    """Samples as studies go through, evenly over their number, from the end of the warm-up on."""
    samples = []
    step = max(1, studies // SAMPLES)
    for done in range(0, warm_up + studies, step):
        wanted = min(done + step, warm_up + studies)
        for number in range(done, wanted):
            at.deliver(number)
        eventually(partial(has_ended, at.service, wanted), f"{wanted} studies", timeout_s=600)
        seen = sample(at, wanted)
        memory = f"{seen.memory_mb:9.3f} MB and {seen.sqlite_mb:.3f} of SQLite"
        print(f"{seen.studies:6d} studies  {memory}  {seen.handles} handles", file=sys.stderr)
        if wanted >= warm_up:
            samples.append(seen)
    return samples


def slope(samples: list[Sample], values: list[float]) -> tuple[float, float]:
    """Growth a study, and its standard error."""
    line = linregress([float(s.studies) for s in samples], values)
    return float(line.slope), float(line.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--archive", choices=("folder", "orthanc", "dicomweb"), default="folder")
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--model", action="store_true", help="measure phantoms with the model")
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--warm-up", type=int, default=4500, help="studies that go through before")
    asked = parser.parse_args()
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cvai-soak-") as folder:
        root = Path(folder)
        with measuring(root) if asked.model else running(asked.archive, asked.database, root) as at:
            samples = soak(at, asked.studies, asked.warm_up)
        jobs = at.data_folder / "jobs.sqlite"
        database = jobs.stat().st_size if jobs.exists() else None
    memory_kb, error_kb = (1000 * of for of in slope(samples, [s.memory_mb for s in samples]))
    handles, _ = slope(samples, [float(s.handles) for s in samples])
    temporary, _ = slope(samples, [float(s.temporary) for s in samples])
    first, last = samples[0], samples[-1]
    print(f"{asked.studies} studies after {asked.warm_up}, in {time.monotonic() - started_s:.0f} s")
    growth = f"{memory_kb:+.2f} ± {error_kb:.2f} kB a study"
    print(f"memory      {first.memory_mb:7.1f} -> {last.memory_mb:7.1f} MB   {growth}")
    if last.sqlite_mb:
        print(f"of SQLite   {first.sqlite_mb:7.1f} -> {last.sqlite_mb:7.1f} MB   page caches, to a bound")
    print(f"handles     {first.handles:7d} -> {last.handles:7d}      {handles:+.4f} a study")
    print(f"work files  {first.temporary:7d} -> {last.temporary:7d}      {temporary:+.4f} a study")
    if database is not None:
        print(f"the jobs' database takes {database / 1000 / last.studies:.1f} kB a study, for good")
    grows = memory_kb > ALLOWED_KB_A_STUDY or max(handles, temporary) > ALLOWED_FILES_A_STUDY
    return 1 if grows else 0


if __name__ == "__main__":
    sys.exit(main())
