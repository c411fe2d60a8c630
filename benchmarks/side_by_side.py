"""cvai beside others, on the same frames, each in a process of its own, one after another.

Usage: python -m benchmarks.side_by_side [--phases 25] [--patients 20] [--threads 2] [--json FILE]

- cvai: the short-axis model, through the code of the service.
- myopari 0.1.6 (MIT): the short-axis ONNX model in its PyPI wheel, with the wheel's own functions before and
  after it. Its plug-in hands in (x, y, z) volumes. Its weights come from ACDC, from which patients is not
  told: those that validate here may be among those it has learnt from, and its accuracy on them then says too
  much.
- nnU-Net's default 2d configuration for ACDC (dynamic-network-architectures 0.4.4, Apache-2.0), random
  weights: speed of the network alone, on the 256 x 224 patch of its plan; as nnU-Net predicts by default,
  mirrored in both axes (four passes), and in one pass. Neither resampling nor the five folds of its ensemble
  are counted.

The wheels are installed without their dependencies into build/side_by_side, never into the environment.
Speed is measured on a synthetic cine of 10 slices of 256 x 256, accuracy on the validation patients of ACDC
(CVAI_DATA), or on synthetic hearts where they are missing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.cine import CineStack
from cvai.domain.geometry import StackGeometry
from cvai.models.folders import model_folder
from cvai.models.sax import SaxSegmenter
from cvai.phantom.cine_sax.phantom import make_phantom
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart

WHEELS = ("myopari==0.1.6", "dynamic-network-architectures==0.4.4")
BUILD = Path("build/side_by_side")
N_SLICES = 10

Volume = NDArray[np.float32]
"""(z, y, x)."""
Labels = NDArray[np.uint8]


class Cvai:
    """The model as the service runs it: the heart is looked for once a cine."""

    def __init__(self, threads: int) -> None:
        self._segmenter = SaxSegmenter.load(model_folder("sax"), threads)

    def label(self, cine: NDArray[np.float32], spacing_mm: tuple[float, float, float]) -> Labels:
        geometry = StackGeometry.unplaced(cine.shape[1], spacing_mm)
        return self._segmenter.segment(CineStack(cine, geometry, None, None)).labels


class Myopari:
    """The model of the wheel, with the wheel's functions; phase by phase, as its plug-in does."""

    STRUCTURES = ((1, Structure.RV_CAVITY), (2, Structure.LV_MYOCARDIUM), (3, Structure.LV_CAVITY))

    def __init__(self, threads: int) -> None:
        package = BUILD / "myopari"
        self._functions = module_of(package / "processors" / "functions_utils.py")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            package / "Resources" / "tiramisu_acdc_fp32.onnx", options, providers=["CPUExecutionProvider"]
        )

    def label(self, cine: NDArray[np.float32], _spacing_mm: tuple[float, float, float]) -> Labels:
        return np.stack([self._label_phase(volume) for volume in cine])

    def _label_phase(self, volume: Volume) -> Labels:
        data = self._functions.preprocess_data_array(volume.transpose(2, 1, 0))
        theirs = self._functions.predict_data_model(data, self._session, min_size_remove=800, onnx=True)
        labels = np.zeros(volume.shape, dtype=np.uint8)
        for value, structure in self.STRUCTURES:
            labels[theirs.transpose(2, 1, 0) == value] = SAX_LABELS[structure]
        return labels


class NnUnet:
    """nnU-Net's 2d plan for ACDC: seven stages, two convolutions each, instance normalisation."""

    PATCH = (256, 224)

    def __init__(self, threads: int, *, mirrored: bool) -> None:
        import torch

        sys.path.insert(0, str(BUILD))
        from dynamic_network_architectures.architectures.unet import PlainConvUNet  # type: ignore[import-not-found]

        torch.set_num_threads(threads)
        self._torch, self._passes = torch, 4 if mirrored else 1
        strides = [(1, 1), *[(2, 2)] * 5, (2, 1)]
        self._network = PlainConvUNet(
            input_channels=1,
            n_stages=len(strides),
            features_per_stage=[32, 64, 128, 256, 512, 512, 512],
            conv_op=torch.nn.Conv2d,
            kernel_sizes=[(3, 3)] * len(strides),
            strides=strides,
            n_conv_per_stage=2,
            num_classes=4,
            n_conv_per_stage_decoder=2,
            conv_bias=True,
            norm_op=torch.nn.InstanceNorm2d,
            norm_op_kwargs={"eps": 1e-5, "affine": True},
            nonlin=torch.nn.LeakyReLU,
            nonlin_kwargs={"inplace": True},
        ).eval()

    def label(self, cine: NDArray[np.float32], _spacing_mm: tuple[float, float, float]) -> Labels:
        rows, columns = self.PATCH
        with self._torch.inference_mode():
            for volume in cine:
                batch = self._torch.from_numpy(volume[:, None, :rows, :columns].copy())
                for _ in range(self._passes):
                    self._network(batch)
        return np.zeros(cine.shape, dtype=np.uint8)


CONTENDERS: dict[str, Callable[[int], Cvai | Myopari | NnUnet]] = {
    "cvai": Cvai,
    "myopari 0.1.6": Myopari,
    "nnU-Net 2d, one pass": lambda threads: NnUnet(threads, mirrored=False),
    "nnU-Net 2d, mirrored": lambda threads: NnUnet(threads, mirrored=True),
}
WITH_WEIGHTS = ("cvai", "myopari 0.1.6")


