"""The same model on every runtime there is here: time a frame, Dice, LVEF, and how many labels differ.

Usage: python -m benchmarks.providers [--model sax] [--patients 20] [--threads 2] [--repeats 3] [--json FILE]

Candidates: ONNX Runtime in 32 bits (the reference), in 8 bits (QDQ, calibrated on slices of training
patients), and OpenVINO with both files; CUDA where there is a device. Frames are those of the validation
patients. A candidate is a choice only where Dice holds; which one is the default, the numbers decide.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np
import onnxruntime
from rich.console import Console
from rich.table import Table

from benchmarks.labelled_hearts import training, validation
from benchmarks.quantise import calibration_windows, write_quantised
from cvai.domain.anatomy import SAX_LABELS
from cvai.models.card import load_card
from cvai.models.folders import model_folder
from cvai.models.network import open_network
from cvai.models.sax import SaxSegmenter
from cvai.training.datasets.data import LabelledVolume
from cvai.training.tasks.sax.evaluation.cells import SHORT_NAMES
from cvai.training.tasks.sax.evaluation.quantities import agreements
from cvai.training.tasks.sax.evaluation.scores import Segmented, score, segmented
from cvai.training.tasks.sax.evaluation.summary import summary

CALIBRATION_PATIENTS = 5


@dataclass(frozen=True)
class Measured:
    """One candidate."""

    name: str
    ms_a_frame: float
    cpu_ms_a_frame: float
    dice: dict[str, float | None]
    lv_ef_bias: float | None
    lv_ef_sd: float | None
    labels_differing: float


def candidates(model: Path, int8: Path) -> list[tuple[str, Path, str]]:
    """Name, model folder and provider; the first one is what the others are compared with."""
    found = [
        ("ONNX Runtime fp32", model, "CPUExecutionProvider"),
        ("ONNX Runtime int8", int8, "CPUExecutionProvider"),
    ]
    if find_spec("openvino") is not None:
        found += [("OpenVINO fp32", model, "openvino"), ("OpenVINO int8", int8, "openvino")]
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        found.append(("ONNX Runtime CUDA", model, "CUDAExecutionProvider"))
    return found


def quantised(model: Path, target: Path) -> Path:
    card = load_card(model)
    dataset, patients = training(CALIBRATION_PATIENTS)
    volumes = [volume for patient in patients for volume in dataset.volumes(patient)]
    windows = calibration_windows(volumes, card.input.spacing_mm, card.input.size)  # type: ignore[union-attr]
    return write_quantised(model, windows, target)


def segment_all(
    segmenter: SaxSegmenter, volumes: Sequence[LabelledVolume], repeats: int
) -> tuple[list[Segmented], float, float]:
    """Labels, and medians over repeats of the time and the processor time a frame in ms.

    The first pass warms up and is not counted. Processor time is that of all threads together; it is what
    can be compared on a machine that does something else beside.
    """
    found = [segmented(volume, segmenter) for volume in volumes]
    frames = sum(len(volume.image) for volume in volumes)
    times_ms, cpu_ms = [], []
    for _ in range(repeats):
        start, cpu_start = perf_counter(), process_time()
        for volume in volumes:
            segmented(volume, segmenter)
        times_ms.append((perf_counter() - start) * 1000.0 / frames)
        cpu_ms.append((process_time() - cpu_start) * 1000.0 / frames)
    return found, median(times_ms), median(cpu_ms)


def measured(
    name: str, found: list[Segmented], times_ms: tuple[float, float], first: list[Segmented]
) -> Measured:
    scores = [score(each) for each in found]
    dice = summary((s.phase, s.whole) for s in scores).dice
    ef = agreements(scores)["lv_ef"]
    differing = sum(int(np.count_nonzero(a.labels != b.labels)) for a, b in zip(found, first, strict=True))
    heart = sum(int(np.count_nonzero(a.labels)) for a in first)
    return Measured(
        name,
        *times_ms,
        {
            f"{SHORT_NAMES[s]} {phase}": dice[phase][s].mean.value
            for s in SAX_LABELS
            for phase in ("ED", "ES")
        },
        ef.bias.value,
        ef.sd.value,
        differing / heart,
    )


def print_table(results: list[Measured], title: str) -> None:
    table = Table("runtime", title=title, title_justify="left")
    times = ("ms a frame", "CPU ms a frame")
    for heading in (*times, *results[0].dice, "LVEF bias ± SD", "labels differing"):
        table.add_column(heading, justify="right")
    for r in results:
        dice = ("–" if v is None else f"{v:.4f}" for v in r.dice.values())
        spread = "–" if r.lv_ef_sd is None else f"{r.lv_ef_bias:+.2f} ± {r.lv_ef_sd:.2f}"
        ms = f"{r.ms_a_frame:.1f}", f"{r.cpu_ms_a_frame:.1f}"
        table.add_row(r.name, *ms, *dice, spread, f"{100 * r.labels_differing:.2f} %")
    Console(width=140).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="sax")
    parser.add_argument("--patients", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    model = model_folder(arguments.model)
    cohort = validation(arguments.patients)
    volumes = list(cohort.volumes())
    results: list[Measured] = []
    first: list[Segmented] = []
    with tempfile.TemporaryDirectory() as name:
        int8 = quantised(model, Path(name) / "int8")
        for label, folder, provider in candidates(model, int8):
            segmenter = SaxSegmenter(open_network(folder, arguments.threads, provider))
            found, *times_ms = segment_all(segmenter, volumes, arguments.repeats)
            first = first or found
            results.append(measured(label, found, (times_ms[0], times_ms[1]), first))
    card = load_card(model)
    print_table(
        results,
        f"{card.name} {card.version} on {len(cohort.patients)} hearts ({cohort.name}), "
        f"{arguments.threads} threads, {os.cpu_count()} cores; "
        "labels differing from the first, as a share of the heart's",
    )
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(r) for r in results], indent=1))


if __name__ == "__main__":
    main()
