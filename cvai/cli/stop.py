"""``cvai models stop`` and ``resume``: results of an analysis are withheld, and delivered again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cvai.analyses.registry import ANALYSES
from cvai.cli.options import Config
from cvai.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from cvai.audit.messages import Act
    from cvai.jobs.stops import Stops
    from cvai.settings import Settings

Name = Annotated[str, typer.Argument(help="Name of a model, such as sax, or kind of an analysis.")]


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise typer.BadParameter("a reason is one printable line")
    return text


Reason = Annotated[
    str, typer.Option(callback=_one_line, help="Why, in one line without patient data; readers see it.")
]


def stop(name: Name, reason: Reason, config: Config = None) -> None:
    """Withhold the results of an analysis from now on, with whichever model it runs.

    Studies are still analysed and recorded; nothing is stored in the archive or sent, and the page shows the
    reason in the place of numbers. What was delivered before stays. Decisions of readers are still stored.

    \b
    Example: cvai models stop sax --reason "bias after the scanner's upgrade"
    """
    from cvai.audit.messages import Act, user_of_system
    from cvai.jobs.stops import Stop

    kind, made = _kind(name), Stop(reason, user_of_system(), datetime.now(UTC))
    with _stops(config) as (settings, stops):
        _audit(settings, Act.ANALYSIS_STOPPED, f"{kind}: {reason}")
        stops.stop(kind, made)
    typer.echo(f"{kind} is stopped: its results are withheld until `cvai models resume {name}`.")


def resume(
    name: Name,
    reason: Reason,
    config: Config = None,
    *,
    release: Annotated[
        bool, typer.Option("--release", help="Queue the studies that were withheld, to be delivered.")
    ] = False,
) -> None:
    """Deliver the results of an analysis again.

    With --release, studies that were withheld are analysed again, with the model installed now, and
    delivered. Without it they stay withheld, and the command says how many there are.

    \b
    Example: cvai models resume sax --reason "model 0.5.1 is in place" --release
    """
    from cvai.audit.messages import Act
    from cvai.jobs.job import JobState
    from cvai.jobs.ledger import open_ledger
    from cvai.jobs.stops import STOPPED_CODE

    kind = _kind(name)
    with _stops(config) as (settings, stops):
        if stops.of(kind) is None:
            raise ConfigurationInvalid(
                "analysis_not_stopped",
                f"{kind} is not stopped.",
                f"`cvai jobs retry --code {STOPPED_CODE}` delivers what was withheld before.",
            )
        what = "withheld results are released" if release else "withheld results stay withheld"
        _audit(settings, Act.ANALYSIS_RESUMED, f"{kind}: {reason}; {what}")
        stops.resume(kind)
        with open_ledger(settings.jobs_database_url) as ledger:
            withheld = [r.job.job_id for r in ledger.jobs(JobState.WITHHELD) if r.job.kind == kind]
            for job_id in reversed(withheld) if release else ():
                ledger.retry(job_id)
    said = "queued again" if release else f"left; `cvai jobs retry --code {STOPPED_CODE}` delivers them"
    typer.echo(f"{kind} delivers results again. Studies that were withheld: {len(withheld)}, {said}.")


def _kind(name: str) -> str:
    for spec in ANALYSES:
        if name in (spec.kind, spec.model):
            return spec.kind
    known = ", ".join(spec.kind for spec in ANALYSES)
    raise ConfigurationInvalid(
        "analysis_unknown", f"There is no analysis or model {name!r}.", f"Choose one of {known}."
    )


@contextmanager
def _stops(config: Config) -> Iterator[tuple[Settings, Stops]]:
    from cvai.jobs.database import open_database
    from cvai.jobs.ledger import open_ledger
    from cvai.jobs.stops import Stops
    from cvai.settings import load_settings

    settings = load_settings(config)
    with open_ledger(settings.jobs_database_url):
        pass  # a database that no service uses stops nothing
    database = open_database(settings.jobs_database_url)
    try:
        yield settings, Stops(database)
    finally:
        database.dispose()


def _audit(settings: Settings, act: Act, detail: str) -> None:
    from cvai.audit.messages import AuditEvent, open_audit_trail, user_of_system

    open_audit_trail(settings).record(AuditEvent(act, user_of_system(), detail=detail))
