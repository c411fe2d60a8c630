"""The ``cvai`` command: turns errors into exit codes; ``cvai.cli.lazy`` knows the commands."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from cvai import __version__
from cvai.cli import exits
from cvai.cli.lazy import LazyCommands
from cvai.errors import ConfigurationInvalid, CvaiError, Refused

TRAINING_PACKAGES = frozenset({"matplotlib", "mlflow", "monai", "onnx", "onnxscript", "tomlkit", "torch"})
"""Of the extra ``train``."""

app = typer.Typer(
    name="cvai",
    cls=LazyCommands,
    help="Measures the heart in MR, ultrasound and angiography, and writes DICOM SEG, SR and PDF.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


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
        return exits.REFUSED
    return exits.USAGE if isinstance(error, ConfigurationInvalid) else exits.FAILED


def run() -> None:
    """Entry point of the ``cvai`` script."""
    try:
        app()
    except CvaiError as error:
        _end(error)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in TRAINING_PACKAGES:
            raise
        _end(
            ConfigurationInvalid(
                "training_not_installed",
                f"This command needs the package {package}, which the service is installed without.",
                r"pip install 'cvai\[train]', or make dev in a clone.",
            )
        )


def _end(error: CvaiError) -> NoReturn:
    """Print an error with its hint, and exit."""
    console = Console(stderr=True)
    console.print(f"[bold red]{error.code}[/]: {error.message}", highlight=False)
    if error.hint:
        console.print(f"[dim]hint:[/] {error.hint}", highlight=False)
    sys.exit(exit_code(error))
