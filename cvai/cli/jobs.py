"""``cvai jobs``: what became of every analysis of every study."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cvai.cli.options import AsJson, Config
from cvai.errors import ConfigurationInvalid
from cvai.jobs.job import JobState

if TYPE_CHECKING:
    from cvai.domain.series_choice import SeriesChoice
    from cvai.jobs.ledger import JobRecord, Ledger
    from cvai.settings import Settings

WIDTH = 160

COLOURS = {
    JobState.ANALYSED: "green",
    JobState.REFUSED: "yellow",
    JobState.WITHHELD: "yellow",
    JobState.CANCELED: "yellow",
    JobState.FAILED: "red",
    JobState.DEAD_LETTER: "red",
    JobState.SUPERSEDED: "dim",
    JobState.NOTHING_TO_DO: "dim",
}

JOB_HELP = "Id of a job, or a StudyInstanceUID: the newest job of each analysis of that study."
Name = Annotated[str, typer.Argument(metavar="JOB", help=JOB_HELP)]
OptionalName = Annotated[str | None, typer.Argument(metavar="JOB", help=JOB_HELP)]
Code = Annotated[str | None, typer.Option(metavar="CODE", help="Only jobs that ended with this code.")]

jobs_app = typer.Typer(help="List, show and retry jobs.", no_args_is_help=True)


@jobs_app.command("list")
def list_jobs(
    config: Config = None,
    state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
    code: Code = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first.

    \b
    Example: cvai jobs list --state refused
    """
    _, opened = _ledger(config)
    with opened as ledger:
        records = ledger.jobs(state, limit, code)
    if as_json:
        typer.echo(json.dumps([as_values(record) for record in records], indent=1))
    else:
        wide_console().print(_table(records))


@jobs_app.command("show")
def show_job(job: Name, config: Config = None, as_json: AsJson = False) -> None:
    """Show the state of a job, the reason, and the path of its results; for a study, all its jobs.

    JSON is one object for a job, and a list for a study.
    """
    settings, opened = _ledger(config)
    with opened as ledger:
        records = ledger.named(job)
    shown = [as_values(record) for record in records]
    for values in shown:
        if values["result"]:
            values["result"] = str(settings.results_folder / values["result"])
    if as_json:
        _print_json(job, records, shown)
    else:
        for values in shown:
            wide_console().print(_details(values))


