"""``cvai serve``: follow an archive, analyse what settles, store the results beside it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import nullcontext
from pathlib import Path

from cvai.cli import exits
from cvai.cli.options import Config
from cvai.cli.page import reader_page
from cvai.errors import ConfigurationInvalid
from cvai.files import private_folder, require_writable
from cvai.jobs.heartbeat import DeclaredDead
from cvai.jobs.loading import load_analyses
from cvai.ops.arenas import limit_arenas
from cvai.ops.logs import configure_logs
from cvai.review.coverage import SignedCoverage
from cvai.review.server import DATABASE_NAME
from cvai.service import Service
from cvai.settings import load_settings


def serve(config: Config = None) -> None:
    """Watch an archive, analyse its studies and store SEG, SR and PDF, until stopped.

    Without settings it runs on the embedded archive: drop studies into
    ./cvai-data/inbox. Stop it with Ctrl-C or SIGTERM; what is not done by
    then goes on at the next start.

    \b
    Example: cvai serve --config service.toml
    """
    run_service(config, follow_feed=True)


def run_service(config: Path | None, *, follow_feed: bool) -> None:
    """Run a service in the foreground until SIGINT or SIGTERM."""
    limit_arenas()
    settings = load_settings(config)
    configure_logs(settings.log_level)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    analyses = load_analyses(settings)
    _require_usable(settings.data_folder)
    titles = {analysis.kind: analysis.title for analysis in analyses}
    beside = reader_page(settings, titles) if follow_feed else nullcontext
    coverage = SignedCoverage(settings.data_folder / DATABASE_NAME) if follow_feed else dict
    service = Service(settings, analyses, follow_feed, beside, coverage)
    try:
        ended = service.run(stop)
    except DeclaredDead:
        # Its jobs are others' now, and no step of them may go on here. Who started it starts it again.
        sys.stderr.flush()
        os._exit(exits.FAILED)
    if not ended:
        # A job is in the middle of a step that cannot be interrupted. It is durable: cutting it off here is
        # what a crash would do, and it goes on at the next start.
        sys.stderr.flush()
        os._exit(0)


def _require_usable(data_folder: Path) -> None:
    """Create the data folder and write into it, before jobs are taken.

    Raises:
        ConfigurationInvalid: ``data_folder_unusable``.
    """
    try:
        private_folder(data_folder)
        require_writable(data_folder)
    except OSError as error:
        raise ConfigurationInvalid(
            "data_folder_unusable",
            f"the data folder {data_folder.absolute()} cannot be used: {error.strerror}.",
            "Set data_folder to a folder that this user may create or write, on a disk with room.",
        ) from error
