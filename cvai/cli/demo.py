"""``cvai demo``: a synthetic study goes through a running service, and the result meets the truth."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cvai.cli.page import session_limits
from cvai.cli.phantom import MODALITIES, Imaging, Modality, Truth, write_study
from cvai.errors import ConfigurationInvalid, CvaiError, TemporarilyUnavailable
from cvai.jobs.job import JobState, jobs_digest
from cvai.jobs.ledger import JobRecord, open_ledger
from cvai.jobs.result_file import read_result
from cvai.models.card import load_card
from cvai.models.echo import installed_echo_folder
from cvai.models.folders import installed_models, model_folder
from cvai.phantom.cine_sax.study import DICOM_FOLDER
from cvai.phantom.echo_apical.phantom import EchoTruth
from cvai.phantom.late_enhancement.phantom import EnhancementTruth
from cvai.phantom.parameters import PhantomHeart
from cvai.review.database import Database
from cvai.review.server import DATABASE_NAME
from cvai.review.sign_in.accounts import Accounts, Role
from cvai.settings import FolderSettings, ReviewSettings, Settings

LARGEST_ERROR = 5.0
"""Points by which the ejection fraction, the infarct or the stenosis may differ from the true one."""

PATIENCE_S = 600.0
"""How long the demonstration waits for its study to be analysed."""

SETTLE_S = 1.0
LOOK_EVERY_S = 0.2
STOP_WITHIN_S = 60.0
USUAL_PAGE_PORT = 8043
DEMO_READER = "demo"
UNDER_WAY = (JobState.QUEUED, JobState.RUNNING)
DECISIVE = {
    "lv_ef": "ejection fraction",
    "infarct_share": "infarct's share of the myocardium",
    "max_stenosis": "largest stenosis",
}
"""Measurements, one of each result, by which it is judged."""


@dataclass(frozen=True, slots=True)
class Demo:
    """One demonstration; everything it makes lies below ``root``.

    Args:
        root: folder of the demonstration.
        model: name or folder of the model.
        console: where progress and results are shown.
        page_port: where the reader's page listens on this machine.
    """

    root: Path
    model: str
    console: Console
    page_port: int

    @property
    def settings(self) -> Settings:
        """The service's settings; nothing of the environment reaches them."""
        data = self.root.absolute() / "data"
        return Settings(
            data_folder=data,
            archive="folder",
            folder=FolderSettings(settle_s=SETTLE_S),
            review=ReviewSettings(address=f"127.0.0.1:{self.page_port}"),
            database_url=None,
        )

    @property
    def log(self) -> Path:
        """The service's log."""
        return self.root / "service.log"

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Show that something is being done, then how long it took."""
        started_s = time.monotonic()
        with self.console.status(what):
            yield
        self.console.print(f"[green]✓[/] {what}  [dim]{time.monotonic() - started_s:.1f} s[/]")

    @contextmanager
    def service(self) -> Iterator[subprocess.Popen[bytes]]:
        """A `cvai serve` of its own, stopped at the end."""
        config = self.root / "service.toml"
        config.write_text(_service_toml(self.settings, self.model), encoding="utf-8")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CVAI_") or k == "CVAI_MODELS"}
        command = [sys.executable, "-m", "cvai", "serve", "--config", str(config)]
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: S603 - ours
        try:
            yield process
        finally:
            _stop(process)


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Stop the service and exit when done.")] = False,
    folder: Annotated[Path, typer.Option(help="Where everything goes.")] = Path("demo"),
    ef: Annotated[float, typer.Option(help="True LV ejection fraction in percent.")] = 55.0,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another patient.")] = 0,
    modality: Annotated[Modality, typer.Option(help=MODALITIES)] = Modality.MR,
    model: Annotated[str, typer.Option(help="Name of an installed model, or a model folder.")] = "sax",
) -> None:
    """Analyse a synthetic heart of known volumes with a running service.

    Makes a cine MR, late enhancement, ultrasound or angiography study, drops it into the inbox of a cvai
    serve on the embedded archive, waits until SEG, SR and PDF are in the study, and
    compares the measurements with the truth.

    Exit status: 0 the ejection fraction (infarct, stenosis) is right to 5 points, 1 it is not,
    or something failed.

    \b
    Example: cvai demo --once
    """
    console = Console()
    begun = datetime.now(UTC)
    models = _models_at_work(model)
    show = Demo(folder, model, console, _page_port())
    with show.step("a synthetic heart of known volumes is imaged"):
        truth = _imaged(folder / "phantom", PhantomHeart.drawn(seed, ef), Imaging(modality, seed))
    token = _new_token(show.settings)
    with show.service() as service:
        _deliver(folder / "phantom" / DICOM_FOLDER, show.settings.inbox_folder)
        with show.step("cvai serve takes the study in, analyses it and stores the results"):
            records = _wait_for_jobs(show, service, truth.study_uid, models)
        if records[0].queued_at < begun:
            console.print(f"[dim]An earlier demonstration analysed it; delete {folder} to see it again.[/]")
        shown = [_show_result(show, part, records) for part in _parts(truth)]
        _show_page(show, records, "" if once else token)
        if not once:
            _keep_serving(show, service)
    if not all(shown):
        raise typer.Exit(1)


def _imaged(folder: Path, heart: PhantomHeart, imaging: Imaging) -> Truth:
    """The study in ``folder``, which holds none of the other modality from an earlier demonstration."""
    shutil.rmtree(folder / DICOM_FOLDER, ignore_errors=True)
    return write_study(folder, heart, imaging)


def _parts(truth: Truth) -> tuple[Truth, ...]:
    """What is true of each result that the study should get."""
    return (truth.cine, truth) if isinstance(truth, EnhancementTruth) else (truth,)


def _service_toml(settings: Settings, model: str) -> str:
    """Settings of the service; JSON strings are TOML strings."""
    return (
        f"data_folder = {json.dumps(str(settings.data_folder))}\n"
        f"archive = {json.dumps(settings.archive)}\n"
        f"model = {json.dumps(model)}\n"
        f"poll_interval_s = {LOOK_EVERY_S}\n"
        "[folder]\n"
        f"settle_s = {settings.folder.settle_s}\n"
        "[review]\n"
        f"address = {json.dumps(settings.review.address)}\n"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _deliver(instances: Path, inbox: Path) -> None:
    """Copy a study into the inbox under a hidden name, then show it whole."""
    hidden = inbox / ".phantom"
    shutil.rmtree(hidden, ignore_errors=True)
    shutil.copytree(instances, hidden)
    hidden.rename(inbox / f"phantom-{time.time_ns()}")


def _wait_for_jobs(
    show: Demo, service: subprocess.Popen[bytes], study_uid: str, models: frozenset[str]
) -> tuple[JobRecord, ...]:
    """All jobs of this study by these models, once they have ended."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        if service.poll() is not None:
            raise _service_ended(show)
        records = _ended_jobs(show.settings.jobs_database_url, study_uid, models)
        if records:
            return records
        time.sleep(LOOK_EVERY_S)
    raise TemporarilyUnavailable(
        "demo_timed_out",
        f"The study was not analysed within {PATIENCE_S:.0f} s.",
        f"See {show.log} for what the service is doing.",
    )


