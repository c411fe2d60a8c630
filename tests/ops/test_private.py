"""What stands on disk when a service starts is closed to others."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cvai.archive.folder.archive import FolderArchive
from cvai.audit.messages import Act, AuditEvent, AuditTrail
from cvai.ops.private import make_private
from cvai.settings import FolderSettings, Settings
from tests.standin import derived_uid, write_study


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def opened(path: Path, rights: int) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(rights)
    return path


def test_folders_and_databases_of_a_service_are_closed_whatever_they_were(tmp_path: Path) -> None:
    data = opened(tmp_path / "data", 0o777)
    folders = [opened(data / name, 0o777) for name in ("results", "archive", "inbox")]
    for name in ("jobs.sqlite", "jobs.sqlite-wal", "review.sqlite", "worklist.json", "audit.log"):
        (data / name).touch()
        (data / name).chmod(0o666)
    make_private(Settings(data_folder=data))
    assert {mode(folder) for folder in (data, *folders)} == {0o700}
    assert {mode(path) for path in data.iterdir() if path.is_file()} == {0o600}


def test_a_database_elsewhere_is_closed_before_it_is_first_written(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    make_private(Settings(data_folder=tmp_path / "data", database_url=f"sqlite:///{path}"))
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE t (a)")
        assert {mode(file) for file in tmp_path.glob("jobs.sqlite*")} == {0o600}
    database.close()


def test_a_shared_inbox_keeps_its_rights(tmp_path: Path) -> None:
    inbox = opened(tmp_path / "inbox", 0o2770)
    settings = Settings(data_folder=tmp_path / "data", folder=FolderSettings(inbox=inbox, inbox_shared=True))
    make_private(settings)
    assert mode(inbox) == 0o2770
    make_private(settings.model_copy(update={"folder": FolderSettings(inbox=inbox)}))
    assert mode(inbox) == 0o700


def test_a_folder_that_cannot_be_closed_is_named_by_its_setting(tmp_path: Path) -> None:
    shared = opened(tmp_path / "archive", 0o1777)
    with capture_logs() as lines:
        make_private(Settings(data_folder=tmp_path / "data", folder=FolderSettings(archive=shared)))
    assert [(line["event"], line["setting"]) for line in lines] == [("folder_not_private", "folder.archive")]


def test_what_is_taken_in_is_closed(tmp_path: Path) -> None:
    delivered = write_study(tmp_path / "made", derived_uid("closed"))
    for path in delivered:
        path.chmod(0o644)
    opened(tmp_path / "archive", 0o755)
    (study_uid,) = FolderArchive(tmp_path / "archive").take_in(delivered)
    kept = tmp_path / "archive" / study_uid
    assert mode(kept) == 0o700
    assert {mode(path) for path in kept.iterdir()} == {0o600}


def test_what_another_user_delivered_is_kept_as_a_file_of_the_services_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered = write_study(tmp_path / "made", derived_uid("another user's"), n_images=1)
    delivered[0].chmod(0o644)
    of_another = delivered[0].stat().st_ino
    chmod = Path.chmod

    def only_own(path: Path, rights: int) -> None:
        if path.stat().st_ino == of_another:
            raise PermissionError(1, "Operation not permitted")
        chmod(path, rights)

    monkeypatch.setattr(Path, "chmod", only_own)
    (study_uid,) = FolderArchive(tmp_path / "archive").take_in(delivered)
    (kept,) = (tmp_path / "archive" / study_uid).iterdir()
    assert (mode(kept), kept.stat().st_ino != of_another) == (0o600, True)
    assert not delivered[0].exists()


def test_an_audit_file_is_closed_and_the_folder_it_lies_in_is_others_business(tmp_path: Path) -> None:
    logs = opened(tmp_path / "log", 0o755)
    (logs / "audit.log").touch()
    (logs / "audit.log").chmod(0o644)
    AuditTrail(logs / "audit.log", "here").record(AuditEvent(Act.STARTED, "worker-1"))
    assert (mode(logs), mode(logs / "audit.log")) == (0o755, 0o600)
