"""``cvai worker``: work on jobs that a ``cvai serve`` elsewhere has queued."""

from __future__ import annotations

from cvai.cli.options import Config
from cvai.cli.serve import run_service


def worker(config: Config = None) -> None:
    """Work on queued jobs without watching the archive; for a second process or machine.

    It needs the same archive, model and database_url as the service that
    queues the jobs, and a worker_name of its own.

    \b
    Example: CVAI_WORKER_NAME=worker-2 cvai worker --config service.toml
    """
    run_service(config, follow_feed=False)