def module_of(path: Path) -> ModuleType:
    """A module by its file alone: importing the package would import its user interface."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def install() -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--upgrade",
        "--target",
        str(BUILD),
    ]
    subprocess.run([*command, *WHEELS], check=True)


def run_one(name: str, n_phases: int, n_patients: int, threads: int) -> dict[str, Any]:
    """In a process of its own: time a frame, and scores where there are weights."""
    contender = CONTENDERS[name](threads)
    stack = make_phantom(PhantomHeart(), PhantomAcquisition(n_slices=N_SLICES, n_phases=n_phases)).stack
    geometry = stack.geometry
    spacing_mm = (geometry.slice_spacing_mm, geometry.spacing_y_mm, geometry.spacing_x_mm)
    contender.label(stack.pixels[:1], spacing_mm)
    n_frames, start, cpu_start = n_phases * N_SLICES, perf_counter(), process_time()
    contender.label(stack.pixels, spacing_mm)
    found: dict[str, Any] = {
        "ms_a_frame": (perf_counter() - start) * 1000.0 / n_frames,
        "cpu_ms_a_frame": (process_time() - cpu_start) * 1000.0 / n_frames,
    }
    if name in WITH_WEIGHTS and n_patients:
        found |= accuracy(contender, n_patients)
    return found


def accuracy(contender: Cvai | Myopari | NnUnet, n_patients: int) -> dict[str, Any]:
    """Dice and ejection fractions on the validation patients, ED and ES each by itself."""
    from benchmarks.labelled_hearts import validation
    from cvai.training.tasks.sax.evaluation.cells import SHORT_NAMES
    from cvai.training.tasks.sax.evaluation.quantities import QUANTITIES, agreements
    from cvai.training.tasks.sax.evaluation.scores import Segmented, score, stack_of
    from cvai.training.tasks.sax.evaluation.summary import summary

    scores = []
    cohort = validation(n_patients)
    for volume in cohort.volumes():
        labels = contender.label(volume.image[None], volume.spacing_mm)[0]
        scores.append(score(Segmented(volume, labels, stack_of(volume).geometry, None, 0.0)))
    dice = summary((s.phase, s.whole) for s in scores).dice
    found = agreements(scores)
    quantities = {QUANTITIES[name]: found[name] for name in ("lv_ef", "rv_ef", "lv_mass") if name in found}
    return {
        "cohort": f"{len(cohort.patients)} hearts, {cohort.name}",
        "dice": {
            f"{SHORT_NAMES[s]} {phase}": dice[phase][s].mean.value
            for s in SAX_LABELS
            for phase in ("ED", "ES")
        },
        "agreement": {
            name: {"bias": a.bias.value, "sd": a.sd.value, "mae": a.mae.value, "worst": a.worst}
            for name, a in quantities.items()
        },
    }


def run_all(arguments: argparse.Namespace) -> dict[str, Any]:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in CONTENDERS:
            out = Path(folder) / "one.json"
            command = [sys.executable, __file__, "--one", name, "--json", str(out)]
            for option in ("phases", "patients", "threads"):
                command += [f"--{option}", str(getattr(arguments, option))]
            environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
            subprocess.run(command, check=True, env=environment)
            found[name] = json.loads(out.read_text())
    return found


def print_tables(found: dict[str, Any], arguments: argparse.Namespace) -> None:
    title = (
        f"{arguments.phases} phases x {N_SLICES} slices x 256 x 256, {arguments.threads} threads, "
        f"{os.cpu_count()} cores"
    )
    speed = Table("", title=title, title_justify="left")
    speed.add_column("ms a frame", justify="right")
    speed.add_column("CPU ms a frame, all threads", justify="right")
    speed.add_column("CPU time over cvai's", justify="right")
    for name, one in found.items():
        ratio = one["cpu_ms_a_frame"] / found["cvai"]["cpu_ms_a_frame"]
        speed.add_row(name, f"{one['ms_a_frame']:.1f}", f"{one['cpu_ms_a_frame']:.1f}", f"{ratio:.1f}")
    console = Console(width=130)
    console.print(speed)
    if not arguments.patients:
        return
    exact = Table("", title=found["cvai"]["cohort"], title_justify="left")
    dice = found["cvai"]["dice"]
    for heading in (*dice, *(f"{q}: bias ± SD, worst" for q in found["cvai"]["agreement"])):
        exact.add_column(heading, justify="right")
    for name in WITH_WEIGHTS:
        one = found[name]
        cells = (f"{one['dice'][key]:.3f}" for key in dice)
        agreed = (f"{a['bias']:+.1f} ± {a['sd']:.1f}, {a['worst']:+.1f}" for a in one["agreement"].values())
        exact.add_row(name, *cells, *agreed)
    console.print(exact)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phases", type=int, default=25)
    parser.add_argument("--patients", type=int, default=20, help="0 for speed alone")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        found = run_one(arguments.one, arguments.phases, arguments.patients, arguments.threads)
    else:
        install()
        found = run_all(arguments)
        print_tables(found, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
