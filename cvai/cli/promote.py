"""``cvai models promote``: a registered version takes the place of the installed model, or gives it back."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cvai.models.card import load_card
from cvai.models.folders import models_folder
from cvai.models.model_store import bring_back

if TYPE_CHECKING:
    from cvai.training.promotion.comparison import Compared
    from cvai.training.promotion.promote import Candidate

_FILE_COLUMNS = 100


def promote(
    name: Annotated[str, typer.Argument(help="Name of the model, such as sax.")],
    *,
    version: Annotated[int | None, typer.Argument(help="Version in the registry.", min=1)] = None,
    back: Annotated[
        bool, typer.Option("--back", help="Return to the model that was in place before.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Check and compare; change nothing.")] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option(metavar="NUMBER", help="Accept that this number is worse; needs --because."),
    ] = None,
    because: Annotated[
        str | None, typer.Option(metavar="REASON", help="Why; it is kept in the model's card.")
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option(help="MLflow store; MLFLOW_TRACKING_URI, or sqlite:///runs/mlflow.db by default."),
    ] = None,
) -> None:
    """Install a registered version after its checks have passed.

    Checks: digest, reference outputs, parity with the trained weights, and an evaluation on the same
    patients in which no number is worse by more than its margin, unless accepted with a reason. The
    previous model is kept; --back restores it.

    \b
    Example: cvai models promote sax 3
    And back: cvai models promote sax --back
    """
    if bool(accept) != bool(because):
        raise typer.BadParameter("a number that is accepted needs a reason", param_hint="--accept, --because")
    if back == (version is not None):
        raise typer.BadParameter("give either a version or --back", param_hint="VERSION")
    if version is None:
        card = load_card(bring_back(models_folder(), name))
        typer.echo(f"{name} {card.version} ({card.sha256[:12]}) is in place again.")
    else:
        accepted = dict.fromkeys(accept or (), because or "")
        _promote(name, version, registry, accepted, only_check=check)


def _promote(
    name: str, version: int, registry: str | None, accepted: Mapping[str, str], *, only_check: bool
) -> None:
    from cvai.training.promotion.promote import checked_candidate, put_in_place
    from cvai.training.promotion.registry import tracking_store

    store = tracking_store(registry)
    with tempfile.TemporaryDirectory() as draft:
        candidate = checked_candidate(store, models_folder(), name, version, Path(draft))
        _print(candidate)
        if only_check:
            return
        kept = put_in_place(candidate, models_folder(), accepted)
    typer.echo(f"{name} {candidate.card.version} ({candidate.card.sha256[:12]}) is in place.")
    if kept is not None:
        typer.echo(
            f"The model before is kept as {kept.name}; `cvai models promote {name} --back` returns to it."
        )
    if not (models_folder() / name / "MODEL_CARD.md").is_file():
        typer.echo("It has no MODEL_CARD.md yet: say what it is, how good, and for whom it is not.")


def _print(candidate: Candidate) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=_FILE_COLUMNS)
    console.print(
        f"Digest and reference outputs are those of the card; torch and ONNX Runtime differ by "
        f"{candidate.parity:.2g} at most.",
        highlight=False,
    )
    if not candidate.numbers:
        console.print("No model of this name is in place: nothing to compare with.", highlight=False)
        return
    table = Table("number", title="The candidate against the model in place", title_justify="left")
    for heading in ("in place", "candidate", "better by", "may be worse by", ""):
        table.add_column(heading, justify="right")
    for number in candidate.numbers:
        table.add_row(*_cells(number), style="bold red" if number.is_worse else None)
    console.print(table)


def _cells(number: Compared) -> tuple[str, ...]:
    form = ".3f" if number.margin < 0.1 and number.margin > 0 else ".1f"
    values = ("–" if v is None else f"{v:{form}}" for v in (number.before, number.after))
    gain = "–" if number.gain is None else f"{number.gain:+z{form}}"
    return (number.name, *values, gain, f"{number.margin:{form}}", "worse" if number.is_worse else "")
