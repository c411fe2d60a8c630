"""A thousand connections that say nothing: the service goes on with its own work, and its log stays small."""

from __future__ import annotations

import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import requests

from cvai.jobs.job import JobState
from tests.hospital import open_files
from tests.orthanc import free_port
from tests.process import Process, ended_jobs, eventually
from tests.standin import derived_uid, write_study

N_CONNECTIONS = 1100
HANDLES = 512
"""Of the service: fewer than there are connections."""


@contextmanager
def handles_of_this_process(n: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < n:
        pytest.skip(f"needs {n} file handles")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(n, soft), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_idle_connections_stop_neither_page_nor_feed_nor_heartbeat(tmp_path: Path) -> None:
    page, dicom, monitor = free_port(), free_port(), free_port()
    data_folder, inbox, log = tmp_path / "data", tmp_path / "inbox", tmp_path / "service.log"
    config = tmp_path / "service.toml"
    config.write_text(
        f'data_folder = "{data_folder}"\npoll_interval_s = 0.1\nheartbeat_s = 0.2\n'
        f'monitor_address = "127.0.0.1:{monitor}"\n[folder]\ninbox = "{inbox}"\nsettle_s = 0.2\n'
        f'[review]\naddress = "127.0.0.1:{page}"\n'
        f'[dicom]\nlisten = true\nport = {dicom}\nallowed_ae_titles = ["SCANNER"]\n'
    )
    script = f'ulimit -n {HANDLES}; exec "$@"'
    command = [sys.executable, "-m", "tests.service", config, tmp_path / "log"]
    service = Process(["bash", "-c", script, "bash", *command], log)

    def healthy() -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(f"http://127.0.0.1:{page}/healthz", timeout=60).ok
        return False

    try:
        eventually(healthy, "the page")
        with handles_of_this_process(N_CONNECTIONS + 500), ExitStack() as lines:
            for number in range(N_CONNECTIONS):
                port = (page, dicom, monitor)[number % 3]
                line = socket.create_connection(("127.0.0.1", port), timeout=20)
                lines.enter_context(line)
            assert healthy()
            assert open_files(service.pid) < HANDLES - 100, "handles are left for its own work"
            write_study(tmp_path / "study", derived_uid("many connections"), 3)
            inbox.mkdir(exist_ok=True)
            (tmp_path / "study").rename(inbox / "study")
            (record,) = ended_jobs(data_folder, 1)
            assert record.outcome.state is JobState.ANALYSED
            assert healthy()
            metrics = requests.get(f"http://127.0.0.1:{monitor}/metrics", timeout=60)
            assert "cvai_workers 1.0" in metrics.text
        assert service.events("heartbeat_missed") == []
        assert log.stat().st_size < 200_000
    finally:
        service.kill()
