"""``cvai analyze``: DICOM in, result.json, SEG, SR and PDF out."""

from __future__ import annotations

import json
from functools import cache, partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cvai.cli import exits
from cvai.engine.analyse import StudyOutcome, analyse_folder
from cvai.inference.echo import installed_echo_segmenter
from cvai.inference.models import model_folder
from cvai.inference.sax import SaxSegmenter

_WALL = "lv_wall_"


def analyze(
    *,
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="A DICOM file, a folder, a DICOMDIR, a zip or a tar.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Results go to OUT/<StudyInstanceUID>.")],
    model: Annotated[str, typer.Option(help="Name of an installed model, or a model folder.")] = "sax",
    threads: Annotated[int, typer.Option(min=1, help="Threads of the network.")] = 2,
    provider: Annotated[
        str, typer.Option(help="Runtime: auto, openvino, or a provider of ONNX Runtime by its name.")
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print every result.json as one array.")] = False,
) -> None:
    """Measure the heart in every study found in SRC: short-axis cine MR, or apical ultrasound loops.

    Exit status: 0 all analysed, 3 a study was refused (its result.json says why), 1 failed, 2 usage.

    \b
    Example: cvai analyze study/ --out out
    """
    console = Console(stderr=True)
    segmenter = SaxSegmenter.load(model_folder(model), threads, provider)
    echo_model = cache(partial(installed_echo_segmenter, threads, provider))
    with console.status("analysing"):
        outcomes = analyse_folder(source, out, segmenter, echo_model)
    results = [json.loads((o.folder / "result.json").read_text()) for o in outcomes]
    if as_json:
        typer.echo(json.dumps(results, indent=1))
    else:
        for outcome, result in zip(outcomes, results, strict=True):
            _print_result(Console(), outcome, result)
    if any(outcome.status == "refused" for outcome in outcomes):
        raise typer.Exit(exits.REFUSED)


def _print_result(console: Console, outcome: StudyOutcome, result: dict[str, object]) -> None:
    title = f"study {outcome.study_uid or 'unknown'}: {outcome.status}"
    if outcome.refusal is not None:
        console.print(f"[bold]{title}[/]  [red]{outcome.refusal.code}[/]", highlight=False)
        console.print(f"  {outcome.refusal}", highlight=False)
    else:
        console.print(_measurement_table(title, result))
        for finding in result["findings"]:  # type: ignore[attr-defined]
            console.print(f"  [yellow]{finding['code']}[/]: {finding['message']}", highlight=False)
    console.print(f"  {outcome.folder}", highlight=False)


def _measurement_table(title: str, result: dict[str, object]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("measurement")
    table.add_column("value", justify="right")
    table.add_column("unit")
    for row in result["measurements"]:  # type: ignore[attr-defined]
        if row["name"].startswith(_WALL):  # 32 segments stand in result.json and on the page
            continue
        table.add_row(row["name"], f"{row['value']:.1f}", row["unit"])
    return table
