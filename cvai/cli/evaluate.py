"""``cvai evaluate``: Dice, distances, volumes and ejection fraction on patients the model has not seen."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import track

if TYPE_CHECKING:
    from cvai.domain.segmentation import ModelIdentity
    from cvai.models.segmenter import Segmenter
    from cvai.training.core.config import AnyTrainConfig
    from cvai.training.datasets.data import LabelledVolume
    from cvai.training.evaluation.cohort import Cohort
    from cvai.training.evaluation.summary import Evaluation

_FILE_COLUMNS = 100

Model = Annotated[str, typer.Option(help="Name of an installed model, or a model folder.")]
DatasetName = Annotated[str, typer.Option(help="Kind of data set: acdc, nifti or sunnybrook.")]
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
RunConfig = Annotated[
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
    """What becomes of an evaluation."""

    folder: Path
    out: Path | None
    run_config: Path | None
    register: bool
    calibrate: bool
    as_json: bool

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
    dataset: DatasetName = "acdc",
    data_folder: DataFolder = None,
    split: SplitFile = None,
    patients: AtMost = None,
    robustness: Robustness = False,
    threads: Threads = 2,
    out: Out = None,
    run_config: RunConfig = None,
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

    folder = model_folder(model)
    after = _After(folder, out, run_config, register, calibrate, as_json)
    if load_card(folder).view == "echo":
        if robustness or split is not None or data_folder is not None:
            raise typer.BadParameter("--robustness, --split and --folder are for short-axis models")
        _evaluate_echo(after, threads, patients)
    else:
        _evaluate_sax(
            after, _cohort(dataset, data_folder, split, at_most=patients), threads, robust=robustness
        )


def _evaluate_sax(after: _After, cohort: Cohort, threads: int, *, robust: bool) -> None:
    from cvai.models.sax import SaxSegmenter
    from cvai.training.core.calibrate import calibration, write_calibration
    from cvai.training.evaluation.record import headline_metrics
    from cvai.training.evaluation.worst import draw_worst_cases
    from cvai.training.evaluation.write import write_evaluation

    segmenter = SaxSegmenter.load(after.folder, threads)
    config = _config_of(after.run_config, segmenter.identity)
    evaluation = _evaluated(cohort, segmenter, robust=robust)
    if after.calibrate:
        write_calibration(after.folder, calibration(evaluation.scores))
    if after.out is not None:
        write_evaluation(evaluation, draw_worst_cases(evaluation, cohort, segmenter), after.out)
        _record(after, config, headline_metrics(evaluation))
    _print(evaluation, as_json=after.as_json)


def _evaluate_echo(after: _After, threads: int, at_most: int | None) -> None:
    from cvai.models.echo import EchoSegmenter
    from cvai.training.core.calibrate import write_calibration
    from cvai.training.evaluation.write import RECORD_FILE
    from cvai.training.tasks.echo.record import calibration, headline_metrics, record_json
    from cvai.training.tasks.echo.run import evaluate_echo, print_echo_tables

    segmenter = EchoSegmenter.load(after.folder, threads)
    config = _config_of(after.run_config, segmenter.identity)
    evaluation = evaluate_echo(segmenter, at_most=at_most)
    if after.calibrate:
        write_calibration(after.folder, calibration(evaluation.patients))
    if after.out is not None:
        after.out.mkdir(parents=True, exist_ok=True)
        (after.out / RECORD_FILE).write_text(record_json(evaluation.record), encoding="utf-8")
        _record(after, config, headline_metrics(evaluation.record))
    if after.as_json:
        typer.echo(record_json(evaluation.record))
    else:
        print_echo_tables(_console(), evaluation.record)


def _cohort(kind: str, folder: str | None, split: Path | None, *, at_most: int | None) -> Cohort:
    from cvai.training.datasets.kinds import DatasetKind, open_dataset
    from cvai.training.evaluation.cohort import Cohort

    try:
        opened = open_dataset(DatasetKind(kind), folder or kind)
    except ValueError as error:
        raise typer.BadParameter(f"one of {', '.join(DatasetKind)}", param_hint="--dataset") from error
    return Cohort.validation(opened, split or Path("data/splits") / f"{kind}.toml", at_most)


def _evaluated(cohort: Cohort, segmenter: Segmenter, *, robust: bool) -> Evaluation:
    """Score the cohort behind a progress bar on stderr."""
    from cvai.training.evaluation.flags import score_patients
    from cvai.training.evaluation.robustness import robustness
    from cvai.training.evaluation.summary import summed_up

    def volumes(doing: str) -> Iterable[LabelledVolume]:
        console = Console(stderr=True)
        return track(cohort.volumes(), doing, total=cohort.n_volumes, console=console, transient=True)

    scores, findings = score_patients(volumes("evaluating"), segmenter)
    changed = robustness(volumes("changing images"), segmenter) if robust else None
    return summed_up(scores, segmenter.identity, cohort.name, changed, findings)


def _config_of(path: Path | None, model: ModelIdentity) -> AnyTrainConfig | None:
    """Checked before the model runs, not after."""
    from cvai.training.evaluation.track import config_of

    return None if path is None else config_of(path, model)


def _record(after: _After, config: AnyTrainConfig | None, metrics: Mapping[str, float]) -> None:
    """Beside the run of ``config``, and in the registry where that is asked for."""
    from cvai.training.evaluation.track import track_evaluation
    from cvai.training.evaluation.write import RECORD_FILE
    from cvai.training.promotion.registry import register

    if config is None or after.out is None:
        return
    track_evaluation(config, metrics, after.out)
    if after.register:
        version = register(config, after.folder, after.out / RECORD_FILE)
        typer.echo(f"{config.name} version {version}: promote it with `cvai models promote`", err=True)


def _print(evaluation: Evaluation, *, as_json: bool) -> None:
    from cvai.training.evaluation.record import record_json
    from cvai.training.evaluation.tables import print_tables

    if as_json:
        typer.echo(record_json(evaluation))
    else:
        print_tables(_console(), evaluation)


def _console() -> Console:
    """The terminal, or a width in which no table breaks where the tables go into a file."""
    return Console() if sys.stdout.isatty() else Console(width=_FILE_COLUMNS)
