"""Where the time goes with ultrasound: milliseconds by stage for one loop of 100 frames, and peak memory.

Each run is a fresh ``cvai analyze`` process on the same four-chamber phantom loop; medians over the runs.
Usage: python -m benchmarks.echo_stages [--runs 5] [--threads 2] [--record]
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.stages import time_stages
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.study import write_echo_phantom_study

N_FRAMES = 100


def one_loop(folder: Path) -> Path:
    """A study of the four-chamber loop alone."""
    write_echo_phantom_study(folder, acquisition=LoopAcquisition(n_frames=N_FRAMES))
    (folder / "dicom" / "a2c.dcm").unlink()
    return folder / "dicom"


def main() -> None:
    shape = LoopAcquisition()
    time_stages("echo_stages", __doc__, f"one loop of {N_FRAMES} x {shape.rows} x {shape.columns}", one_loop)


if __name__ == "__main__":
    main()
