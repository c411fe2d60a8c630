"""A real PostgreSQL as a plain process on loopback, with a cluster of its own, stopped by its id."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.orthanc import free_port

BIN = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
USER = "postgres"


def _startable() -> bool:
    """PostgreSQL refuses to run as root, so root needs the user it is installed with."""
    return BIN is not None and (os.geteuid() != 0 or USER in {entry.pw_name for entry in pwd.getpwall()})


needs_postgres = pytest.mark.skipif(not _startable(), reason="needs PostgreSQL (Debian: postgresql)")


@contextmanager
def running_postgres() -> Iterator[str]:
    """SQLAlchemy URL of an empty database."""
    assert BIN is not None
    user = USER if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="cvai-postgres-"))
    if user is not None:
        shutil.chown(folder, user, user)
    cluster = folder / "cluster"
    initdb = [BIN / "initdb", "--auth=trust", f"--username={USER}", "-N", "-D", cluster]
    subprocess.run(initdb, user=user, cwd=folder, check=True, capture_output=True, timeout=120)
    port = free_port()
    options = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k", folder, "-p", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [BIN / "postgres", "-D", cluster, *options], user=user, cwd=folder, stdout=log, stderr=log
        )
    try:
        _await_answer(port)
        yield f"postgresql://{USER}@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)  # fast shutdown
        process.wait(timeout=120)
        shutil.rmtree(folder)


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """SQLAlchemy URL of an empty database of a running server."""
    name = f"cvai_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield server.rpartition("/")[0] + f"/{name}"


def _await_answer(port: int) -> None:
    assert BIN is not None
    deadline = time.monotonic() + 30
    question = [BIN / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(question, capture_output=True, check=False, timeout=10).returncode:
        if time.monotonic() > deadline:
            raise TimeoutError("PostgreSQL did not answer")
        time.sleep(0.1)
