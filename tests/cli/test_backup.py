"""``cvai backup`` and ``cvai restore`` as a person and as a program use them."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cvai.cli.main import app
from cvai.cli.page import session_limits
from cvai.review.database import Database
from cvai.review.server import DATABASE_NAME
from cvai.review.sign_in.accounts import Accounts, Role
from cvai.settings import Settings, load_settings
from tests.conftest import ROOT
from tests.jobs.conftest import Bench
from tests.standin import derived_uid, write_study

STUDY = derived_uid("cli backup")
runner = CliRunner()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A data folder in which one study was analysed, with a reader who is signed in."""
    config = tmp_path / "service.toml"
    config.write_text(f'data_folder = "{tmp_path / "data"}"\n')
    settings = load_settings(config)
    settings.data_folder.mkdir()
    bench = Bench(settings.data_folder)
    bench.receive(write_study(tmp_path / "src", STUDY))
    engine = bench.start()
    engine.submit(bench.job(STUDY))
    bench.ended(bench.job(STUDY))
    bench.stop()
    database = Database(settings.data_folder / DATABASE_NAME)
    accounts = Accounts(database, session_limits(settings))
    accounts.begin(accounts.reader_of(accounts.add("hart", Role.REVIEWER, "Hart^Ada")))
    database.close()
    return settings


def run(tmp_path: Path, *arguments: str) -> str:
    done = runner.invoke(app, [*arguments, "--config", str(tmp_path / "service.toml")])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


@pytest.mark.slow
def test_a_person_is_told_what_was_copied_and_put_back(settings: Settings, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    told = run(tmp_path, "backup", str(backup))
    assert f"MB in {backup}" in told
    assert "left out" not in told
    assert "whole:" in run(tmp_path, "restore", str(backup), "--check")
    shutil.rmtree(settings.data_folder)
    told = run(tmp_path, "restore", str(backup))
    assert "restored:" in told
    assert "service.toml" in told, "the configuration is not put anywhere"
    assert STUDY in run(tmp_path, "jobs", "list")


@pytest.mark.slow
def test_a_program_reads_the_manifest(settings: Settings, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    made = json.loads(run(tmp_path, "backup", str(backup), "--without", "results", "--json"))
    assert made["backup"] == str(backup)
    assert made["left_out"].keys() == {"results"}
    assert made == {"backup": str(backup), **json.loads((backup / "manifest.json").read_text())}
    restored = json.loads(run(tmp_path, "restore", str(backup), "--replace", "--json"))
    assert restored["state"] == "restored"
    assert Path(restored["replaced"]).is_dir()


@pytest.mark.slow
def test_who_was_signed_in_signs_in_anew(settings: Settings, tmp_path: Path) -> None:
    run(tmp_path, "backup", str(tmp_path / "backup"))
    run(tmp_path, "restore", str(tmp_path / "backup"), "--replace")
    with closing(sqlite3.connect(settings.data_folder / DATABASE_NAME)) as page:
        assert page.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
        assert page.execute("SELECT name FROM readers").fetchall() == [("hart",)]


def test_both_are_in_the_audit_trail(settings: Settings, tmp_path: Path) -> None:
    run(tmp_path, "backup", str(tmp_path / "backup"))
    assert "Backup of all studies" in (tmp_path / "backup" / "data" / "audit.log").read_text()
    run(tmp_path, "restore", str(tmp_path / "backup"), "--replace")
    backed_up, restored = settings.audit_file.read_text().splitlines()
    assert "Backup of all studies" in backed_up
    assert "Restore of all studies" in restored


@pytest.mark.slow
def test_results_that_were_left_out_are_made_again_as_asked_for(settings: Settings, tmp_path: Path) -> None:
    run(tmp_path, "backup", str(tmp_path / "backup"), "--without", "results")
    shutil.rmtree(settings.data_folder)
    run(tmp_path, "restore", str(tmp_path / "backup"))
    assert not settings.results_folder.exists()
    retried = json.loads(run(tmp_path, "jobs", "retry", "--missing-results", "--json"))
    assert [job["study_uid"] for job in retried] == [STUDY]
    bench = Bench(settings.data_folder)
    bench.start()
    record = bench.ended(bench.job(STUDY))
    bench.stop()
    assert (settings.results_folder / record.outcome.result).is_file()
    assert json.loads(run(tmp_path, "jobs", "retry", "--missing-results", "--json")) == []
    assert len(list((settings.archive_folder / STUDY).iterdir())) == 4, "nothing is stored twice"


@pytest.mark.slow
def test_an_error_has_a_code_a_hint_and_a_status(settings: Settings, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cvai", "restore", str(tmp_path), "--config"]
    ended = subprocess.run(
        [*command, str(tmp_path / "service.toml")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "not_a_backup" in ended.stderr
    assert "hint:" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_help_shows_how(command: str) -> None:
    assert f"Example: cvai {command} /backup" in runner.invoke(app, [command, "--help"]).stdout
