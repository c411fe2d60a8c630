"""Studies a minute of one to three workers on one PostgreSQL, beside the prediction of
docs/explanation/scaling.md.

``python -m benchmarks.workers [--workers 1 2 3] [--studies 12] [--threads 2]``

Synthetic studies of 250 frames, the shipped model, real processes. Predicted is the time of one worker over
the number of workers, as far as there are ``threads`` cores for each.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.progress import track

from cvai.phantom.cine_sax.study import TRUTH_FILE, write_phantom_study
from cvai.phantom.parameters import PhantomAcquisition
from tests.postgres import fresh_database, running_postgres
from tests.process import CVAI, Process, eventually

LONGEST_S = 3600.0
USUAL = PhantomAcquisition()


def phantoms(folder: Path, n: int, imaged: PhantomAcquisition = USUAL) -> list[Path]:
    """Studies of different hearts, a folder of DICOM files each, in the order of their names."""
    for seed in track(range(n), description="phantoms"):
        study = folder / f"{seed:04d}"
        write_phantom_study(study, acquisition=replace(imaged, seed=seed))
        (study / TRUTH_FILE).unlink()
    return sorted(path for path in folder.iterdir() if path.is_dir())


def start(root: Path, url: str, number: int, threads: int) -> Process:
    config = root / f"worker-{number}.toml"
    config.write_text(
        f'worker_name = "worker-{number}"\ndata_folder = "{root / str(number)}"\nthreads = {threads}\n'
        f'database_url = "{url}"\nanalyses = ["cine_sax"]\npoll_interval_s = 0.2\njobs_at_once = 1\n'
        f'[folder]\ninbox = "{root / "inbox"}"\narchive = "{root / "archive"}"\nsettle_s = 0.5\n'
    )
    command = "serve" if number == 1 else "worker"
    return Process([*CVAI, command, "--config", config], root / f"worker-{number}.log")


def measured_s(studies: list[Path], url: str, workers: int, threads: int) -> float:
    """Seconds from the delivery of all studies to workers that are ready, until the last has ended."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cvai-workers-")))
        started = [start(root, url, number, threads) for number in range(1, workers + 1)]
        for process in started:
            stack.callback(process.stop)
            eventually(lambda p=process: p.events("serving"), "a worker", timeout_s=300)
        for study in studies:
            shutil.copytree(study, root / "inbox" / study.name)
        started_s = time.monotonic()
        # Told by the logs: to ask the database ten times a second would take from what is measured.
        eventually(partial(_ended, started, len(studies)), "all studies", timeout_s=LONGEST_S)
        return time.monotonic() - started_s


def _ended(workers: list[Process], n: int) -> bool:
    return sum(worker.count("job_ended") for worker in workers) >= n


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--studies", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cvai-workers-studies-")))
        studies = phantoms(folder, arguments.studies)
        server = stack.enter_context(running_postgres())
        room = max(1, (os.cpu_count() or 1) // arguments.threads)
        one_s = None
        for workers in arguments.workers:
            with fresh_database(server) as url:
                took_s = measured_s(studies, url, workers, arguments.threads)
            at_work = min(workers, room)
            one_s = one_s or took_s * at_work
            print(
                f"{workers} workers: {60 * len(studies) / took_s:6.1f} studies a minute, "
                f"{took_s:6.1f} s, predicted {one_s / at_work:6.1f} s"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
