"""The state of a service that nobody runs: jobs that have ended, decisions, deliveries, keys."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from cvai.ops.backup.make import BackupPart, make_backup
from cvai.ops.backup.manifest import Manifest
from cvai.ops.backup.places import Places
from cvai.ops.backup.restore import Restored, restore_backup
from cvai.review.database import Database
from cvai.review.server import DATABASE_NAME
from cvai.review.sign_in.accounts import Accounts, Role, SessionLimits
from cvai.settings import Settings, load_settings
from tests.jobs.conftest import Bench
from tests.standin import derived_uid, write_study

STUDY = derived_uid("backup")


@dataclass
class State:
    """A data folder and its configuration.

    Args:
        root: of everything.
    """

    root: Path

    def __post_init__(self) -> None:
        self.data = self.root / "data"
        self.config = self.root / "service.toml"
        (self.root / "key.pem").write_text("a key")
        self.config.write_text(f'data_folder = "{self.data}"\n[dicom]\ntls_key = "{self.root / "key.pem"}"\n')
        self.settings = load_settings(self.config)
        self.backup = self.root / "backup"

    def configure(self, line: str) -> None:
        """Put a line before the settings there are."""
        self.config.write_text(f"{line}\n{self.config.read_text()}")
        self.settings = load_settings(self.config)

    @property
    def places(self) -> Places:
        return Places.of(self.settings, self.config, DATABASE_NAME)

    def fill(self) -> None:
        """One analysed study, one reader, and some of what else lies in a data folder."""
        self.data.mkdir(mode=0o700)
        bench = Bench(self.data)
        bench.receive(write_study(self.root / "src", STUDY))
        engine = bench.start()
        engine.submit(bench.job(STUDY))
        bench.ended(bench.job(STUDY))
        bench.stop()
        self.add_reader("hart")
        (self.data / "inbox" / "Doe^John").mkdir(parents=True)
        (self.data / "inbox" / "Doe^John" / "image.dcm").write_bytes(b"delivered")
        (self.data / "audit.log").write_text("one\ntwo\nthr")
        (self.data / "worklist.json").write_text("{}")
        (self.data / "work" / "worker-1").mkdir(parents=True, exist_ok=True)
        (self.data / "work" / "worker-1" / "passing").write_text("gone")
        (self.data / "worker-1.lock").touch()

    def add_reader(self, name: str) -> None:
        database = Database(self.data / DATABASE_NAME)
        try:
            accounts = Accounts(database, SessionLimits(60, 60))
            accounts.add(name, Role.REVIEWER, "Hart^Ada")
        finally:
            database.close()

    def readers(self) -> list[str]:
        with closing(sqlite3.connect(self.data / DATABASE_NAME)) as page:
            return [name for (name,) in page.execute("SELECT name FROM readers ORDER BY name")]

    def make(self, *without: BackupPart) -> Manifest:
        return make_backup(self.settings, self.places, self.backup, frozenset(without))

    def restore(self, *, replace: bool = False, settings: Settings | None = None) -> Restored:
        chosen = settings or self.settings
        places = Places.of(chosen, self.config, DATABASE_NAME)
        return restore_backup(self.backup, chosen, places, replace=replace, wait=lambda _: None)

    def files(self) -> dict[str, bytes]:
        """What lies in the data folder and does not pass, but databases."""
        return {
            str(path.relative_to(self.data)): path.read_bytes()
            for path in sorted(self.data.rglob("*"))
            if path.is_file()
            and path.relative_to(self.data).parts[0] != "work"
            and not path.name.endswith((".lock", ".sqlite", "-wal", "-shm"))
        }


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(tmp_path)
    made.fill()
    return made
