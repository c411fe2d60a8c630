"""``cvai models``: what is installed, whether it is whole, and what takes its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cvai.analyses.registry import ANALYSES
from cvai.cli.drift import drift
from cvai.cli.model_card import card, evaluation_of
from cvai.cli.options import AsJson
from cvai.cli.promote import promote
from cvai.cli.shadow import shadow
from cvai.cli.stop import resume, stop
from cvai.models.card import ModelCard, load_card
from cvai.models.folders import installed_models, model_folder, models_folder
from cvai.models.model_store import in_place_since
from cvai.models.runtimes.onnx import OnnxNetwork

models_app = typer.Typer(help="Manage installed models.", no_args_is_help=True)
models_app.command("promote")(promote)
models_app.command("shadow")(shadow)
models_app.command("drift")(drift)
models_app.command("card")(card)
models_app.command("stop")(stop)
models_app.command("resume")(resume)


@models_app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List installed models: since when they are in place, and how good they are by their evaluation."""
    rows = [_row(name) for name in installed_models()]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    table = Table(
        "name", "version", "view", "in place since", "how good", "evaluated on", "license", "sha256"
    )
    for row in rows:
        evaluated = row["evaluated"]
        good = [f"{title}: {number}" for title, number in (evaluated or {}).get("accuracy", {}).items()]
        on = "" if evaluated is None else f"{evaluated['number']} {evaluated['of']} of {evaluated['split']}"
        stated = "\n".join(good) or "no evaluation of this version"
        names = (row["name"], row["version"], row["view"], row["since"][:10])
        table.add_row(*names, stated, on, row["license"], row["sha256"][:12])
    Console().print(table)


def _row(name: str) -> dict[str, Any]:
    """The card of a model, with ``since`` and ``evaluated``."""
    known = load_card(model_folder(name))
    since = in_place_since(models_folder(), name).isoformat()
    evaluated = _evaluated(known, model_folder(name))
    return {**known.model_dump(mode="json"), "since": since, "evaluated": evaluated}


def _evaluated(known: ModelCard, folder: Path) -> dict[str, Any] | None:
    """What evaluation.json says of this very model; None where there is none of it."""
    evaluation = evaluation_of(folder, known.sha256)
    if evaluation is None:
        return None
    numbers = (a for spec in ANALYSES if spec.card_view == known.view for a in spec.accuracy)
    of = "patients" if "patients" in evaluation else "images"
    return {
        "number": evaluation[of],
        "of": of,
        "split": Path(evaluation["split"]).stem,
        "accuracy": {a.title: round(v, a.decimals) for a in numbers if (v := a.of(evaluation)) is not None},
    }


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
