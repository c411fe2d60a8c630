"""How much memory a large study takes: 30 phases x 50 slices x 512 x 512, analysed by a process of its own.

The bound is 1.3 times the pixels as they are stored, two bytes each, and 0.6 GB for everything else. Above it
the exit status is 1.
Usage: python -m benchmarks.memory [--threads 2] [--record]
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.published import keep
from benchmarks.stages import one_run
from cvai.domain.geometry import StackGeometry
from cvai.domain.segmentation import CineSegmentation
from cvai.phantom.cine_sax.dicom import write_instances
from cvai.phantom.cine_sax.phantom import Phantom, make_phantom
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart

N_PHASES, N_SLICES, SIDE = 30, 50, 512
PIXELS_GB = 2 * N_PHASES * N_SLICES * SIDE * SIDE / 1e9
BOUND_GB = 1.3 * PIXELS_GB + 0.6


def in_process_of_its_own(make: Callable[[Path], None], folder: Path) -> None:
    """What this process ever held would count as the peak of those it starts (getrusage(2))."""
    process = multiprocessing.get_context("spawn").Process(target=make, args=(folder,))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"the study could not be made: {process.exitcode}")


def large_study(folder: Path) -> None:
    """The study, each pixel of a phantom of half the matrix as four."""
    acquisition = PhantomAcquisition(
        n_slices=N_SLICES, n_phases=N_PHASES, slice_thickness_mm=3.0, slice_spacing_mm=3.0
    )
    folder.mkdir(parents=True)
    write_instances(folder, doubled(make_phantom(PhantomHeart(), acquisition)))


def doubled(phantom: Phantom) -> Phantom:
    """Twice the matrix over the same field of view; the truth stays as it is."""
    labels, geometry = phantom.labels, phantom.labels.geometry
    first_pixel = (
        geometry.spacing_x_mm * geometry.row_cosine + geometry.spacing_y_mm * geometry.column_cosine
    ) / 4
    finer = StackGeometry(
        geometry.positions_mm - first_pixel,
        geometry.row_cosine,
        geometry.column_cosine,
        geometry.spacing_y_mm / 2,
        geometry.spacing_x_mm / 2,
    )
    pixels, drawn = (np.repeat(np.repeat(a, 2, axis=2), 2, axis=3) for a in (phantom.pixels, labels.labels))
    return replace(phantom, pixels=pixels, labels=CineSegmentation(drawn, finer))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--record", action="store_true", help="keep the peak for the documents")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        study = Path(name) / "study"
        in_process_of_its_own(large_study, study)
        timings_ms, _, peak_mib = one_run(study, Path(name) / "out", arguments.threads)
    peak_gb = peak_mib * 1024**2 / 1e9
    print(
        f"{N_PHASES} phases x {N_SLICES} slices x {SIDE} x {SIDE}, {PIXELS_GB:.2f} GB of pixels: "
        f"{peak_gb:.2f} GB at the peak, {timings_ms['total'] / 1000:.0f} s; bound {BOUND_GB:.2f} GB"
    )
    if arguments.record:
        keep("memory", {"peak_gb": peak_gb})
    sys.exit(int(peak_gb > BOUND_GB))


if __name__ == "__main__":
    main()
