"""Where the time goes with ultrasound: milliseconds by stage for one loop of 100 frames, and peak memory.

Each run is a fresh ``cvai analyze`` process on the same four-chamber phantom loop; medians over the runs.
Usage: python -m benchmarks.echo_stages [--runs 5] [--threads 2]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.stages import one_run, print_table
from cvai.phantom.echo.parameters import LoopAcquisition
from cvai.phantom.echo.study import write_echo_phantom_study

N_FRAMES = 100


def one_loop(folder: Path) -> Path:
    """A study of the four-chamber loop alone."""
    write_echo_phantom_study(folder, acquisition=LoopAcquisition(n_frames=N_FRAMES))
    (folder / "dicom" / "a2c.dcm").unlink()
    return folder / "dicom"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        study = one_loop(Path(name) / "study")
        runs = [one_run(study, Path(name) / f"out{k}", arguments.threads) for k in range(arguments.runs)]
    shape = LoopAcquisition()
    print_table(f"one loop of {N_FRAMES} x {shape.rows} x {shape.columns}", runs, arguments.threads)


if __name__ == "__main__":
    main()
