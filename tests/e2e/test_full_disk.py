"""A disk without a byte left: the service lives, the page reads on, and all goes on once there is room."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from cvai.archive.folder.archive import FolderArchive
from cvai.jobs.job import JobState
from cvai.review.sign_in.first_token import FILE_NAME as FIRST_TOKEN
from tests.orthanc import free_port
from tests.process import Process, ended_jobs, eventually, jobs
from tests.standin import derived_uid, write_study

DISK_MB = 64
LONGEST_S = 180.0


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


class Site:
    """A service whose data folder lies on the small disk; its inbox and its log do not."""

    def __init__(self, root: Path, disk: Path) -> None:
        self.root, self.disk = root, disk
        self.data_folder, self.inbox = disk / "data", root / "inbox"
        self.archive = FolderArchive(self.data_folder / "archive")
        self.gate, self.filler = root / "gate", disk / "filler"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = root / "service.toml"
        config.write_text(
            f'data_folder = "{self.data_folder}"\npoll_interval_s = 0.1\nheartbeat_s = 0.5\n'
            f'[folder]\ninbox = "{self.inbox}"\nsettle_s = 0.2\n'
            f'[review]\naddress = "127.0.0.1:{self.port}"\n'
            "[retry]\nattempts = 3\nfirst_wait_s = 0.1\nlongest_wait_s = 0.5\n"
        )
        command = [sys.executable, "-m", "tests.service", config, root / "log", self.gate]
        self.service = Process(command, root / "service.log")

    def deliver(self, name: str, n_images: int = 3) -> str:
        uid = derived_uid("full disk", name)
        write_study(self.root / name, uid, n_images)
        self.inbox.mkdir(exist_ok=True)
        (self.root / name).rename(self.inbox / name)
        return uid

    def begun(self) -> list[str]:
        log = self.root / "log"
        return log.read_text().splitlines() if log.exists() else []

    def answers(self) -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(f"{self.url}/sign-in", timeout=60).ok
        return False

    def signed_in(self) -> requests.Session:
        session = requests.Session()
        token = eventually((self.data_folder / FIRST_TOKEN).read_text, "the first token").strip()
        self.token = token
        session.post(f"{self.url}/sign-in", data={"token": token}, timeout=30).raise_for_status()
        return session

    def sign_in_again(self) -> requests.Response:
        """Once more, with what has become free since taken away again while the disk is full."""
        if self.filler.exists():
            self.fill()
        return requests.post(f"{self.url}/sign-in", data={"token": self.token}, timeout=30)

    def fill(self) -> Path:
        """Leave no byte."""
        filler = self.filler
        with filler.open("ab", buffering=0) as file:
            for size in (1_000_000, 4096, 1):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))
        return filler


@pytest.fixture
def site(tmp_path: Path, small_disk: Path) -> Iterator[Site]:
    made = Site(tmp_path, small_disk)
    yield made
    if made.service.died() is None:
        made.service.kill()


def test_a_full_disk_ends_nothing_and_all_goes_on_when_there_is_room(site: Site) -> None:
    eventually(site.answers, "the page", LONGEST_S)
    session = site.signed_in()
    under_way = site.deliver("under way")
    eventually(site.begun, "an analysis to begin", LONGEST_S)
    filler = site.fill()

    site.gate.touch()
    later = site.deliver("later", n_images=40)
    eventually(lambda: site.service.events("feed_not_followed"), "the feed to tell", LONGEST_S)
    assert site.service.died() is None
    for path in ("/", "/worklist", "/healthz", "/metrics"):
        answer = session.get(f"{site.url}{path}", timeout=30)
        assert answer.status_code == 200, (path, answer.text)
    assert session.get(f"{site.url}/readyz", timeout=30).json()["disk"] == "disk_full"
    written = {site.sign_in_again().status_code for _ in range(30)}
    assert written <= {200, 503}
    assert 503 in written, "to sign in is to write"
    assert session.get(site.url, timeout=30).status_code == 200, "who is signed in reads on"
    states = {record.job.study_uid: record.outcome.state for record in jobs(site.data_folder)}
    # A few kilobytes come free as others close their files, and the small study may fit into them.
    assert states.pop(under_way) in {JobState.RUNNING, JobState.ANALYSED}, "no job ends badly"
    assert set(states.values()) <= {JobState.QUEUED, JobState.RUNNING}, "jobs wait"

    filler.unlink()
    ended = {r.job.study_uid: r.outcome.state for r in ended_jobs(site.data_folder, 2, LONGEST_S)}
    assert ended == {under_way: JobState.ANALYSED, later: JobState.ANALYSED}
    assert all(sum(not i.is_source for i in site.archive.content(uid).instances) == 1 for uid in ended)
    assert site.sign_in_again().ok
    assert site.service.died() is None
