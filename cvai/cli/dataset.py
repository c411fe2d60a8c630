"""``cvai dataset``: what readers have signed, for training."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cvai.analyses.registry import ANALYSES, AnySpec
from cvai.audit.messages import Act, AuditEvent, open_audit_trail, user_of_system
from cvai.cli.options import AsJson, Config
from cvai.cli.page import GIGABYTE
from cvai.errors import ConfigurationInvalid, CvaiError
from cvai.jobs.ledger import Ledger, open_ledger
from cvai.review.database import Database
from cvai.review.dataset import ReviewedStudy, learning_json, to_be_exported, write_dataset
from cvai.review.decisions import Decision, Decisions
from cvai.review.learning import learning_from
from cvai.review.server import CINES_NAME, DATABASE_NAME
from cvai.review.viewers.cine import CineCache
from cvai.service import open_archive
from cvai.settings import Settings, load_settings

dataset_app = typer.Typer(
    help="Export and rank signed results as a data set for training.", no_args_is_help=True
)


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
    with _reviewed(settings, spec, Act.EXPORTED) as studies:
        typer.echo(f"{write_dataset(out, studies, spec)} studies in {out}")


@dataset_app.command("rank")
def rank_dataset(
    config: Config = None,
    kind: Annotated[
        str | None, typer.Option(help="Kind of analysis; without it the first that has labels.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List reviewed studies, those first that a model would learn most from.

    The score is 1 - Dice of the model's and the signed contours, times 1 plus
    how far the main measurement moved in half-widths of the model's interval,
    3 at most: corrections of what the model was sure of come first.

    \b
    Example: cvai dataset rank --json --config service.toml
    """
    settings, spec = load_settings(config), _exported(kind)
    with _reviewed(settings, spec, Act.SEEN) as studies:
        found = [
            {
                "study_uid": study.decision.reading.job.study_uid,
                "patient": study.patient,
                "verdict": str(study.decision.reading.verdict),
                **learning_json(learning_from(study.decision, study.pack, spec)),
            }
            for study in studies
        ]
    found.sort(key=lambda entry: -float(entry["score"] or 0.0))
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    typer.echo("score   Dice    moved  study")
    for entry in found:
        moved = "-" if entry["moved"] is None else f"{entry['moved']:.2f}"
        typer.echo(f"{entry['score']:.4f}  {entry['dice']:.4f}  {moved:>5}  {entry['study_uid']}")


@contextmanager
def _reviewed(settings: Settings, spec: AnySpec, act: Act) -> Iterator[Iterator[ReviewedStudy]]:
    """The signed studies of an analysis with their images."""
    archive, _ = open_archive(settings)
    cines = CineCache(archive, settings.data_folder / CINES_NAME, int(settings.review.cache_gb * GIGABYTE))
    with ExitStack() as stack:
        ledger = stack.enter_context(open_ledger(settings.jobs_database_url))
        database = Database(settings.data_folder / DATABASE_NAME)
        stack.callback(database.close)
        held = to_be_exported(Decisions(database).all(), spec)
        yield _studies(held, ledger, cines, settings, act)


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
    held: Iterable[Decision], ledger: Ledger, cines: CineCache, settings: Settings, act: Act
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
        record(AuditEvent(act, user_of_system(), job.study_uid, detail="dataset"))
        yield ReviewedStudy(decision, pack)
