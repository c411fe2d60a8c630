"""``cvai acceptance``: a site's own acceptance test, with a verdict."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cvai.cli import exits
from cvai.cli.options import Config

if TYPE_CHECKING:
    from cvai.acceptance.bounds import Bounds
    from cvai.acceptance.cases import Cases
    from cvai.acceptance.record import Acceptance

RECORD_NAME, REPORT_NAME = "acceptance.json", "acceptance.pdf"
_WIDTH = 150


def acceptance(
    *,
    studies: Annotated[
        Path | None,
        typer.Argument(metavar="STUDIES", help="Folder, zip or tar of studies, which --reference is about."),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="CSV of the site's values: study_uid or accession_number, and measurements by name."
        ),
    ] = None,
    bounds: Annotated[Path, typer.Option(help="TOML of bounds, see configs/acceptance.example.toml.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for acceptance.json and acceptance.pdf.")],
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only what was signed from this day on.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Name or folder of a model in the place of the installed one.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the network.")] = 2,
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print acceptance.json.")] = False,
) -> None:
    """Compare cvai with a site's own values, and judge by bounds that were set beforehand.

    Without STUDIES, what readers have signed on the page is compared with what cvai measured, of the service
    that --config names. With STUDIES and --reference, the studies of the table are analysed here.

    Exit status: 0 accepted, 3 not accepted, 4 undecided (too few studies), 1 failed, 2 usage.

    \b
    Example: cvai acceptance --bounds bounds.toml --out acceptance --config service.toml
             cvai acceptance studies/ --reference values.csv --bounds bounds.toml --out acceptance
    """
    from cvai.acceptance.bounds import load_bounds
    from cvai.acceptance.judge import Outcome
    from cvai.acceptance.record import accepted_or_not

    if (studies is None) is not (reference is None):
        raise typer.BadParameter("STUDIES and --reference go together", param_hint="STUDIES, --reference")
    limits, sha256 = load_bounds(bounds)
    if studies is None or reference is None:
        cases, origin = _signed(config, limits, since), "what readers signed on the page"
    else:
        cases, origin = _analysed(studies, reference, limits, model, threads), f"table {reference.name}"
    test = accepted_or_not(cases, limits, bounds_sha256=sha256, reference=origin, at=datetime.now(UTC))
    record = json.dumps(test.to_json(), indent=1, allow_nan=False) + "\n"
    _write(out, test, record)
    if as_json:
        typer.echo(record, nl=False)
    else:
        _print(test, out)
    if code := {Outcome.MISSED: exits.REFUSED, Outcome.UNDECIDED: exits.UNDECIDED}.get(test.outcome):
        raise typer.Exit(code)


def _signed(config: Path | None, bounds: Bounds, since: datetime | None) -> tuple[Cases, ...]:
    from cvai.acceptance.signed import refused_jobs, signed_cases
    from cvai.audit.messages import Act, AuditEvent, open_audit_trail, user_of_system
    from cvai.jobs.ledger import open_ledger
    from cvai.review.database import Database
    from cvai.review.decisions import Decisions
    from cvai.review.server import DATABASE_NAME
    from cvai.settings import load_settings

    settings = load_settings(config)
    with ExitStack() as stack:
        ledger = stack.enter_context(open_ledger(settings.jobs_database_url))
        database = Database(settings.data_folder / DATABASE_NAME)
        stack.callback(database.close)
        decisions, refused = Decisions(database).all(), tuple(refused_jobs(ledger, settings.results_folder))
    day = None if since is None else since.date()
    made = tuple(signed_cases(decisions, refused, kind, day) for kind in bounds.analyses)
    seen = tuple(dict.fromkeys(case.study_uid for cases in made for case in cases.cases))
    event = AuditEvent(Act.LISTED, user_of_system(), detail="acceptance", listed=seen)
    open_audit_trail(settings).record(event)
    return made


def _analysed(
    studies: Path, reference: Path, bounds: Bounds, model: str | None, threads: int
) -> tuple[Cases, ...]:
    from cvai.acceptance.analysed import analysed_cases
    from cvai.acceptance.table import read_table
    from cvai.analyses.registry import ready_analyses
    from cvai.ops.logs import log_to_stderr

    log_to_stderr()
    table = read_table(reference)
    ready = [r for r in ready_analyses([model] if model else [], threads) if r.spec.kind in bounds.analyses]
    with Console(stderr=True).status("analysing") as status:
        return analysed_cases(studies, table, ready, lambda uid: status.update(f"analysing {uid}"))


def _write(out: Path, test: Acceptance, record: str) -> None:
    from cvai.acceptance.report import report_pdf
    from cvai.files import private_folder, write_whole

    private_folder(out)
    write_whole(out / RECORD_NAME, record.encode())
    write_whole(out / REPORT_NAME, report_pdf(test))


def _print(test: Acceptance, out: Path) -> None:
    from rich.table import Table

    from cvai.acceptance.record import VERDICTS
    from cvai.acceptance.tables import tables

    console = Console(width=max(Console().width, _WIDTH), highlight=False)
    for result in test.results:
        title = f"{result.kind}, {result.model or 'no model'}: {result.all.n} studies"
        console.print(f"[bold]{title}: {VERDICTS[result.outcome]}[/]")
        for note in result.notes:
            console.print(f"  {note}")
        for each in tables(result):
            shown = Table(*each.header, title=each.title, title_justify="left", box=None)
            for row in each.rows:
                shown.add_row(*row)
            console.print(shown)
    console.print(f"[bold]{VERDICTS[test.outcome]}[/]  {out / REPORT_NAME}")
