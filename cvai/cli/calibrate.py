"""``cvai calibrate``: intervals that follow the difficulty of a patient, written into a model's card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def calibrate(
    *,
    model: Annotated[str, typer.Option(help="Name of an installed model, or a model folder.")] = "sax",
    split: Annotated[
        Path | None,
        typer.Option(help="Split whose validation patients are used; data/splits/acdc.toml by default."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the network.")] = 2,
) -> None:
    """Write intervals that follow a patient's difficulty into a short-axis model's card.

    The card must have intervals already (`cvai evaluate --calibrate` or `cvai pool --calibrate`); they hold
    where the model shows no doubt. The split's validation patients must be unseen by the model.

    \b
    Example: CVAI_DATA=../shared/data cvai calibrate --model runs/sax/model
    """
    from cvai.errors import ConfigurationInvalid
    from cvai.models.card import load_card
    from cvai.models.folders import model_folder
    from cvai.training.core.spec import Asked
    from cvai.training.evaluation.calibrate import write_calibration
    from cvai.training.tasks.registry import task_of_card

    folder = model_folder(model)
    card = load_card(folder)
    if card.uncertainty is None:
        raise ConfigurationInvalid(
            "uncertainty_missing",
            f"The card of {card.name} {card.version} has no intervals.",
            "Run `cvai evaluate --calibrate` or `cvai pool --calibrate` first.",
        )
    plan = task_of_card(card).evaluation
    if plan.learn is None:
        raise typer.BadParameter("not for models of this kind", param_hint="--model")
    found = plan.learn(folder, Asked(plan.datasets[0], split=split, threads=threads))
    write_calibration(folder, card.uncertainty.model_copy(update={"adaptive": found}))
    for name, factor in found.factors.items():
        typer.echo(f"{name}: {factor:.2f} times the difficulty")
