"""``cvai evaluate``: Dice, distances, volumes and ejection fraction on patients the model has not seen."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from cvai.training.core.config import RunConfig
    from cvai.training.core.spec import AnyTask, Asked
    from cvai.training.evaluation.report import Report

_FILE_COLUMNS = 100

Model = Annotated[str, typer.Option(help="Name of an installed model, or a model folder.")]
DatasetNames = Annotated[
    list[str] | None,
    typer.Option(
        "--dataset",
        help="Kind of data set: acdc (the usual one), nifti, sunnybrook, sunnybrook_slices; camus; emidec; "
        "arcade. Several give one report with a line each.",
    ),
]
DataFolders = Annotated[
    list[str] | None,
    typer.Option("--folder", help="Its folder below CVAI_DATA; the kind's name by default. One each."),
]
SplitFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--split",
        help="Split whose validation patients are used; data/splits/DATASET.toml by default. One each.",
    ),
]
Compare = Annotated[
    str | None,
    typer.Option(help="Another model, by name or folder: differences patient by patient, with a test."),
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
    datasets: DatasetNames = None,
    data_folders: DataFolders = None,
    splits: SplitFiles = None,
    compare: Compare = None,
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
    Several data sets: cvai evaluate --dataset acdc --dataset sunnybrook --out evaluation
    Two models: cvai evaluate --model runs/new --compare sax
    Ultrasound, on CAMUS: cvai evaluate --model echo --out evaluation
    """
    from cvai.models.card import load_card
    from cvai.models.folders import model_folder
    from cvai.training.evaluation.calibrate import write_calibration
    from cvai.training.evaluation.terminal import print_report
    from cvai.training.evaluation.write import write_report
    from cvai.training.promotion.track import config_of
    from cvai.training.tasks.registry import task_of_card

    folder = model_folder(model)
    after = _After(folder, out, run_config, register)
    card = load_card(folder)
    task = task_of_card(card)
    other = None if compare is None else _other(compare, task)
    kinds = datasets or [task.evaluation.datasets[0]]
    common = {"at_most": patients, "robustness": robustness, "threads": threads}
    asked = _asked(kinds, data_folders, splits, common)
    for each in asked.values():
        _require_of_use(each, task)
    if len(asked) > 1 and (calibrate or run_config is not None):
        raise typer.BadParameter("--calibrate and --track take one data set", param_hint="--dataset")
    config = None if run_config is None else config_of(run_config, card)
    parts, report = _evaluated(task, folder, other, asked)
    if calibrate:
        write_calibration(folder, report.calibration())
    if out is not None:
        write_report(report, out)
        for name, part in parts.items():
            write_report(part, out / name)
    _record(after, config, report.metrics)
    if as_json:
        typer.echo(report.record_json)
    else:
        print_report(Console() if sys.stdout.isatty() else Console(width=_FILE_COLUMNS), report)


def _other(compare: str, task: AnyTask) -> Path:
    """The folder of the model that is compared with, which is for the same images."""
    from cvai.models.card import load_card
    from cvai.models.folders import model_folder
    from cvai.training.tasks.registry import task_of_card

    folder = model_folder(compare)
    if task_of_card(load_card(folder)) is not task:
        raise typer.BadParameter(f"not a model of the task {task.name}", param_hint="--compare")
    return folder


def _asked(
    kinds: list[str], folders: list[str] | None, splits: list[Path] | None, common: Mapping[str, Any]
) -> dict[str, Asked]:
    """What is asked for of each data set, by the name of its folder."""
    from cvai.training.core.spec import Asked

    for values, name in ((folders, "--folder"), (splits, "--split")):
        if values and len(values) != len(kinds):
            raise typer.BadParameter("give one for each --dataset, or none", param_hint=name)
    none = [None] * len(kinds)
    places = zip(kinds, folders or none, splits or none, strict=True)
    asked = {
        Path(folder or kind).name: Asked(kind, folder, split, **common) for kind, folder, split in places
    }
    if len(asked) < len(kinds):
        raise typer.BadParameter("two data sets have folders of one name", param_hint="--dataset")
    return asked


def _evaluated(
    task: AnyTask, folder: Path, other: Path | None, asked: Mapping[str, Asked]
) -> tuple[Mapping[str, Report], Report]:
    """Reports of the data sets where there are several, and the one of all."""
    from cvai.training.evaluation.sections import with_sections
    from cvai.training.evaluation.several import joined

    reports = {name: task.evaluation.evaluate(folder, each) for name, each in asked.items()}
    others = (
        {}
        if other is None
        else {n: task.evaluation.evaluate(other, replace(a, robustness=False)) for n, a in asked.items()}
    )
    parts = {name: with_sections(report, others.get(name)) for name, report in reports.items()}
    if len(parts) == 1:
        return {}, next(iter(parts.values()))
    return parts, with_sections(joined(reports), joined(others) if others else None)


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
