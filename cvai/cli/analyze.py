"""``cvai analyze``: DICOM in, result.json, SEG, SR and PDF out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cvai.analyses.registry import analysis_of, ready_analyses
from cvai.cli import exits
from cvai.cli.csv_table import write_csv
from cvai.dicom.write.plan import Extra
from cvai.dicom.write.result_json import Status
from cvai.dicom.write.write import RESULT_NAME
from cvai.errors import ConfigurationInvalid
from cvai.ops.logs import log_to_stderr
from cvai.pipeline import StudyOutcome, analyse_folder

_BY_SEGMENT = ("lv_wall_", "lv_thickening_", "lv_time_to_thickening_")
"""Numbers of single segments stand in result.json and on the page."""


def analyze(
    *,
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="A DICOM file, a folder, a DICOMDIR, a zip or a tar.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Results go to OUT/<StudyInstanceUID>.")],
    model: Annotated[
        str | None,
        typer.Option(help="Name or folder of a model, used where its kind of images is analysed."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the network.")] = 2,
    provider: Annotated[
        str,
        typer.Option(
            help="Runtime: auto, cpu, cuda, tensorrt, openvino, or a provider of ONNX Runtime by its name."
        ),
    ] = "auto",
    csv: Annotated[
        Path | None,
        typer.Option(help="Also write a table with a row for each analysis of a study, to this file."),
    ] = None,
    extra: Annotated[
        list[Extra] | None,
        typer.Option(help="Objects that are written besides, for any viewer; may be given several times."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every result.json as one array.")] = False,
) -> None:
    """Measure the heart in every study in SRC: MR, ultrasound and angiography.

    Every analysis that applies to a study is made, and a study counts as analysed where one of them measured.

    Exit status: 0 all analysed, 3 a study was refused or holds nothing to do (its result.json says why), 1
    failed, 2 usage.

    \b
    Example: cvai analyze study/ --out out
    Example: cvai analyze studies/ --out out --csv out/results.csv
    """
    log_to_stderr()
    if csv is not None:
        _require_folder(csv, out)
    console = Console(stderr=True)
    analyses = ready_analyses([model] if model else [], threads, provider)
    with console.status("analysing"):
        outcomes = analyse_folder(source, out, analyses, extras=extra or ())
    results = [json.loads((o.folder / RESULT_NAME).read_text(encoding="utf-8")) for o in outcomes]
    if csv is not None:
        write_csv(csv, results)
    if as_json:
        typer.echo(json.dumps(results, indent=1))
    else:
        for outcome, result in zip(outcomes, results, strict=True):
            _print_study(Console(), outcome, result)
    if code := _exit_code(outcomes):
        raise typer.Exit(code)


def _require_folder(table: Path, out: Path) -> None:
    """Before the work: whether the table can be written when it is done."""
    if table.parent != out and not table.parent.is_dir():
        raise ConfigurationInvalid(
            "output_folder_missing",
            f"There is no folder {table.parent}.",
            "Make it, or name another with --csv.",
        )


def _exit_code(outcomes: Sequence[StudyOutcome]) -> int:
    """A failure counts more than a refusal; a study of which something was measured is none."""
    analyses = (analysis.status for outcome in outcomes for analysis in outcome.analyses)
    if Status.FAILED in analyses:
        return exits.FAILED
    return exits.REFUSED if any(outcome.status is not Status.ANALYSED for outcome in outcomes) else 0


def _print_study(console: Console, outcome: StudyOutcome, result: dict[str, Any]) -> None:
    title = f"study {outcome.study_uid or 'unknown'}"
    for analysis in result["analyses"]:
        titled = f"{title}: {analysis_of(analysis['kind']).title}, {analysis['status']}"
        if analysis["refused"] is not None:
            _print_error(console, titled, analysis["refused"])
            continue
        console.print(_measurement_table(titled, analysis["measurements"]))
        for finding in analysis["findings"]:
            console.print(f"  [yellow]{finding['code']}[/]: {finding['message']}", highlight=False)
    if not result["analyses"]:
        _print_error(console, f"{title}: {outcome.status.replace('_', ' ')}", result["refused"])
    console.print(f"  {outcome.folder}", highlight=False)


def _print_error(console: Console, title: str, error: dict[str, str]) -> None:
    console.print(f"[bold]{title}[/]  [red]{error['code']}[/]", highlight=False)
    console.print(f"  {error['message']}", highlight=False)


def _measurement_table(title: str, measurements: Sequence[dict[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("measurement")
    table.add_column("value", justify="right")
    table.add_column("unit")
    for row in measurements:
        if not row["name"].startswith(_BY_SEGMENT):
            table.add_row(row["name"], f"{row['value']:.1f}", row["unit"])
    return table
