"""``cvai models``: what is installed, whether it is whole, and what takes its place."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cvai.cli.options import AsJson
from cvai.cli.promote import promote
from cvai.cli.shadow import shadow
from cvai.cli.stop import resume, stop
from cvai.models.card import load_card
from cvai.models.folders import installed_models, model_folder
from cvai.models.runtimes.onnx import OnnxNetwork

models_app = typer.Typer(help="Manage installed models.", no_args_is_help=True)
models_app.command("promote")(promote)
models_app.command("shadow")(shadow)
models_app.command("stop")(stop)
models_app.command("resume")(resume)


@models_app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List installed models."""
    cards = [load_card(model_folder(name)) for name in installed_models()]
    if as_json:
        typer.echo(json.dumps([card.model_dump(mode="json") for card in cards], indent=1))
        return
    table = Table("name", "version", "view", "license", "sha256")
    for card in cards:
        table.add_row(card.name, card.version, card.view, card.license, card.sha256[:12])
    Console().print(table)


@models_app.command("show")
def show_model(name: str) -> None:
    """Print a model's card as JSON."""
    typer.echo(load_card(model_folder(name)).model_dump_json(indent=1))


@models_app.command("verify")
def verify_models(
    name: Annotated[str | None, typer.Argument(help="One model; all by default.")] = None,
) -> None:
    """Check digests and reference outputs on this machine's runtime."""
    for each in (name,) if name else installed_models():
        network = OnnxNetwork(model_folder(each))
        typer.echo(f"{each} {network.card.version}: whole, reproduces its reference on {network.provider}")
