"""A backup put in place: whole, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from cvai.errors import ConfigurationInvalid, CvaiError, TemporarilyUnavailable
from cvai.jobs.ledger import open_ledger
from cvai.ops.backup.make import BackupPart
from cvai.ops.backup.manifest import LIST, MANIFEST
from cvai.ops.backup.places import RESTORING, held_alone
from cvai.ops.backup.restore import check_backup, restore_backup
from cvai.review.server import DATABASE_NAME
from cvai.service import only_one
from tests.ops.backup.conftest import STUDY, State

pytestmark = pytest.mark.slow


def test_a_restored_data_folder_is_what_it_was(state: State) -> None:
    (state.data / "audit.log").write_text("one\n")
    before = state.files()
    folder = state.data / "archive" / STUDY
    os.utime(folder, ns=(1_600_000_000_123_456_789,) * 2)
    changed_ns = folder.stat().st_mtime_ns
    state.make()
    shutil.rmtree(state.data)
    restored = state.restore()
    assert restored.replaced == ""
    assert state.files() == before
    assert folder.stat().st_mtime_ns == changed_ns, "the feed knows a study by it"
    assert state.readers() == ["hart"]
    with open_ledger(state.settings.jobs_database_url) as ledger:
        assert [record.job.study_uid for record in ledger.jobs()] == [STUDY]
    assert not (state.data / RESTORING).exists()


def test_nobody_but_its_owner_reads_what_is_restored(state: State) -> None:
    state.make()
    shutil.rmtree(state.data)
    before = os.umask(0)
    try:
        state.restore()
    finally:
        os.umask(before)
    made = [state.data, *(p for p in state.data.rglob("*") if not p.name.endswith(".lock"))]
    assert {stat.S_IMODE(p.stat().st_mode) for p in made if p.is_dir()} == {0o700}
    assert {stat.S_IMODE(p.stat().st_mode) for p in made if p.is_file()} == {0o600}


def refusal(state: State, *, replace: bool = False) -> CvaiError:
    with pytest.raises(CvaiError) as caught:
        state.restore(replace=replace)
    assert caught.value.hint
    assert "Doe" not in str(caught.value)
    return caught.value


def test_data_that_stands_is_not_written_over(state: State) -> None:
    state.make()
    state.add_reader("lung")
    before = state.files()
    assert refusal(state).code == "data_folder_not_empty"
    assert state.files() == before
    assert state.readers() == ["hart", "lung"]
    assert not (state.data / RESTORING).exists()


def test_data_that_is_given_up_is_set_aside(state: State) -> None:
    state.make()
    state.add_reader("lung")
    (state.data / "audit.log").write_text("later\n")
    restored = state.restore(replace=True)
    assert state.readers() == ["hart"]
    assert (Path(restored.replaced) / "audit.log").read_text() == "later\n"
    with closing(sqlite3.connect(Path(restored.replaced) / DATABASE_NAME)) as aside:
        assert len(aside.execute("SELECT name FROM readers").fetchall()) == 2
    (state.root / "next").mkdir()
    state.backup = state.root / "next"
    state.make()
    assert "replaced" not in (state.backup / LIST).read_text(), "what was set aside is in no later backup"


def test_a_database_of_jobs_that_lies_elsewhere_is_not_written_over(state: State) -> None:
    elsewhere = state.root / "elsewhere" / "jobs.sqlite"
    elsewhere.parent.mkdir()
    shutil.move(state.data / "jobs.sqlite", elsewhere)
    state.configure(f'database_url = "sqlite:///{elsewhere}"')
    state.make()
    shutil.rmtree(state.data)
    elsewhere.write_bytes(b"others")
    assert refusal(state).code == "jobs_database_not_empty"
    restored = state.restore(replace=True)
    assert (Path(restored.replaced) / "jobs.sqlite").read_bytes() == b"others"
    with open_ledger(state.settings.jobs_database_url) as ledger:
        assert [record.job.study_uid for record in ledger.jobs()] == [STUDY]


def test_parts_that_were_left_out_stay_as_they_are(state: State) -> None:
    state.make(BackupPart.RESULTS, BackupPart.ARCHIVE, BackupPart.DATABASE)
    state.add_reader("lung")
    before = state.files()
    state.restore(replace=True)
    assert state.readers() == ["hart"]
    kept = ("archive/", "results/")
    after = state.files()
    assert {n: b for n, b in after.items() if n.startswith(kept)} == {
        n: b for n, b in before.items() if n.startswith(kept)
    }
    with open_ledger(state.settings.jobs_database_url) as ledger:
        assert [record.job.study_uid for record in ledger.jobs()] == [STUDY]


@pytest.mark.parametrize("damage", ["changed", "shorter", "gone", "link"])
@pytest.mark.parametrize("file", ["jobs.sqlite", "data/inbox/Doe^John/image.dcm"])
def test_a_damaged_backup_changes_nothing(state: State, damage: str, file: str) -> None:
    state.make()
    path = state.backup / file
    whole = path.read_bytes()
    path.unlink()
    if damage == "changed":
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif damage == "shorter":
        path.write_bytes(whole[:-1])
    elif damage == "link":
        path.symlink_to(state.root / "nowhere")
    before = state.files()
    assert refusal(state, replace=True).code == "backup_damaged"
    assert state.files() == before
    assert not (state.data / RESTORING).exists()
    with pytest.raises(ConfigurationInvalid) as caught:
        check_backup(state.backup)
    assert caught.value.code == "backup_damaged"


@pytest.mark.parametrize("edit", ["a line less", "another line", "no list"])
def test_a_list_that_was_changed_is_refused(state: State, edit: str) -> None:
    state.make()
    lines = (state.backup / LIST).read_text().splitlines(keepends=True)
    if edit == "no list":
        (state.backup / LIST).unlink()
    else:
        changed = lines[:-1] if edit == "a line less" else [*lines, lines[0]]
        (state.backup / LIST).write_text("".join(changed))
    assert refusal(state, replace=True).code == "backup_damaged"


@pytest.mark.parametrize("path", ["../out", "data/../../out", "/etc/passwd", "elsewhere", "", "data/a\0b"])
def test_a_list_that_leads_out_of_the_backup_is_refused(state: State, path: str) -> None:
    state.make()
    lines = (state.backup / LIST).read_text()
    lines += json.dumps({"path": path, "bytes": 0, "sha256": ""}) + "\n"
    (state.backup / LIST).write_text(lines)
    manifest = json.loads((state.backup / MANIFEST).read_text())
    manifest["list_sha256"] = hashlib.sha256(lines.encode()).hexdigest()
    (state.backup / MANIFEST).write_text(json.dumps(manifest))
    assert refusal(state, replace=True).code == "backup_damaged"


@pytest.mark.parametrize("manifest", [None, "", "{}", "[]", '{"format": 99}'])
def test_what_is_no_backup_is_refused(state: State, manifest: str | None) -> None:
    state.make()
    (state.backup / MANIFEST).unlink()
    if manifest is not None:
        (state.backup / MANIFEST).write_text(manifest)
    assert refusal(state, replace=True).code == "not_a_backup"


def test_a_whole_backup_is_found_whole(state: State) -> None:
    made = state.make()
    assert check_backup(state.backup) == made


def test_beside_a_worker_nothing_is_restored(state: State) -> None:
    state.make()
    with only_one(state.data, "worker-7"):
        assert refusal(state, replace=True).code == "service_running"
    with held_alone(state.data, "backup"):
        assert refusal(state, replace=True).code == "service_running"


def test_while_a_restore_is_under_way_no_service_starts(state: State) -> None:
    state.make()
    told: list[str] = []

    def start(_: int) -> None:
        if not told:
            with pytest.raises(ConfigurationInvalid) as caught, only_one(state.data, "worker-9"):
                pass
            told.append(caught.value.code)

    restore_backup(
        state.backup,
        state.settings,
        state.places,
        replace=True,
        watched_by=lambda _: start,
        wait=lambda _: None,
    )
    assert told == ["restore_unfinished"]
    with only_one(state.data, "worker-9"):
        pass


def test_a_restore_cut_off_as_it_puts_files_in_place_is_done_again(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    (state.data / "audit.log").write_text("one\n")
    before = state.files()
    state.make()
    real, moved = Path.rename, []

    def fail(self: Path, target: Path) -> Path:
        moved.append(self)
        if len(moved) == 9:
            raise OSError(5, "Input/output error")
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fail)
        assert refusal(state, replace=True).code == "backup_disk"
    with pytest.raises(ConfigurationInvalid) as caught, only_one(state.data, "worker-1"):
        pass
    assert caught.value.code == "restore_unfinished"
    state.restore(replace=True)
    assert {n: b for n, b in state.files().items() if not n.startswith("replaced")} == before
    with only_one(state.data, "worker-1"):
        pass


def test_a_full_disk_is_told_and_nothing_is_changed(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    state.make()
    before = state.files()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(TemporarilyUnavailable):
        state.restore(replace=True)
    assert state.files() == before


def test_jobs_of_one_kind_of_database_are_not_put_into_another(state: State) -> None:
    state.make()
    state.configure('database_url = "postgresql://cvai@localhost/cvai"')
    assert refusal(state, replace=True).code == "backup_of_other_database"
