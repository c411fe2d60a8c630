"""``cvai evaluate``: Dice, distances, volumes and ejection fraction on patients the model has not seen."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from cvai.training.core.config import RunConfig
    from cvai.training.core.spec import AnyTask, Asked

_FILE_COLUMNS = 100

Model = Annotated[str, typer.Option(help="Name of an installed model, or a model folder.")]
DatasetName = Annotated[
    str | None,
    typer.Option(help="Kind of data set: acdc (the usual one), nifti, sunnybrook; camus; arcade."),
]
DataFolder = Annotated[
    str | None, typer.Option("--folder", help="Its folder below CVAI_DATA; the kind's name by default.")
]
SplitFile = Annotated[
    Path | None,
    typer.Option(help="Split whose validation patients are used; data/splits/DATASET.toml by default."),
]
AtMost = Annotated[int | None, typer.Option(min=1, help="Take fewer patients, spread over the split.")]
Robustness = Annotated[
    bool, typer.Option("--robustness", help="Also rotate, mirror, resample, crop and shade every image.")
]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the network.")]
Out = Annotated[Path | None, typer.Option(help="Folder for evaluation.json, report.html and pictures.")]
TrackedConfig = Annotated[
    Path | None,
    typer.Option("--track", help="Training configuration; its MLflow run gets metrics and the folder."),
]
Register = Annotated[
    bool, typer.Option("--register", help="With --track: put the model into the registry of that run.")
]
Calibrate = Annotated[
    bool, typer.Option("--calibrate", help="Write the errors found as intervals into the model's card.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print every score as JSON.")]


@dataclass(frozen=True, slots=True)
class _After:
    """Where an evaluation is recorded."""

    folder: Path
    out: Path | None
    run_config: Path | None
    register: bool

    def __post_init__(self) -> None:
        if self.register and self.run_config is None:
            raise typer.BadParameter("give --track as well; the run says where", param_hint="--register")
        if self.run_config is not None and self.out is None:
            raise typer.BadParameter(
                "give --out as well; its files are what is recorded", param_hint="--track"
            )


def evaluate(
    *,
    model: Model = "sax",
    dataset: DatasetName = None,
    data_folder: DataFolder = None,
    split: SplitFile = None,
    patients: AtMost = None,
    robustness: Robustness = False,
    threads: Threads = 2,
    out: Out = None,
    run_config: TrackedConfig = None,
    register: Register = False,
    calibrate: Calibrate = False,
    as_json: AsJson = False,
) -> None:
    """Compare a model with the reference contours of the split's validation patients.

    \b
    Example: CVAI_DATA=../shared/data cvai evaluate --model sax --robustness --out evaluation
    Another data set: cvai evaluate --dataset sunnybrook
    Ultrasound, on CAMUS: cvai evaluate --model echo --out evaluation
    """
    from cvai.models.card import load_card
    from cvai.models.folders import model_folder
    from cvai.training.core.spec import Asked
    from cvai.training.evaluation.calibrate import write_calibration
    from cvai.training.evaluation.terminal import print_report
    from cvai.training.evaluation.write import write_report
    from cvai.training.promotion.track import config_of
    from cvai.training.tasks.registry import task_of_card

    folder = model_folder(model)
    after = _After(folder, out, run_config, register)
    card = load_card(folder)
    task = task_of_card(card)
    kind = dataset or task.evaluation.datasets[0]
    asked = Asked(kind, data_folder, split, patients, robustness, threads)
    _require_of_use(asked, task)
    config = None if run_config is None else config_of(run_config, card)
    report = task.evaluation.evaluate(folder, asked)
    if calibrate:
        write_calibration(folder, report.calibration())
    if out is not None:
        write_report(report, out)
    _record(after, config, report.metrics)
    if as_json:
        typer.echo(report.record_json)
    else:
        print_report(Console() if sys.stdout.isatty() else Console(width=_FILE_COLUMNS), report)


def _require_of_use(asked: Asked, task: AnyTask) -> None:
    """Let no option be passed over in silence."""
    from cvai.training.core.spec import OPTIONS

    plan = task.evaluation
    if not plan.options.issuperset(asked.options):
        useless = ", ".join(f"--{name}" for name in OPTIONS if name not in plan.options)
        raise typer.BadParameter(f"{useless} are not for models of the task {task.name}")
    if asked.dataset not in plan.datasets:
        raise typer.BadParameter(f"one of {', '.join(plan.datasets)}", param_hint="--dataset")


def _record(after: _After, config: RunConfig | None, metrics: Mapping[str, float]) -> None:
    """Beside the run of ``config``, and in the registry where that is asked for."""
    from cvai.training.evaluation.write import RECORD_FILE
    from cvai.training.promotion.registry import register
    from cvai.training.promotion.track import track_evaluation

    if config is None or after.out is None:
        return
    track_evaluation(config, metrics, after.out)
    if after.register:
        version = register(config, after.folder, after.out / RECORD_FILE)
        typer.echo(f"{config.name} version {version}: promote it with `cvai models promote`", err=True)
