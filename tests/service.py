"""``cvai serve`` with the stand-in analysis: the real service, queue and archive, no model needed.

Run as ``python -m tests.service CONFIG LOG [GATE | die:STUDY | pause:SECONDS]``: every analysis leaves
a line in LOG when it begins, then waits until the file GATE exists, or for so long; one of STUDY
kills the process, once others had time to begin beside it. Only worker-1 follows the feed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

from cvai.cli.page import reader_page
from cvai.jobs.heartbeat import DeclaredDead
from cvai.jobs.installed import Installed
from cvai.ops.logs import configure_logs
from cvai.pipeline import StudyOutcome
from cvai.service import Service
from cvai.settings import load_settings
from tests.standin import analyse_noting, installed, write_message


def main(config: str, log: str, gate: str | None = None) -> None:
    noting = analyse_noting(Path(log))

    def analyse(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
        outcomes = noting(source, out)
        write_message(outcomes)
        if gate is not None and gate.startswith("die:"):
            is_deadly = source.name.startswith(gate.removeprefix("die:"))
            time.sleep(0.5 if is_deadly else 2.0)
            if is_deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            return outcomes
        if gate is not None and gate.startswith("pause:"):
            time.sleep(float(gate.removeprefix("pause:")))
            return outcomes
        while gate is not None and not Path(gate).exists():
            time.sleep(0.02)
        return outcomes

    serve(config, installed(analyse))


def serve(config: str, *analyses: Installed) -> None:
    """Do these analyses until SIGTERM, as ``cvai serve`` and ``cvai worker`` do."""
    settings = load_settings(Path(config))
    configure_logs(settings.log_level)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    follows = settings.worker_name == "worker-1"
    try:
        page = reader_page(settings, {a.kind: a.title for a in analyses}) if follows else nullcontext
        ended = Service(settings, analyses, follows, page).run(stop)
    except DeclaredDead:
        os._exit(1)
    if not ended:
        os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