@jobs_app.command("retry")
def retry_job(
    job: OptionalName = None,
    *,
    code: Code = None,
    missing_results: Annotated[
        bool, typer.Option("--missing-results", help="Jobs whose results are not in data_folder.")
    ] = False,
    series: Annotated[
        str | None,
        typer.Option(metavar="UID", help="Measure this series of the study of JOB instead, as a new job."),
    ] = None,
    loop: Annotated[
        str | None,
        typer.Option(metavar="UID", help="With --series: this loop or run of it, by its SOPInstanceUID."),
    ] = None,
    frame: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="With --loop: this frame of an angiography run, from 1."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who chose the series; default the user of the system."),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Queue a job that has ended again; for a study, all its jobs that have ended.

    With --code, every job that ended with it.

    \b
    Example: cvai jobs retry 1.2.826.0.1.3680043.8.498.1
             cvai jobs retry --code archive_unreachable
             cvai jobs retry --missing-results
             cvai jobs retry JOB --series 1.2.826.0.1.3680043.8.498.7
             cvai jobs retry JOB --series 1.2.826.0.1.3680043.8.498.8 --loop 1.2.826.0.1.3680043.8.498.9
             cvai jobs retry JOB --series 1.2.826.0.1.498.8 --loop 1.2.826.0.1.498.9 --frame 31
    """
    if series is not None and job is None:
        raise typer.BadParameter("--series needs JOB")
    if loop is not None and series is None:
        raise typer.BadParameter("--loop needs --series")
    if frame is not None and loop is None:
        raise typer.BadParameter("--frame needs --loop")
    if sum((job is not None, code is not None, missing_results)) != 1:
        raise typer.BadParameter("name one of JOB, --code and --missing-results")
    settings, opened = _ledger(config)
    with opened as ledger:
        if job is not None and series is not None:
            choice = _choice_of(series, loop, frame, by or getuser())
            records: tuple[JobRecord, ...] = (_chosen(ledger, job, choice),)
        elif job is not None:
            records = ledger.retry(job)
        elif code is not None:
            records = ledger.retry_all(code)
        else:
            records = ledger.retry_without_files(settings.results_folder)
    if not as_json:
        for record in records:
            typer.echo(f"queued {record.job.job_id}")
    else:
        _print_json(job, records, [as_values(record) for record in records])


def _choice_of(series_uid: str, loop_uid: str | None, frame: int | None, by: str) -> SeriesChoice:
    """What the options name; ``frame`` is counted from 1."""
    from cvai.domain.series_choice import SeriesChoice

    return SeriesChoice(
        series_uid,
        by,
        datetime.now(UTC).replace(microsecond=0),
        loops=() if loop_uid is None or frame is not None else (loop_uid,),
        frames=() if loop_uid is None or frame is None else ((loop_uid, frame - 1),),
    )


def _chosen(ledger: Ledger, job: str, choice: SeriesChoice) -> JobRecord:
    """The new job of what was chosen.

    Raises:
        ConfigurationInvalid: there is no such job, or its analysis measures nothing chosen of this kind;
            ``job_not_ended``.
    """
    from cvai.analyses.registry import ANALYSES

    what = "frame" if choice.frames else "loop" if choice.loops else "series"
    takes_choice = {s.kind for s in ANALYSES if s.choosable is not None and s.choosable.what == what}
    found = [record for record in ledger.named(job) if record.job.kind in takes_choice]
    if not found:
        raise ConfigurationInvalid(
            "no_series_to_choose",
            f"this analysis measures no chosen {what}.",
            f"Name a job of {', '.join(sorted(takes_choice))}.",
        )
    if found[0].ended_at is None:
        raise ConfigurationInvalid("job_not_ended", "the job has not ended.", "Wait for its end.")
    return ledger.job(ledger.choose(found[0].job, choice.after(found[0].job.choice)).job_id)


def _print_json(name: str | None, records: Sequence[JobRecord], values: Sequence[dict[str, Any]]) -> None:
    """One object where a job was named, a list where a study was or nothing."""
    is_job = [record.job.job_id for record in records] == [name]
    typer.echo(json.dumps(values[0] if is_job else values, indent=1))


def _ledger(config: Path | None) -> tuple[Settings, AbstractContextManager[Ledger]]:
    """The jobs that the settings name; imported here, since a help page needs no database."""
    from cvai.jobs.ledger import open_ledger
    from cvai.settings import load_settings

    settings = load_settings(config)
    return settings, open_ledger(settings.jobs_database_url)


def as_values(record: JobRecord) -> dict[str, Any]:
    """A job as JSON values."""
    return {
        "job": record.job.job_id,
        "study_uid": record.job.study_uid,
        "kind": record.job.kind,
        "digest": record.job.digest,
        "model_sha256": record.job.model_sha256,
        "queued_at": record.queued_at.isoformat(),
        "ended_at": None if record.ended_at is None else record.ended_at.isoformat(),
        "worker": record.worker,
        "attempts": record.attempts,
        **record.outcome.to_json(),
    }


def wide_console() -> Console:
    """Wide enough that no UID is cut, also where the output is piped: they are there to be copied."""
    return Console(width=max(Console().width, WIDTH), highlight=False)


def _table(records: tuple[JobRecord, ...]) -> Table:
    table = Table("state", "queued (UTC)", "seconds", "analysis", "why", "study", box=None)
    for record in records:
        state = record.outcome.state
        table.add_row(
            f"[{COLOURS.get(state, 'default')}]{state}[/]",
            f"{record.queued_at:%Y-%m-%d %H:%M:%S}",
            _seconds(record),
            record.job.kind,
            record.outcome.code,
            record.job.study_uid,
        )
    return table


def _seconds(record: JobRecord) -> str:
    if record.ended_at is None:
        return ""
    return f"{(record.ended_at - record.queued_at).total_seconds():.0f}"


def _details(values: dict[str, Any]) -> Table:
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    objects = "\n".join(f"{item['kind']}  {item['sop_instance_uid']}" for item in values["objects"])
    for name, value in {**values, "objects": objects}.items():
        if value not in ("", None, ()):
            table.add_row(f"[bold]{name}[/]", str(value))
    return table
