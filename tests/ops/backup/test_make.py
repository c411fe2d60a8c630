"""What a backup holds, and when there is none."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cvai import __version__
from cvai.errors import ConfigurationInvalid, CvaiError, TemporarilyUnavailable
from cvai.jobs.ledger import open_ledger
from cvai.ops.backup.make import BackupPart, make_backup
from cvai.ops.backup.manifest import LIST, MANIFEST
from cvai.ops.backup.places import Places, held_alone
from cvai.review.server import DATABASE_NAME
from cvai.settings import Settings
from tests.ops.backup.conftest import STUDY, State

pytestmark = pytest.mark.slow


def listed(backup: Path) -> dict[str, dict[str, object]]:
    lines = [json.loads(line) for line in (backup / LIST).read_text().splitlines()]
    return {line["path"]: line for line in lines if "sha256" in line}


def test_the_manifest_tells_every_file_with_its_size_and_digest(state: State) -> None:
    manifest = state.make()
    files = {path for path in state.backup.rglob("*") if path.is_file()} - {
        state.backup / MANIFEST,
        state.backup / LIST,
    }
    found = listed(state.backup)
    assert {state.backup / name for name in found} == files
    for path in files:
        entry = found[str(path.relative_to(state.backup))]
        assert entry["bytes"] == path.stat().st_size
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (manifest.files, manifest.bytes) == (len(files), sum(path.stat().st_size for path in files))
    assert manifest.cvai == __version__
    assert json.loads((state.backup / MANIFEST).read_text())["cvai"] == __version__


def test_jobs_accounts_results_studies_deliveries_audit_and_keys_are_in_it(state: State) -> None:
    manifest = state.make()
    found = listed(state.backup).keys()
    assert {
        "jobs.sqlite",
        f"data/{DATABASE_NAME}",
        "data/audit.log",
        "data/worklist.json",
        "data/inbox/Doe^John/image.dcm",
        "configuration/service.toml",
        "configuration/tls_key.pem",
    } <= found
    assert len([name for name in found if name.startswith(f"data/archive/{STUDY}/")]) == 4
    assert len([name for name in found if name.startswith(f"data/results/{STUDY}-")]) == 2
    assert not [name for name in found if "lock" in name or "passing" in name or name.endswith("-wal")]
    assert manifest.left_out == {}
    with open_ledger(f"sqlite:///{state.backup / 'jobs.sqlite'}") as ledger:
        assert [record.job.study_uid for record in ledger.jobs()] == [STUDY]


def test_nobody_but_its_owner_reads_a_backup_whatever_the_umask(state: State) -> None:
    before = os.umask(0)
    try:
        state.make()
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (state.backup, *state.backup.rglob("*"))}
    assert {oct(mode) for path, mode in modes.items() if path.is_dir()} == {"0o700"}
    assert {oct(mode) for path, mode in modes.items() if path.is_file()} == {"0o600"}


def test_of_the_audit_trail_whole_lines_are_copied(state: State) -> None:
    state.make()
    assert (state.backup / "data" / "audit.log").read_text() == "one\ntwo\n"


def test_parts_are_left_out_as_asked_for_and_said_to_be(state: State) -> None:
    manifest = state.make(BackupPart.RESULTS, BackupPart.ARCHIVE, BackupPart.DATABASE)
    assert manifest.left_out.keys() == {"results", "archive", "database"}
    assert manifest.jobs == "left_out"
    assert not [
        name
        for name in listed(state.backup)
        if name.startswith(("data/results", "data/archive", "data/jobs", "jobs"))
    ]


def test_an_archive_that_lies_elsewhere_is_said_to_be_left_out(state: State) -> None:
    elsewhere = state.settings.folder.model_copy(update={"archive": state.root / "elsewhere"})
    settings = state.settings.model_copy(update={"folder": elsewhere})
    manifest = make_backup(settings, Places.of(settings, None, DATABASE_NAME), state.backup)
    assert "not in data_folder" in manifest.left_out["archive"]


def test_an_archive_with_means_of_its_own_is_said_to_be_left_out(state: State) -> None:
    settings = state.settings.model_copy(update={"archive": "orthanc"})
    manifest = make_backup(settings, Places.of(settings, None, DATABASE_NAME), state.backup)
    assert "orthanc" in manifest.left_out["archive"]


def test_what_is_unknown_in_a_data_folder_is_copied_too_and_a_database_as_one(state: State) -> None:
    (state.data / "new").mkdir()
    with closing(sqlite3.connect(state.data / "new" / "table")) as made, made:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE t AS SELECT 1 AS one")
        made.commit()
        assert (state.data / "new" / "table-wal").exists()
        state.make()
    assert {name for name in listed(state.backup) if name.startswith("data/new")} == {"data/new/table"}
    with closing(sqlite3.connect(state.backup / "data" / "new" / "table")) as copy:
        assert copy.execute("SELECT one FROM t").fetchall() == [(1,)]


def test_a_pipe_and_a_link_out_of_the_inbox_hold_nothing_up_and_are_not_followed(state: State) -> None:
    os.mkfifo(state.data / "inbox" / "pipe")
    (state.data / "inbox" / "link").symlink_to(state.root)
    (state.data / "inbox" / "loop").symlink_to(state.data / "inbox")
    state.make()
    assert {n for n in listed(state.backup) if n.startswith("data/inbox")} == {
        "data/inbox/Doe^John/image.dcm"
    }


def test_results_on_a_disk_of_their_own_are_followed(state: State) -> None:
    shutil.move(state.data / "results", state.root / "disk")
    (state.data / "results").symlink_to(state.root / "disk")
    state.make()
    assert len([name for name in listed(state.backup) if name.startswith("data/results/")]) == 2


def test_a_delivery_that_grows_all_the_time_is_left_out_and_counted(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing = state.data / "inbox" / "Doe^John" / "image.dcm"

    def grow(_: int) -> None:
        with growing.open("ab") as file:
            file.write(b"more")

    manifest = make_backup(state.settings, state.places, state.backup, watched_by=lambda _: grow)
    assert manifest.left_out == {"unsettled": "1 files were being written to all the time"}
    assert "data/inbox/Doe^John/image.dcm" not in listed(state.backup)
    assert not (state.backup / "data" / "inbox" / "Doe^John" / "image.dcm").exists()


def test_progress_comes_to_what_was_announced(state: State) -> None:
    (state.data / "audit.log").write_text("whole\n")
    announced, copied = [], []

    def watched(total: int) -> object:
        announced.append(total)
        return copied.append

    make_backup(state.settings, state.places, state.backup, watched_by=watched)
    outside = sum(path.stat().st_size for path in (state.config, state.root / "key.pem"))
    assert sum(copied) == pytest.approx(announced[0] + outside, abs=100_000)  # journals and free pages


def refusal(state: State, backup: Path) -> CvaiError:
    with pytest.raises(CvaiError) as caught:
        make_backup(state.settings, state.places, backup)
    assert caught.value.hint
    return caught.value


def test_nothing_is_written_over_a_backup(state: State) -> None:
    state.make()
    before = {path: path.read_bytes() for path in state.backup.rglob("*") if path.is_file()}
    assert refusal(state, state.backup).code == "backup_destination_taken"
    assert {path: path.read_bytes() for path in state.backup.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("made", ["file", "full folder"])
def test_a_destination_that_is_something_else_is_refused(state: State, made: str) -> None:
    if made == "file":
        state.backup.write_text("mine")
    else:
        (state.backup / "mine").mkdir(parents=True)
    assert refusal(state, state.backup).code == "backup_destination_taken"
    assert state.backup.exists()


def test_an_empty_folder_is_a_destination_as_a_mounted_disk_is(state: State) -> None:
    state.backup.mkdir(mode=0o755)
    state.make()
    assert stat.S_IMODE(state.backup.stat().st_mode) == 0o700


def test_a_backup_within_what_it_copies_is_refused(state: State) -> None:
    assert refusal(state, state.data / "backups" / "today").code == "backup_inside_data_folder"
    (state.root / "link").symlink_to(state.data)
    assert refusal(state, state.root / "link" / "today").code == "backup_inside_data_folder"


def test_where_there_is_no_state_there_is_no_backup(tmp_path: Path) -> None:
    settings = Settings(data_folder=tmp_path / "nowhere")
    with pytest.raises(ConfigurationInvalid) as caught:
        make_backup(settings, Places.of(settings, None, DATABASE_NAME), tmp_path / "backup")
    assert caught.value.code == "no_data_folder"
    assert not (tmp_path / "backup").exists()


def test_a_data_folder_without_jobs_is_told(state: State) -> None:
    (state.data / "jobs.sqlite").unlink()
    assert refusal(state, state.backup).code == "no_jobs_database"
    assert list(state.backup.iterdir()) == []


def test_a_damaged_database_of_jobs_is_told_and_leaves_no_backup(state: State) -> None:
    with (state.data / "jobs.sqlite").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    assert refusal(state, state.backup).code in ("database_damaged", "database_unavailable")
    assert list(state.backup.iterdir()) == []
    assert not list(state.data.glob(".jobs*"))


def test_two_backups_at_once_are_refused(state: State) -> None:
    with held_alone(state.data, "backup"):
        assert refusal(state, state.backup).code == "backup_running"


def test_a_full_disk_is_told_before_anything_is_copied(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(TemporarilyUnavailable) as caught:
        state.make()
    assert caught.value.code == "backup_disk"
    assert list(state.backup.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_backup_that_is_broken_off_leaves_nothing(state: State, error: BaseException) -> None:
    def broken(_: int) -> None:
        raise error

    with pytest.raises((TemporarilyUnavailable, KeyboardInterrupt)):
        make_backup(state.settings, state.places, state.backup, watched_by=lambda _: broken)
    assert list(state.backup.iterdir()) == []
    assert not list(state.data.glob(".jobs*"))
    state.make()


@pytest.fixture
def signing(state: State) -> Iterator[threading.Event]:
    """Somebody who decides and queues, again and again: a decision always comes before its job."""
    with closing(sqlite3.connect(state.data / "jobs.sqlite")) as jobs, jobs:
        jobs.execute("CREATE TABLE queued (number INTEGER)")
    with closing(sqlite3.connect(state.data / DATABASE_NAME)) as page, page:
        page.execute("CREATE TABLE decided (number INTEGER)")
    stop, busy = threading.Event(), threading.Event()

    def sign() -> None:
        with (
            closing(sqlite3.connect(state.data / DATABASE_NAME, timeout=30)) as page,
            closing(sqlite3.connect(state.data / "jobs.sqlite", timeout=30)) as jobs,
        ):
            number = 0
            while not stop.is_set():
                for table, connection in (("decided", page), ("queued", jobs)):
                    with connection:
                        connection.execute(f"INSERT INTO {table} VALUES (?)", (number,))  # noqa: S608
                number += 1
                if number > 3:
                    busy.set()

    thread = threading.Thread(target=sign)
    thread.start()
    assert busy.wait(60)
    yield stop
    stop.set()
    thread.join()


def test_whatever_is_queued_in_a_backup_is_decided_in_it(state: State, signing: threading.Event) -> None:
    for number in range(3):
        backup = state.root / f"backup-{number}"
        make_backup(state.settings, state.places, backup)
        with (
            closing(sqlite3.connect(backup / "data" / DATABASE_NAME)) as page,
            closing(sqlite3.connect(backup / "jobs.sqlite")) as jobs,
        ):
            decided = {n for (n,) in page.execute("SELECT number FROM decided")}
            queued = {n for (n,) in jobs.execute("SELECT number FROM queued")}
        assert queued
        assert queued <= decided
        assert len(decided - queued) <= 1, "both are of one moment"