def _service_ended(show: Demo) -> CvaiError:
    lines = show.log.read_text(encoding="utf-8", errors="replace").splitlines()
    last = lines[-1] if lines else "it wrote nothing"
    return ConfigurationInvalid(
        "demo_service_ended", f"cvai serve ended by itself: {last}", f"See {show.log} for all it said."
    )


def _models_at_work(model: str) -> frozenset[str]:
    """Model digests of the service's jobs.

    One of them is of all models: in the folder of an earlier demonstration a job of an older version may
    stand for the study.
    """
    chosen, echo = load_card(model_folder(model)), installed_echo_folder()
    former = [chosen.sha256, *([] if echo is None else [load_card(echo).sha256])]
    installed = [load_card(model_folder(name)) for name in installed_models()]
    others = [card.sha256 for card in installed if card.view != chosen.view]
    return frozenset([chosen.sha256, *others, jobs_digest(former)])


def _ended_jobs(database_url: str, study_uid: str, models: frozenset[str]) -> tuple[JobRecord, ...]:
    """The jobs of this study, oldest first, once all have ended; none before."""
    try:
        with open_ledger(database_url) as ledger:
            records = [record for record in ledger.of_study(study_uid) if record.job.model_sha256 in models]
    except ConfigurationInvalid as error:
        if error.code != "no_jobs_database":
            raise
        return ()
    if any(record.outcome.state in UNDER_WAY for record in records):
        return ()
    return tuple(sorted(records, key=lambda record: record.queued_at))


