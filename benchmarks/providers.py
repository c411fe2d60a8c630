"""The same model on every runtime there is here: time a study, time a frame, Dice, LVEF, differing labels.

Usage: python -m benchmarks.providers [--model sax] [--patients 20] [--studies 3] [--threads 2] [--repeats 3]
                                      [--json FILE]

Studies are a phantom of 10 slices x 25 phases x 256 x 256, from DICOM files to SEG, SR and PDF, on the CPU
and on each device, two at a time as a worker does and one alone. A device that is not there is listed with
the reason. ``--studies 0`` leaves them out.

Frames are those of the validation patients; ``--patients 0`` leaves them out. Candidates: ONNX Runtime in
32 bits (the reference), in 8 bits (QDQ, calibrated on slices of training patients), and OpenVINO with both
files; the devices. A candidate is a choice only where Dice holds; which one is the default, the numbers
decide.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.labelled_hearts import training, validation
from benchmarks.quantise import calibration_windows, write_quantised
from benchmarks.stages import cine
from cvai.analyses.registry import ReadyAnalysis, analysis_with
from cvai.dicom.write.result_json import read_entry
from cvai.domain.anatomy import SAX_LABELS
from cvai.errors import ConfigurationInvalid, DeviceFailed, ModelInvalid
from cvai.jobs.inference_lock import InferenceLock
from cvai.jobs.loading import installed_of
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
AT_ONCE = 2
"""Studies, as ``jobs_at_once`` of a service."""

DEVICES = {"ONNX Runtime CUDA": "cuda", "ONNX Runtime TensorRT": "tensorrt"}


Made = TypeVar("Made")


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


@dataclass(frozen=True)
class MeasuredStudies:
    """Whole studies on one provider.

    Args:
        name: of the candidate.
        skipped: why it was not measured; empty where it was.
        ms_a_study: median of one alone.
        infer_ms_a_study: median of the network's part.
        studies_a_minute: AT_ONCE at a time.
        device_failures: in whose place the CPU worked; such times say nothing of the device.
    """

    name: str
    skipped: str = ""
    ms_a_study: float | None = None
    infer_ms_a_study: float | None = None
    studies_a_minute: float | None = None
    device_failures: int = 0


def reason_to_skip(model: Path, provider: str) -> str:
    """Why a provider cannot run here; empty where it can."""
    try:
        open_network(model, 1, provider)
    except (ConfigurationInvalid, DeviceFailed, ModelInvalid) as error:
        return error.message
    return ""


def measure_studies(model: str, study: Path, n_studies: int, threads: int) -> list[MeasuredStudies]:
    """The CPU and every device, one after the other."""
    found = []
    for name, provider in {"ONNX Runtime CPU": "cpu", **DEVICES}.items():
        skipped = reason_to_skip(model_folder(model), provider)
        found.append(
            MeasuredStudies(name, skipped)
            if skipped
            else studies_on(name, analysis_with(model, threads, provider), study, n_studies)
        )
    return found


def studies_on(name: str, ready: ReadyAnalysis, study: Path, n_studies: int) -> MeasuredStudies:
    """So many studies alone and AT_ONCE times as many beside each other; a first one warms up."""
    installed = installed_of(ready, InferenceLock())
    with tempfile.TemporaryDirectory() as folder:

        def analysed(number: int) -> float:
            (outcome,) = installed.analyse(study, Path(folder) / str(number))
            return float(read_entry(outcome.folder / "result.json")["timings_ms"]["infer"])

        analysed(0)
        alone = [timed(lambda k=k: analysed(k)) for k in range(1, n_studies + 1)]
        n_beside = AT_ONCE * n_studies
        with ThreadPoolExecutor(AT_ONCE) as pool:
            _, beside_s = timed(
                lambda: list(pool.map(analysed, range(n_studies + 1, n_studies + 1 + n_beside)))
            )
    return MeasuredStudies(
        name,
        ms_a_study=median(seconds for _, seconds in alone) * 1000.0,
        infer_ms_a_study=median(infer_ms for infer_ms, _ in alone),
        studies_a_minute=60.0 * n_beside / beside_s,
        device_failures=ready.device_failures,
    )


def timed(call: Callable[[], Made]) -> tuple[Made, float]:
    """What a call makes, and its seconds."""
    start = perf_counter()
    made = call()
    return made, perf_counter() - start


def print_studies(results: Sequence[MeasuredStudies], title: str) -> None:
    table = Table("runtime", title=title, title_justify="left")
    for heading in ("ms a study", "of these infer", "studies a minute", "device failures"):
        table.add_column(heading, justify="right")
    for r in (r for r in results if not r.skipped):
        times = (r.ms_a_study, r.infer_ms_a_study, r.studies_a_minute)
        table.add_row(r.name, *(f"{value:.1f}" for value in times), str(r.device_failures))
    console = Console(width=140)
    console.print(table)
    for r in (r for r in results if r.skipped):
        console.print(f"{r.name}: skipped. {r.skipped}", highlight=False)


def candidates(model: Path, int8: Path) -> list[tuple[str, Path, str]]:
    """Name, model folder and provider; the first one is what the others are compared with."""
    found = [("ONNX Runtime fp32", model, "cpu"), ("ONNX Runtime int8", int8, "cpu")]
    if find_spec("openvino") is not None:
        found += [("OpenVINO fp32", model, "openvino"), ("OpenVINO int8", int8, "openvino")]
    devices = [(name, model, provider) for name, provider in DEVICES.items()]
    return found + [device for device in devices if not reason_to_skip(model, device[2])]


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
    parser.add_argument("--studies", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    studies = studies_of(arguments) if arguments.studies else []
    frames = frames_of(arguments) if arguments.patients else []
    if arguments.json:
        measured_all = {"studies": [asdict(r) for r in studies], "frames": [asdict(r) for r in frames]}
        arguments.json.write_text(json.dumps(measured_all, indent=1))


def studies_of(arguments: argparse.Namespace) -> list[MeasuredStudies]:
    """Measure whole studies and print them."""
    with tempfile.TemporaryDirectory() as folder:
        study = cine(Path(folder) / "study")
        results = measure_studies(arguments.model, study, arguments.studies, arguments.threads)
    print_studies(
        results,
        f"{arguments.model}: 10 slices x 25 phases x 256 x 256, {AT_ONCE} at a time for studies a minute, "
        f"{arguments.threads} threads, {os.cpu_count()} cores",
    )
    return results


def frames_of(arguments: argparse.Namespace) -> list[Measured]:
    """Measure labelled frames and print them."""
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
    return results


if __name__ == "__main__":
    main()
