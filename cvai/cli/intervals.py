"""``cvai intervals``: intervals of the model beside those that the site's own studies give."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cvai.cli import exits
from cvai.cli.options import AsJson, Config
from cvai.domain.shares import Share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cvai.acceptance.cases import Cases
    from cvai.acceptance.table import ReferenceTable
    from cvai.models.card import ModelCard
    from cvai.models.site_intervals import Held, SiteIntervals, SiteNumber
    from cvai.review.decisions import Decision
    from cvai.settings import Settings

_WIDTH = 130


def intervals(
    *,
    reference: Annotated[
        Path | None,
        typer.Option(help="CSV of values made without cvai: study_uid, and measurements by name."),
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only what was signed from this day on.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the file that site_intervals may name.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show intervals of the model beside those that the site's own studies give.

    What readers have signed on the page is compared with what the installed models had measured, of the
    service that --config names. Readers begin with the model's contours, so these studies only widen
    intervals; with --reference only signed studies of that table count, with its values, and intervals may
    become narrower, too. From 50 studies on a number is recalibrated. Nothing is used before the setting
    site_intervals names the file, and nothing after another model is installed.

    Exit status: 0 a number was recalibrated, 4 none (too few studies), 1 failed, 2 usage.

    \b
    Example: cvai intervals --config service.toml --out intervals.json
             cvai intervals --config service.toml --reference values.csv --out intervals.json
    """
    from cvai import __version__
    from cvai.acceptance.intervals import site_model, with_table
    from cvai.acceptance.table import read_table
    from cvai.models.site_intervals import SiteIntervals, write_site_intervals
    from cvai.settings import load_settings

    settings = load_settings(config)
    table = None if reference is None else _by_study(read_table(reference), reference)
    compared = [
        (cases if table is None else with_table(cases, table), card)
        for cases, card in _signed(settings, None if since is None else since.date())
    ]
    made = SiteIntervals(
        at=datetime.now(UTC),
        cvai_version=__version__,
        reference="what readers signed on the page" if reference is None else f"table {reference.name}",
        independent=reference is not None,
        confidence=0.9,
        models=tuple(site_model(cases, card, independent=table is not None) for cases, card in compared),
    )
    if out is not None:
        write_site_intervals(out, made)
    if as_json:
        typer.echo(made.text(), nl=False)
    else:
        _print(made, out)
    if not any(made.of_model(model.sha256) for model in made.models):
        raise typer.Exit(exits.UNDECIDED)


def _by_study(table: ReferenceTable, path: Path) -> ReferenceTable:
    if table.keyword != "StudyInstanceUID":
        raise typer.BadParameter(f"{path.name} has no column study_uid", param_hint="--reference")
    return table


def _signed(settings: Settings, since: date | None) -> list[tuple[Cases, ModelCard]]:
    """Signed studies of each installed model with intervals; the look at them is audited."""
    from cvai.acceptance.signed import signed_cases
    from cvai.audit.messages import Act, AuditEvent, open_audit_trail, user_of_system

    decisions = _decisions(settings)
    found = []
    for kind, card in _cards(settings):
        of_model = [d for d in decisions if d.reading.model.sha256 == card.sha256]
        found.append((signed_cases(of_model, (), kind, since), card))
    seen = tuple(dict.fromkeys(case.study_uid for cases, _ in found for case in cases.cases))
    event = AuditEvent(Act.LISTED, user_of_system(), detail="intervals", listed=seen)
    open_audit_trail(settings).record(event)
    return found


def _decisions(settings: Settings) -> Sequence[Decision]:
    from cvai.review.database import Database
    from cvai.review.decisions import Decisions
    from cvai.review.server import DATABASE_NAME

    database = Database(settings.data_folder / DATABASE_NAME)
    try:
        return Decisions(database).all()
    finally:
        database.close()


def _cards(settings: Settings) -> list[tuple[str, ModelCard]]:
    """Installed models that state intervals, by kind of analysis."""
    from cvai.analyses.registry import model_names
    from cvai.models.card import load_card
    from cvai.models.folders import installed_models, model_folder

    installed = {*installed_models(), settings.model}
    names = {kind: name for kind, name in model_names([settings.model]).items() if name in installed}
    cards = [(kind, load_card(model_folder(name))) for kind, name in names.items() if name is not None]
    return [(kind, card) for kind, card in cards if card.uncertainty is not None]


def _print(made: SiteIntervals, out: Path | None) -> None:
    console = Console(width=max(Console().width, _WIDTH), highlight=False)
    how = "made without cvai" if made.independent else "beside the model's contours: intervals only widen"
    console.print(f"Reference: {made.reference}, {how}.")
    for model in made.models:
        shown = Table(
            *("number", "studies", "model: ±", "holds", "site: ±", "holds", "factor"),
            title=f"{model.kind}, {model.name} {model.version}, 90 % intervals",
            title_justify="left",
            box=None,
        )
        for name, number in model.numbers.items():
            shown.add_row(*_cells(name, number))
        console.print(shown if model.numbers else f"{model.kind}, {model.name} {model.version}: no study")
    if out is not None:
        console.print(f"{out}: used where the setting site_intervals names it.")


def _cells(name: str, number: SiteNumber) -> tuple[str, ...]:
    from cvai.models.site_intervals import FEWEST_STUDIES

    own_stays = f"the model's own: {FEWEST_STUDIES} needed"
    factor = own_stays if number.factor is None else f"{number.factor:.3f}"
    own, site = (_held(each, number.studies) for each in (number.own, number.site))
    return f"{name}, {number.unit}", str(number.studies), *own, *site, factor


def _held(interval: Held | None, studies: int) -> tuple[str, str]:
    """Median half-width, and the share of studies that it holds with its 95 % interval."""
    if interval is None:
        return "–", "–"
    low, high = (round(100 * bound) for bound in Share(interval.held, studies).interval or (0.0, 1.0))
    held = f"{interval.held}/{studies} ({low} to {high} %)"
    return f"{interval.median_half_width:.1f}", held