def _show_result(show: Demo, truth: Truth, records: Sequence[JobRecord]) -> bool:
    """Show what became of one result of the study; whether its decisive measurement is right."""
    true = truth.to_json()["measurements"]
    decisive = next(name for name in DECISIVE if name in true)
    for record in records:
        result_file = show.settings.results_folder / record.outcome.result
        result = read_result(result_file) if record.outcome.state is JobState.ANALYSED else {}
        measured = {m["name"]: m for m in result.get("measurements", ())}
        if decisive in measured:
            show.console.print(_comparison(true, measured))
            if isinstance(truth, EchoTruth):
                ef_percent = truth.continuous.ef_percent
                show.console.print(
                    f"True is what discs of one height give; {ef_percent:.1f} % of the blood are ejected."
                )
            _show_places(show, record, result_file)
            show.console.print(_timings(result["timings_ms"], record))
            return _verdict(show.console, decisive, measured[decisive]["value"] - true[decisive])
    show.console.print(f"[bold red]The {DECISIVE[decisive]} was not measured.[/]")
    for outcome in (record.outcome for record in records if record.outcome.code):
        show.console.print(f"{outcome.state} {outcome.code}: {outcome.message} {outcome.hint}")
    return False


def _comparison(true: dict[str, float], measured: dict[str, dict[str, Any]]) -> Table:
    table = Table(title="True and measured", title_justify="left")
    table.add_column("measurement")
    for column in ("true", "measured", "difference"):
        table.add_column(column, justify="right")
    for name, value in true.items():
        if name in measured:
            found, unit = measured[name]["value"], f" ({measured[name]['unit']})"
            table.add_row(name + unit, f"{value:.1f}", f"{found:.1f}", f"{found - value:+.1f}")
        else:
            table.add_row(name, f"{value:.1f}", "not given", "")
    return table


def _show_places(show: Demo, record: JobRecord, result_file: Path) -> None:
    """Where the results lie: DICOM objects in the study they belong to, files for people beside."""
    study = show.settings.archive_folder / record.job.study_uid
    objects = {stored.kind: f"{stored.sop_instance_uid}.dcm" for stored in record.outcome.objects}
    files = {name: name for name in (result_file.name, "report.pdf")}
    for title, folder, names in (
        ("In the study", study, objects),
        ("For people and programs", result_file.parent, files),
    ):
        show.console.print(f"[italic]{title}[/]  {_near(folder)}", highlight=False, soft_wrap=True)
        for kind, name in names.items():
            show.console.print(f"  {kind:<12}{name}", highlight=False, soft_wrap=True)


def _near(path: Path) -> str:
    """The path as seen from the current folder where it lies below it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _timings(timings_ms: dict[str, Any], record: JobRecord) -> Table:
    table = Table(title="Time taken", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for stage, ms in timings_ms.items():
        table.add_row(stage, f"{ms:.0f} ms")
    if record.ended_at is not None:
        job_s = (record.ended_at - record.queued_at).total_seconds()
        table.add_row("queued to stored", f"{1000 * job_s:.0f} ms")
    return table


def _verdict(console: Console, decisive: str, error_points: float) -> bool:
    good = abs(error_points) <= LARGEST_ERROR
    colour, word = ("green", "right") if good else ("red", "wrong")
    console.print(
        f"[bold {colour}]The {DECISIVE[decisive]} is {word}[/]: off by {error_points:+.1f} points, "
        f"{LARGEST_ERROR:.0f} are allowed."
    )
    return good


def _page_port() -> int:
    """The usual port of the reader's page, or any other where that is taken."""
    for port in (USUAL_PAGE_PORT, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise ConfigurationInvalid("page_address_taken", "no port of this machine is free.", "Stop something.")


def _show_page(show: Demo, records: Sequence[JobRecord], token: str) -> None:
    """Where the results can be read and signed; without a token, how to have the page stay open."""
    if not token:
        show.console.print(
            "[bold]Reader's page[/]  closed again; cvai demo, without --once, leaves it open", highlight=False
        )
        return
    for record in (r for r in records if r.outcome.state is JobState.ANALYSED):
        page = f"http://{show.settings.review.address}/studies/{record.job.job_id}"
        show.console.print(f"[bold]Reader's page[/]  {page}", highlight=False, soft_wrap=True)
    show.console.print(f"  sign in with {token}", highlight=False, soft_wrap=True)


def _new_token(settings: Settings) -> str:
    """A token of this demonstration; those of earlier ones end."""
    database = Database(settings.data_folder / DATABASE_NAME)
    try:
        accounts = Accounts(database, session_limits(settings))
        if any(reader.name == DEMO_READER for reader in accounts.all()):
            accounts.remove(DEMO_READER)
        return accounts.add(DEMO_READER, Role.ADMIN, "Reader^Demo")
    finally:
        database.close()


def _keep_serving(show: Demo, service: subprocess.Popen[bytes]) -> None:
    """Leave the service to the user until Ctrl-C."""
    inbox = _near(show.settings.inbox_folder)
    show.console.print(f"cvai serve goes on: drop studies into {inbox}; Ctrl-C stops it.", highlight=False)
    try:
        service.wait()
    except KeyboardInterrupt:
        return
    raise _service_ended(show)
