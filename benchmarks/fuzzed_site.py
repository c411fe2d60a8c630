"""The service that spoiled files are given to, and the account of what became of them."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cvai.errors import ArchiveRejected, TemporarilyUnavailable
from cvai.jobs.installed import applicable
from cvai.jobs.job import UNLISTED, JobState
from cvai.service import open_archive
from cvai.settings import load_settings
from tests.process import Process, eventually, jobs
from tests.standin import installed

HUNG_AFTER_S = 120.0
"""Nothing takes so long: a study of 32 small images, or the next job of a service."""

QUIET_S = 3.0
"""Longer than a delivery or an archive takes to be called settled."""

ENDS = frozenset({JobState.ANALYSED, JobState.REFUSED, JobState.SUPERSEDED, JobState.NOTHING_TO_DO})
THE_ARCHIVES = frozenset({"archive_answer_invalid", "archive_rejected", "archive_busy", "object_rejected"})
"""Codes of failures that are the archive's: it cannot name or give back what it took, or takes no result."""

NO_IMAGES = "nothing to analyse listed"

ANALYSES = (installed(),)
"""What the service does; which images they apply to is all that is asked here."""


@dataclass
class Account:
    """What became of the spoiled deliveries that went one way.

    Args:
        way: which.
        spoiled: files that were not as they had been.
        fates: files by what became of them, sound ones too.
        wrong: what should not have happened, in words.
        beside: what else happened, not on our side.
    """

    way: str
    spoiled: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    beside: str = ""

    def line(self) -> str:
        fates = ", ".join(f"{n} {fate}" for fate, n in self.fates.most_common())
        told = f"{self.way}: {self.spoiled} spoiled files; {fates}; {len(self.wrong)} wrong"
        return f"{told}; {self.beside}" if self.beside else told


@dataclass(frozen=True)
class State:
    """Whether anything moves: jobs, those of them that have ended, and files that wait."""

    jobs: int
    ended: int
    in_inbox: int

    @property
    def at_rest(self) -> bool:
        return self.jobs == self.ended and self.in_inbox == 0


class Site:
    """A service on a fresh data folder; studies come in over ``settings``, and by whoever calls it.

    Args:
        root: for everything on disk.
        settings: of the service, besides the common ones.
    """

    def __init__(self, root: Path, settings: str = "") -> None:
        self.data_folder = root / "data"
        self.inbox = self.data_folder / "inbox"
        self.inbox.mkdir(parents=True)
        config = root / "service.toml"
        config.write_text(
            f'data_folder = "{self.data_folder}"\npoll_interval_s = 0.2\nshutdown_grace_s = 5\n{settings}'
            "[retry]\nattempts = 2\nfirst_wait_s = 0.1\n[keep]\nresults_days = 0.000001\n"
        )
        self.archive, _ = open_archive(load_settings(config))
        command = [sys.executable, "-m", "tests.fuzzed_service", str(config)]
        self.service = Process(command, root / "service.log")
        eventually(lambda: self.service.events("serving"), "the service", HUNG_AFTER_S)

    def settled(self, studies: Callable[[], Iterable[str]]) -> dict[str, str]:
        """What became of each study as it stands now, once nothing moves; empty where nothing did."""
        moved_s, seen, fates = time.monotonic(), None, {}
        while self.service.died() is None and time.monotonic() - moved_s < HUNG_AFTER_S:
            if (now := self._state()) != seen:
                moved_s, seen = time.monotonic(), now
            elif time.monotonic() - moved_s > QUIET_S and now.at_rest:
                fates = self._fates(studies())
                if all(fates.values()):
                    break
            time.sleep(0.5)
        return fates or self._fates(studies())

    def troubles(self) -> list[str]:
        """What went wrong meanwhile; ends the service."""
        died = self.service.died()
        told = [] if died is None else [f"the service died with status {died}"]
        for broken in self.service.events("job_broke"):
            told.append(f"{broken['job']}: {broken['error']} at {broken['stack'][-1]}")
        for record in jobs(self.data_folder):
            if record.outcome.state not in ENDS and record.outcome.code not in THE_ARCHIVES:
                told.append(f"{record.job.job_id}: {record.outcome.state} {record.outcome.code}")
        told += [f"{path.name} was left in the inbox" for path in self.inbox.rglob("*") if path.is_file()]
        if died is None:
            self.service.stop()
        return told

    def _state(self) -> State:
        records = jobs(self.data_folder)
        # Folders go while this looks; os.walk does not mind.
        in_inbox = sum(len(files) for *_, files in os.walk(self.inbox))
        return State(len(records), sum(r.ended_at is not None for r in records), in_inbox)

    def _fates(self, studies: Iterable[str]) -> dict[str, str]:
        ended = {
            (r.job.study_uid, r.job.digest): r.outcome.code or str(r.outcome.state)
            for r in jobs(self.data_folder)
            if r.ended_at is not None
        }
        return {uid: self._fate(uid, ended) for uid in studies}

    def _fate(self, study_uid: str, ended: Mapping[tuple[str, str], str]) -> str:
        """As it stands in the archive now; the job of a study that it would not list has no digest."""
        unlisted = ended.get((study_uid, UNLISTED), "")
        try:
            content = self.archive.content(study_uid)
        except (ArchiveRejected, TemporarilyUnavailable):
            return unlisted
        without_job = "" if applicable(ANALYSES, content) else NO_IMAGES
        return (
            ended.get((study_uid, content.digest), without_job if content.sources else NO_IMAGES) or unlisted
        )
