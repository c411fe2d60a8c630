"""``cvai dataset``: what readers have signed, for training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from cvai.analyses.registry import ANALYSES, AnySpec
from cvai.audit.messages import Act, AuditEvent, open_audit_trail, user_of_system
from cvai.cli.options import Config
from cvai.cli.page import GIGABYTE
from cvai.errors import ConfigurationInvalid, CvaiError
from cvai.jobs.ledger import Ledger, open_ledger
from cvai.review.database import Database
from cvai.review.dataset import ReviewedStudy, to_be_exported, write_dataset
from cvai.review.decisions import Decision, Decisions
from cvai.review.server import CINES_NAME, DATABASE_NAME
from cvai.review.viewers.cine import CineCache
from cvai.service import open_archive
from cvai.settings import Settings, load_settings

dataset_app = typer.Typer(help="Export signed results as a data set for training.", no_args_is_help=True)


@dataset_app.callback()
def _group() -> None:
    """Keeps ``export`` a command of its own."""


@dataset_app.command("export")
def export_dataset(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the data set.")],
    config: Config = None,
    kind: Annotated[
        str | None, typer.Option(help="Kind of analysis; without it the first that has labels.")
    ] = None,
) -> None:
    """Write reviewed studies as NIfTI pairs with a manifest, without patient data.

    Contains accepted and changed studies with the signed contours, no
    rejected ones. Studies whose images the archive does not return are
    reported and left out.

    \b
    Example: cvai dataset export reviewed/ --config service.toml
    """
    settings, spec = load_settings(config), _exported(kind)
    archive, _ = open_archive(settings)
    cines = CineCache(archive, settings.data_folder / CINES_NAME, int(settings.review.cache_gb * GIGABYTE))
    with ExitStack() as stack:
        ledger = stack.enter_context(open_ledger(settings.jobs_database_url))
        database = Database(settings.data_folder / DATABASE_NAME)
        stack.callback(database.close)
        held = to_be_exported(Decisions(database).all(), spec)
        studies = _studies(held, ledger, cines, settings)
        typer.echo(f"{write_dataset(out, studies, spec)} studies in {out}")


def _exported(kind: str | None) -> AnySpec:
    for spec in ANALYSES:
        if spec.labels and kind in (None, spec.kind):
            return spec
    raise ConfigurationInvalid(
        "dataset_unknown",
        f"No analysis {kind} has labels for a data set.",
        f"Choose one of {', '.join(spec.kind for spec in ANALYSES if spec.labels)}.",
    )


def _studies(
    held: Iterable[Decision], ledger: Ledger, cines: CineCache, settings: Settings
) -> Iterator[ReviewedStudy]:
    """One after the other: a cache that is bounded need not hold all of them."""
    record = open_audit_trail(settings).record
    for decision in held:
        job = decision.reading.job
        try:
            pack = cines.pack(ledger.job(job.job_id))
        except CvaiError as error:
            typer.echo(f"left out: study {job.study_uid}: {error}", err=True)
            continue
        record(AuditEvent(Act.EXPORTED, user_of_system(), job.study_uid, detail="dataset"))
        yield ReviewedStudy(decision, pack)
