"""Where the time goes: milliseconds by stage for a 10 x 25 x 256 x 256 study, and peak memory.

Each run is a fresh ``cvai analyze`` process on the same phantom study; medians over the runs.
Usage: python -m benchmarks.stages [--runs 5] [--threads 2] [--record]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table

from benchmarks.published import keep

STAGES = ("read", "select", "assemble", "infer", "measure", "write", "total")


def one_run(study: Path, out: Path, threads: int) -> tuple[dict[str, float], float, float]:
    """Stage timings of one process in ms, its wall-clock time in ms, its peak memory in MiB."""
    command = [
        sys.executable,
        "-m",
        "cvai",
        "analyze",
        str(study),
        "--out",
        str(out),
        "--threads",
        str(threads),
    ]
    start = perf_counter()
    process = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall_ms = (perf_counter() - start) * 1000
    if status:
        raise SystemExit(f"cvai analyze failed: {os.waitstatus_to_exitcode(status)}")
    (entry,) = (e for e in json.loads(text)[0]["analyses"] if e["status"] == "analysed")
    return entry["timings_ms"], wall_ms, peak_mib(usage)


def peak_mib(usage: resource.struct_rusage) -> float:
    """Peak resident memory; Linux counts in KiB, macOS in bytes."""
    return usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def cine(folder: Path) -> Path:
    """A phantom study of 10 slices x 25 phases x 256 x 256."""
    command = [sys.executable, "-m", "cvai", "phantom", str(folder), "--slices", "10", "--phases", "25"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder


def main() -> None:
    time_stages("stages", __doc__, "10 slices x 25 phases x 256 x 256", cine)


def time_stages(name: str, description: str | None, what: str, make_study: Callable[[Path], Path]) -> None:
    """Analyse what ``make_study`` writes, as often as the command line says, and print the table."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--record", action="store_true", help="keep the medians for the documents")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = make_study(Path(folder) / "study")
        runs = [one_run(study, Path(folder) / f"out{k}", arguments.threads) for k in range(arguments.runs)]
    print_table(what, runs, arguments.threads)
    if arguments.record:
        stages = {f"{stage}_ms": statistics.median(run[0][stage] for run in runs) for stage in STAGES}
        process = {"process_ms": statistics.median(run[1] for run in runs)}
        keep(name, stages | process | {"peak_mib": statistics.median(run[2] for run in runs)})


def print_table(what: str, runs: list[tuple[dict[str, float], float, float]], threads: int) -> None:
    """Median, least and most of every stage over the runs."""
    table = Table(
        title=f"{what}, {len(runs)} fresh processes, {threads} threads, {os.cpu_count()} cores",
        title_justify="left",
    )
    table.add_column("stage")
    for heading in ("median ms", "min", "max"):
        table.add_column(heading, justify="right")
    rows = {stage: [run[0][stage] for run in runs] for stage in STAGES}
    rows["process, start to exit"] = [run[1] for run in runs]
    rows["peak memory, MiB"] = [run[2] for run in runs]
    for stage, values in rows.items():
        table.add_row(stage, *(f"{f(values):.0f}" for f in (statistics.median, min, max)))
    Console().print(table)


if __name__ == "__main__":
    main()
