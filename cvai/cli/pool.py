"""``cvai pool``: the evaluations of all folds of a cross-validation as one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

_FILE_COLUMNS = 100


def pool(
    folders: Annotated[
        list[Path], typer.Argument(help="What `cvai evaluate --out` wrote, one of each fold.")
    ],
    calibrate: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="Put the intervals into the card of this fold's model."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every score as JSON.")] = False,
) -> None:
    """Summarise the folds of a cross-validation.

    Includes the bounds of 90 % of the errors, which hold for networks of this training only.

    \b
    Example: cvai pool runs/sax_gpu/evaluation runs/sax_gpu_fold?/evaluation
    """
    from cvai.training.evaluation.calibrate import write_calibration
    from cvai.training.evaluation.terminal import print_report
    from cvai.training.promotion.folds import pool as pooled
    from cvai.training.promotion.folds import require_a_fold

    report = pooled(folders)
    found = report.calibration()
    if calibrate is not None:
        require_a_fold(calibrate, folders)
        write_calibration(calibrate, found)
    if as_json:
        typer.echo(report.record_json)
        return
    console = Console() if sys.stdout.isatty() else Console(width=_FILE_COLUMNS)
    print_report(console, report)
    intervals = [f"{name} ± {half:.1f} points" for name, half in found.half_widths.items()]
    intervals += [f"{name} ± {100 * share:.0f} %" for name, share in found.shares.items()]
    console.print(
        f"\n{100 * found.confidence:.0f} % of errors out of fold stay within: {', '.join(intervals)}.",
        highlight=False,
    )
