"""The ``cvai`` command: registers the commands and turns errors into exit codes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from cvai import __version__
from cvai.cli.analyze import analyze
from cvai.cli.dataset import dataset_app
from cvai.cli.demo import demo
from cvai.cli.doctor import doctor
from cvai.cli.evaluate import evaluate
from cvai.cli.export import export
from cvai.cli.jobs import jobs_app
from cvai.cli.models import models_app
from cvai.cli.phantom import phantom
from cvai.cli.readers import readers_app
from cvai.cli.segment import segment
from cvai.cli.serve import serve
from cvai.cli.train import train
from cvai.cli.worker import worker
from cvai.errors import ConfigurationInvalid, CvaiError, Refused

EXIT_FAILED, EXIT_USAGE, EXIT_REFUSED = 1, 2, 3

app = typer.Typer(
    name="cvai",
    help="Ventricular volumes and ejection fraction from cardiac cine MR, as DICOM SEG, SR and PDF.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (analyze, segment, serve, worker, demo, doctor, train, evaluate, export, phantom):
    app.command()(command)
app.add_typer(jobs_app, name="jobs")
app.add_typer(models_app, name="models")
app.add_typer(dataset_app, name="dataset")
app.add_typer(readers_app, name="readers")


def _version(show: bool) -> None:
    if show:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Not for clinical use."""


def exit_code(error: CvaiError) -> int:
    """What the process ends with: 3 refused, 2 usage, 1 anything else."""
    if isinstance(error, Refused):
        return EXIT_REFUSED
    return EXIT_USAGE if isinstance(error, ConfigurationInvalid) else EXIT_FAILED


def run() -> None:
    """Entry point of the ``cvai`` script."""
    try:
        app()
    except CvaiError as error:
        console = Console(stderr=True)
        console.print(f"[bold red]{error.code}[/]: {error.message}", highlight=False)
        if error.hint:
            console.print(f"[dim]hint:[/] {error.hint}", highlight=False)
        sys.exit(exit_code(error))
