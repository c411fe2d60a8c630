"""Many studies through one service that is never restarted: nothing grows, neither memory, handles nor files.

``python -m benchmarks.soak [--studies 1000] [--warm-up 2500]``

Time is compressed: studies arrive as fast as they are done. The stand-in analysis is used, so that what is
watched is the service, its database, its feed and its folders; the model's own memory is in ``make bench``.
Those that warm it up fill what grows to a bound: the identities of the last few thousand files, which it
remembers on purpose, the page caches of its databases, and Python's table of interned strings, which doubles
once. Growth is the slope of a line through what comes then. Exit status 1 when something grows.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.hospital import Hospital, open_files, resident_mb
from tests.process import Process, eventually

ALLOWED_KB_A_STUDY = 1.0
"""A megabyte in a thousand studies is what a heap moves by itself; a job or a study kept would be more."""
ALLOWED_FILES_A_STUDY = 0.005
SAMPLES = 50


@dataclass(frozen=True)
class Sample:
    """One look at the service."""

    studies: int
    memory_mb: float
    handles: int
    temporary: int


def sample(service: Process, studies: int, temporary: Path) -> Sample:
    return Sample(
        studies, resident_mb(service.pid), open_files(service.pid), sum(1 for _ in temporary.rglob("*"))
    )


def soak(site: Hospital, studies: int, warm_up: int, temporary: Path) -> list[Sample]:
    """Samples as studies go through, evenly over their number, from the end of the warm-up on."""
    service = site.start()
    samples = []
    step = max(1, studies // SAMPLES)
    for done in range(0, warm_up + studies, step):
        wanted = min(done + step, warm_up + studies)
        for number in range(done, wanted):
            site.deliver(number)
        eventually(lambda wanted=wanted: site.n_ended() >= wanted, f"{wanted} studies", timeout_s=600)
        if wanted >= warm_up:
            samples.append(sample(service, wanted, temporary))
    service.stop()
    return samples


def slope(samples: list[Sample], values: list[float]) -> float:
    """Growth a study."""
    return float(np.polyfit([float(s.studies) for s in samples], values, 1)[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--warm-up", type=int, default=2500, help="studies that go through before")
    asked = parser.parse_args()
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cvai-soak-") as folder:
        site = Hospital(Path(folder))
        samples = soak(site, asked.studies, asked.warm_up, site.data_folder / "work")
        database = (site.data_folder / "jobs.sqlite").stat().st_size
    memory_kb = 1000 * slope(samples, [s.memory_mb for s in samples])
    handles = slope(samples, [float(s.handles) for s in samples])
    temporary = slope(samples, [float(s.temporary) for s in samples])
    first, last = samples[0], samples[-1]
    print(f"{asked.studies} studies after {asked.warm_up}, in {time.monotonic() - begun_s:.0f} s")
    print(f"memory      {first.memory_mb:7.1f} -> {last.memory_mb:7.1f} MB   {memory_kb:+.2f} kB a study")
    print(f"handles     {first.handles:7d} -> {last.handles:7d}      {handles:+.4f} a study")
    print(f"work files  {first.temporary:7d} -> {last.temporary:7d}      {temporary:+.4f} a study")
    print(f"the jobs' database takes {database / 1000 / last.studies:.1f} kB a study, for good")
    grows = memory_kb > ALLOWED_KB_A_STUDY or max(handles, temporary) > ALLOWED_FILES_A_STUDY
    return 1 if grows else 0


if __name__ == "__main__":
    sys.exit(main())
