"""``cvai evaluate``: Dice, volumes and ejection fraction on patients the model has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

if TYPE_CHECKING:
    from cvai.training.evaluate import VolumeScore


def evaluate(
    model: Annotated[str, typer.Option(help="Name of an installed model, or a model folder.")] = "sax",
    split: Annotated[Path, typer.Option(help="Split whose validation patients are used.")] = Path(
        "data/splits/acdc.toml"
    ),
    threads: Annotated[int, typer.Option(min=1, help="Threads of the network.")] = 2,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Write the errors found as intervals into the model's card.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every score as JSON.")] = False,
) -> None:
    """Compare a model with the reference contours of the split's validation patients.

    \b
    Example: CVAI_DATA=../shared/data cvai evaluate --model sax
    """
    from cvai.inference.models import model_folder
    from cvai.inference.sax import SaxSegmenter
    from cvai.training.calibrate import calibration, write_calibration
    from cvai.training.data import data_root, load_acdc_patient, load_split
    from cvai.training.evaluate import report_json, score_volume

    segmenter = SaxSegmenter.load(model_folder(model), threads)
    folder = data_root() / "acdc"
    volumes = [v for p in load_split(split).validation for v in load_acdc_patient(folder / p)]
    console = Console(stderr=True)
    scores = [score_volume(v, segmenter) for v in track(volumes, "evaluating", console=console)]
    if calibrate:
        write_calibration(model_folder(model), calibration(scores))
    if as_json:
        typer.echo(report_json(scores))
    else:
        _print_tables(Console(), scores)


def _print_tables(console: Console, scores: list[VolumeScore]) -> None:
    from cvai.training.evaluate import agreements, mean_dice

    overlap = Table("structure", "ED", "ES", title="Mean Dice", title_justify="left")
    by_phase = mean_dice(scores)
    for structure in by_phase["ED"]:
        overlap.add_row(structure, *(f"{by_phase[phase][structure]:.3f}" for phase in ("ED", "ES")))
    console.print(overlap)
    table = Table(
        *("quantity", "n", "bias", "SD", "MAE", "worst", "r"), title="Against reference", title_justify="left"
    )
    for name, a in agreements(scores).items():
        numbers = (f"{v:.1f}" for v in (a.bias, a.sd, a.mae, a.worst))
        table.add_row(name, str(a.n), *numbers, f"{a.correlation:.3f}")
    console.print(table)
