"""The evaluation in the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from cvai.training.evaluation.cells import Grid, grids
from cvai.training.evaluation.summary import Evaluation


def print_tables(console: Console, evaluation: Evaluation) -> None:
    """Print every table; what was refused comes first."""
    model = evaluation.model
    console.print(
        f"{model.name} {model.version} ({model.sha256[:12]}) on {len(evaluation.patients)} patients",
        highlight=False,
    )
    for score in evaluation.refused:
        console.print(f"[bold red]refused[/] {score.patient} {score.phase}: {score.refused}", highlight=False)
    for grid in grids(evaluation):
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
