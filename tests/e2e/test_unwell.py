"""A disk that is full, a database that is locked, a clock that is set back, a model that is damaged.

Each gives a clear error, loses nothing, and goes on by itself when it is mended.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cvai.jobs.job import JobState
from tests.conftest import ROOT
from tests.hospital import Hospital
from tests.process import CVAI, Process, eventually

DISK_MB = 24
LONGEST_S = 120.0
LOCKED_S = 13.0
"""Longer than a statement waits for a locked database."""

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of DISK_MB in memory, where this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[list[Process]]:
    services: list[Process] = []
    yield services
    for service in services:
        if service.died() is None:
            service.kill()


def states(site: Hospital) -> list[JobState]:
    return [record.outcome.state for record in site.records()]


def test_a_full_disk_is_told_and_waited_out(small_disk: Path, running: list[Process]) -> None:
    site = Hospital(small_disk)
    running.append(site.start())
    eventually(lambda: running[0].events("serving"), "the service", LONGEST_S)
    # Jobs stand in the database, but a study does not fit: what is left takes a few pages of the database.
    uid = site.deliver(0, n_images=400)
    filler = small_disk / "filler"
    room = shutil.disk_usage(small_disk).free - 600_000
    filler.write_bytes(bytes(room))

    def told() -> bool:
        text = site.service_log.read_text()
        return "disk_unavailable" in text or "archive_disk" in text

    eventually(told, "the full disk to be told", LONGEST_S)
    assert JobState.FAILED not in states(site)
    filler.unlink()
    eventually(lambda: states(site) == [JobState.ANALYSED], "the job to go on", LONGEST_S)
    assert site.tally([uid]).clean


def test_a_locked_database_is_waited_out(tmp_path: Path, running: list[Process]) -> None:
    site = Hospital(tmp_path)
    running.append(site.start())
    first = site.deliver(0)
    eventually(lambda: states(site) == [JobState.ANALYSED], "a first job", LONGEST_S)
    holder = sqlite3.connect(site.data_folder / "jobs.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    second = site.deliver(1)
    time.sleep(LOCKED_S)
    assert running[0].died() is None
    assert second not in [record.job.study_uid for record in site.records()]
    holder.execute("ROLLBACK")
    holder.close()
    eventually(lambda: states(site).count(JobState.ANALYSED) == 2, "the job to go on", LONGEST_S)
    assert site.tally([first, second]).clean


@pytest.mark.skipif(not FAKETIME.exists(), reason="needs libfaketime (Debian: faketime)")
def test_a_clock_that_is_set_back_and_forth_changes_nothing(tmp_path: Path, running: list[Process]) -> None:
    site = Hospital(tmp_path)
    clock = tmp_path / "clock"
    clock.write_text("+0d\n")
    settings = [f"LD_PRELOAD={FAKETIME}", f"FAKETIME_TIMESTAMP_FILE={clock}", "FAKETIME_NO_CACHE=1"]
    running.append(site.start("env", *settings, "FAKETIME_DONT_FAKE_MONOTONIC=1"))
    uids = []
    for number, clock_says in enumerate(("+0d", "-2d", "+3d", "+0d")):
        clock.write_text(f"{clock_says}\n")
        uids.append(site.deliver(number))
        eventually(
            lambda n=number: site.n_ended() > n, f"study {number} with a clock of {clock_says}", LONGEST_S
        )
    assert site.tally(uids).clean
    assert running[0].died() is None
    queued_at = [record.queued_at for record in site.records()]
    assert max(queued_at) - min(queued_at) > timedelta(days=4), "the clock really was another"


def test_a_damaged_model_stops_the_service_before_it_takes_a_job(tmp_path: Path) -> None:
    model = tmp_path / "sax"
    shutil.copytree(ROOT / "models" / "sax", model)
    weights = model / "model.onnx"
    damaged = bytearray(weights.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    weights.write_bytes(damaged)
    (tmp_path / "service.toml").write_text(f'data_folder = "{tmp_path / "data"}"\nmodel = "{model}"\n')
    command = [*CVAI, "serve", "--config", tmp_path / "service.toml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "model_digest_differs" in done.stderr
    assert not (tmp_path / "data").exists()
