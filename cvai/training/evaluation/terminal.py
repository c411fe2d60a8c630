"""An evaluation in the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from cvai.training.evaluation.report import Grid, Report


def print_report(console: Console, report: Report) -> None:
    """Print every table; what was refused comes first."""
    model = report.model
    console.print(
        f"{model.name} {model.version} ({model.sha256[:12]}) on {report.n_patients} patients",
        highlight=False,
    )
    for refused in report.refused:
        console.print(f"[bold red]refused[/] {refused}", highlight=False)
    for grid in report.grids:
        console.print()
        console.print(_table(grid))


def _table(grid: Grid) -> Table:
    table = Table(
        title=grid.title,
        title_justify="left",
        title_style="bold",
        caption=grid.note,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    first, *others = grid.header
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right")
    for row in grid.rows:
        table.add_row(*row)
    return table
