"""``cvai models card``: a model's card in the format of somebody else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cvai.analyses.registry import ANALYSES
from cvai.analyses.spec import Accuracy
from cvai.files import write_whole
from cvai.models.card import load_card
from cvai.models.chai import Metric, chai_card
from cvai.models.folders import model_folder

EVALUATION_FILE = "evaluation.json"


def card(
    name: Annotated[str, typer.Argument(help="Name or folder of a model.")],
    *,
    form: Annotated[
        Literal["chai"],
        typer.Option("--format", help="chai: Applied Model Card of the Coalition for Health AI, schema 0.2."),
    ] = "chai",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File; printed by default.")] = None,
) -> None:
    """Write a model's card in the format of somebody else.

    Everything in it is from card.toml and evaluation.json; what they do not state is stated as unknown.

    \b
    Example: cvai models card sax --format chai --out sax.xml
    """
    del form
    folder = model_folder(name)
    known = load_card(folder)
    evaluation = evaluation_of(folder, known.sha256)
    spec = next((spec for spec in ANALYSES if spec.card_view == known.view), None)
    title, accuracy = (known.view, ()) if spec is None else (spec.title, spec.accuracy)
    written = chai_card(known, title, evaluation, tuple(_metrics(accuracy, evaluation or {})))
    if out is None:
        typer.echo(written.decode(), nl=False)
    else:
        write_whole(out, written)


def evaluation_of(folder: Path, sha256: str) -> Mapping[str, Any] | None:
    """What evaluation.json says of this very model; None where there is none of it."""
    path = folder / EVALUATION_FILE
    evaluation: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return evaluation if (evaluation.get("model") or {}).get("sha256") == sha256 else None


def _metrics(accuracy: tuple[Accuracy, ...], evaluation: Mapping[str, Any]) -> Iterator[Metric]:
    for number in accuracy:
        value = number.of(evaluation)
        if value is not None:
            yield Metric(number.title, value, number.interval_of(evaluation))
