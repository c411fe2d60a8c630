"""Many studies at once: is memory bounded, do they end in order of arrival, what does the service cost?

``python -m benchmarks.burst [--studies 200] [--slices 9] [--phases 10] [--pixels 160] [--threads 2]
[--jobs-at-once 2] [--record]``

Synthetic studies are dropped into the inbox of a real ``cvai serve``, faster than it can work. Whenever it
has done twenty of them it is frozen, and this process analyses twenty of the same back to back, without a
service: a machine's speed drifts by more than what is looked for, so both get the same minutes of it. Exit
status 1 when a study was not analysed or ended out of turn, the service took over 15 % longer, or its memory
grew. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import Progress

from benchmarks.published import keep
from benchmarks.workers import phantoms
from cvai.archive.part10 import read_identity
from cvai.jobs.job import JobState
from cvai.jobs.ledger import JobRecord
from cvai.jobs.loading import load_analyses
from cvai.phantom.parameters import PhantomAcquisition
from cvai.settings import Settings
from tests.hospital import resident_mb
from tests.process import CVAI, Process, eventually, jobs

SLOWER_AT_MOST = 1.15
GROWTH_MB_AT_MOST = 100.0
"""From the first fifth to the last: less than one study more than is at work."""

LONGEST_S = 7200.0
USUAL = {"studies": 200, "slices": 9, "phases": 10, "pixels": 160, "threads": 2, "jobs-at-once": 2}
SAMPLED_EVERY_S = 0.5
TURN = 20
"""Studies that service and process analyse in turns."""


@dataclass(frozen=True)
class Burst:
    """What became of studies that came all at once.

    Args:
        took_s: from the last delivery until the last has ended, without the time it was frozen.
        delivered: study UIDs in order of arrival.
        records: their jobs.
        memory_mb: of the service, every half second.
    """

    took_s: float
    delivered: tuple[str, ...]
    records: tuple[JobRecord, ...]
    memory_mb: tuple[float, ...]

    @property
    def not_analysed(self) -> int:
        analysed = {r.job.study_uid for r in self.records if r.outcome.state is JobState.ANALYSED}
        return len(set(self.delivered) - analysed)

    @property
    def out_of_turn(self) -> int:
        """Studies that ended before one that had come earlier."""
        ended = sorted((r for r in self.records if r.ended_at), key=lambda r: str(r.ended_at))
        return int(np.sum(np.diff([self.delivered.index(r.job.study_uid) for r in ended]) < 0))

    @property
    def growth_mb(self) -> float:
        """Median memory of the last fifth over that of the second fifth; the first one warms up."""
        fifths = np.array_split(np.array(self.memory_mb), 5)
        return float(np.median(fifths[-1]) - np.median(fifths[1]))


class BackToBack:
    """The studies analysed one after the other by this process, the model loaded."""

    def __init__(self, studies: Sequence[Path], out: Path, threads: int) -> None:
        self._studies = studies
        self._out = out
        self._cine = load_analyses(Settings(threads=threads))[0]
        self._cine.analyse(studies[0], out / "warm")
        self.done = 0
        self.took_s = 0.0

    def run_until(self, to: int) -> None:
        """Analyse until so many are done."""
        started_s = time.monotonic()
        for study in self._studies[self.done : to]:
            self._cine.analyse(study, self._out / study.name)
        self.done = to
        self.took_s += time.monotonic() - started_s


def burst(
    studies: Sequence[Path], root: Path, threads: int, jobs_at_once: int, alone: BackToBack | None = None
) -> Burst:
    """Drop copies of the studies into the inbox of a service that is ready, all at once.

    Where the same are analysed ``alone`` too, the two take turns.
    """
    data_folder = root / "data"
    config = root / "service.toml"
    config.write_text(
        f'data_folder = "{data_folder}"\nthreads = {threads}\njobs_at_once = {jobs_at_once}\n'
        'analyses = ["cine_sax"]\npoll_interval_s = 0.5\n[folder]\nsettle_s = 1\n'
    )
    inbox = data_folder / "inbox"
    for study in studies:
        shutil.copytree(study, inbox / f".{study.name}")
    service = Process([*CVAI, "serve", "--config", config], root / "service.log")
    try:
        eventually(lambda: service.events("serving"), "the service", timeout_s=300)
        for study in studies:
            (inbox / f".{study.name}").rename(inbox / study.name)
        started_s, frozen_s, memory_mb = time.monotonic(), 0.0, list[float]()
        with Progress(auto_refresh=False) as progress:
            shown = progress.add_task("studies", total=len(studies))
            while (ended := service.count("job_ended")) < len(studies):
                if time.monotonic() - started_s > LONGEST_S:
                    break
                progress.update(shown, completed=ended, refresh=ended > progress.tasks[0].completed)
                memory_mb.append(resident_mb(service.pid))
                if alone is not None and ended >= alone.done + TURN:
                    frozen_s += alone_while_frozen_s(alone, service)
                time.sleep(SAMPLED_EVERY_S)
        took_s = time.monotonic() - started_s - frozen_s
    finally:
        service.stop()
    delivered = tuple(study_uid(study) for study in studies)
    return Burst(took_s, delivered, tuple(jobs(data_folder)), tuple(memory_mb))


def alone_while_frozen_s(alone: BackToBack, service: Process) -> float:
    """Seconds for which the service stood still, one turn of the process that works alone."""
    started_s = time.monotonic()
    os.kill(service.pid, signal.SIGSTOP)
    try:
        alone.run_until(alone.done + TURN)
    finally:
        os.kill(service.pid, signal.SIGCONT)
    return time.monotonic() - started_s


def study_uid(folder: Path) -> str:
    identity = read_identity(next(folder.rglob("*.dcm")))
    assert identity is not None
    return identity.study_uid


def troubles(result: Burst, slower: float) -> list[str]:
    """What is not as it should be, in words."""
    wrong = {
        f"{result.not_analysed} studies were not analysed": result.not_analysed > 0,
        f"{result.out_of_turn} studies ended out of turn": result.out_of_turn > 0,
        f"the service took {100 * (slower - 1):.0f} % longer": slower > SLOWER_AT_MOST,
        f"its memory grew by {result.growth_mb:.0f} MB": result.growth_mb > GROWTH_MB_AT_MOST,
    }
    return [words for words, is_wrong in wrong.items() if is_wrong]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, number in USUAL.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--record", action="store_true", help="keep the ratio for the documents")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cvai-burst-") as name:
        root = Path(name)
        imaged = PhantomAcquisition(
            n_slices=asked.slices, n_phases=asked.phases, rows=asked.pixels, columns=asked.pixels
        )
        studies = phantoms(root / "studies", asked.studies, imaged)
        alone = BackToBack(studies, root / "alone", asked.threads)
        result = burst(studies, root, asked.threads, asked.jobs_at_once, alone)
        alone.run_until(len(studies))
    slower = result.took_s / alone.took_s
    print(f"{asked.studies} studies of {asked.slices} x {asked.phases} x {asked.pixels} x {asked.pixels}")
    print(f"back to back  {alone.took_s:7.1f} s")
    print(f"service       {result.took_s:7.1f} s, {slower:.3f} times as long")
    print(
        f"its memory    {max(result.memory_mb):7.0f} MB at most, {result.growth_mb:+.0f} MB after warming up"
    )
    print(f"not analysed  {result.not_analysed:7d}")
    print(f"out of turn   {result.out_of_turn:7d}")
    if asked.record:
        keep("burst", {"ratio": slower})
    wrong = troubles(result, slower)
    for words in wrong:
        print(f"  {words}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
