"""A whole site in a folder: studies, an archive, and a service that is killed and started again."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from cvai.archive.folder.archive import FolderArchive
from cvai.jobs.job import JobState
from cvai.jobs.ledger import JobRecord
from tests.hl7_receiver import Hl7Receiver
from tests.process import Process, jobs_at
from tests.standin import derived_uid, write_study


@dataclass(frozen=True)
class Tally:
    """What became of the studies that were delivered.

    Args:
        lost: studies without a result in the archive.
        duplicated: studies with more than one.
        orphaned: jobs that have not ended well.
        left: files of fetched studies and of results in the making.
        untold: studies of which the HL7 receiver has no message, or two different ones.
    """

    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    orphaned: tuple[str, ...]
    left: tuple[str, ...]
    untold: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.orphaned or self.left or self.untold)


class Hospital:
    """A data folder with an embedded archive, and one service on it with the stand-in analysis.

    ``receiver`` is sent HL7 messages.
    """

    def __init__(
        self,
        root: Path,
        database_url: str | None = None,
        pause_s: float = 0.0,
        receiver: Hl7Receiver | None = None,
    ) -> None:
        self.root = root
        self.data_folder = root / "data"
        self.url = database_url or f"sqlite:///{self.data_folder / 'jobs.sqlite'}"
        self.archive = FolderArchive(self.data_folder / "archive")
        self.analyses = root / "analyses.log"
        self.service_log = root / "service.log"
        self.config = root / "service.toml"
        database = "" if database_url is None else f'database_url = "{database_url}"\n'
        self.config.write_text(
            f'data_folder = "{self.data_folder}"\n{database}poll_interval_s = 0.05\nheartbeat_s = 0.2\n'
            "shutdown_grace_s = 5\n[folder]\nsettle_s = 0.1\n[retry]\nfirst_wait_s = 0.05\n"
            f"[keep]\nresults_days = 0.000001\n{'' if receiver is None else told(receiver)}"
        )
        self.receiver = receiver
        self._pause_s = pause_s

    def start(self, *before: str) -> Process:
        """Start the service, its command behind ``before``."""
        # No sleep of no length: libfaketime makes an error of it.
        pause = [f"pause:{self._pause_s}"] if self._pause_s else []
        command = [*before, sys.executable, "-m", "tests.service", self.config, self.analyses, *pause]
        return Process(command, self.service_log)

    def deliver(self, number: int, n_images: int = 3) -> str:
        """Drop a study into the inbox, whole, as a careful sender would."""
        uid = derived_uid(str(self.root), str(number))
        outside = self.root / "outside" / str(number)
        write_study(outside, uid, n_images)
        inbox = self.data_folder / "inbox"
        inbox.mkdir(parents=True, exist_ok=True)
        outside.rename(inbox / str(number))
        return uid

    def records(self) -> list[JobRecord]:
        return jobs_at(self.url)

    def n_ended(self) -> int:
        return sum(record.ended_at is not None for record in self.records())

    def tally(self, study_uids: list[str]) -> Tally:
        documents = Counter(
            {uid: sum(not i.is_source for i in self.archive.content(uid).instances) for uid in study_uids}
        )
        work = self.data_folder / "work"
        return Tally(
            lost=tuple(uid for uid in study_uids if documents[uid] == 0),
            duplicated=tuple(uid for uid in study_uids if documents[uid] > 1),
            orphaned=tuple(
                f"{r.job.job_id}: {r.outcome.state} {r.outcome.code}"
                for r in self.records()
                if r.outcome.state is not JobState.ANALYSED
            ),
            left=tuple(p.name for p in work.rglob("*") if p.is_file()),
            untold=self._untold(study_uids),
        )

    def _untold(self, study_uids: list[str]) -> tuple[str, ...]:
        if self.receiver is None:
            return ()
        told = Counter(str(message.segment("OBX")[5]) for message in self.receiver.messages)
        return tuple(uid for uid in study_uids if told[uid] != 1)

    def close(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


def told(receiver: Hl7Receiver) -> str:
    """Settings that send messages to a receiver, which may be dead for seconds."""
    return f'[hl7]\nhost = "127.0.0.1"\nport = {receiver.port}\ntimeout_s = 2.0\n'


def open_files(pid: int) -> int:
    """File handles of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - pathlib would open the folder likewise


def resident_mb(pid: int) -> float:
    """Memory of a process that lies in RAM."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
