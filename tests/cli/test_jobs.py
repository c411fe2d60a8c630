"""``cvai jobs`` and ``cvai doctor`` as a person and as a program read them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cvai.cli.main import app
from cvai.cli.serve import run_service
from cvai.doctor.checks import Check, check_archive, check_clock, check_disk, check_inbox
from cvai.errors import ConfigurationInvalid
from cvai.settings import Settings, load_settings
from tests.hl7_receiver import running_receiver
from tests.jobs.conftest import Bench
from tests.orthanc import free_port
from tests.standin import KIND, derived_uid, write_study

GOOD, BAD = derived_uid("cli good"), derived_uid("cli bad")
runner = CliRunner()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration of a data folder in which one study was analysed and one refused."""
    data_folder = tmp_path / "data"
    data_folder.mkdir()
    bench = Bench(data_folder)
    bench.receive(write_study(tmp_path / "good", GOOD, 3))
    bench.receive(write_study(tmp_path / "bad", BAD, 1))
    engine = bench.start()
    for study_uid in (GOOD, BAD):
        engine.submit(bench.job(study_uid))
    for study_uid in (GOOD, BAD):
        bench.ended(bench.job(study_uid))
    bench.stop()
    path = tmp_path / "service.toml"
    path.write_text(f'data_folder = "{data_folder}"\n')
    return path


@pytest.mark.slow
def test_jobs_are_listed_shown_and_retried(config: Path) -> None:
    listed = runner.invoke(app, ["jobs", "list", "--config", str(config)])
    assert listed.exit_code == 0
    assert GOOD in listed.stdout, "a UID is there to be copied and is never cut"
    assert "too_few_slices" in listed.stdout

    as_json = runner.invoke(app, ["jobs", "list", "--json", "--state", "refused", "--config", str(config)])
    (refused,) = json.loads(as_json.stdout)
    assert (refused["study_uid"], refused["state"]) == (BAD, "refused")

    shown = runner.invoke(app, ["jobs", "show", GOOD, "--json", "--config", str(config)])
    (job,) = json.loads(shown.stdout)
    assert job["kind"] == KIND
    assert Path(job["result"]).is_file()
    assert [item["kind"] for item in job["objects"]] == ["pdf"]

    by_code = runner.invoke(
        app, ["jobs", "list", "--json", "--code", "no_such_code", "--config", str(config)]
    )
    assert json.loads(by_code.stdout) == []

    by_id = runner.invoke(app, ["jobs", "show", job["job"], "--json", "--config", str(config)])
    assert json.loads(by_id.stdout) == job, "a job is an object, a study a list"

    retried = runner.invoke(app, ["jobs", "retry", BAD, "--json", "--config", str(config)])
    assert [job["state"] for job in json.loads(retried.stdout)] == ["queued"]
    again = runner.invoke(app, ["jobs", "retry", BAD, "--config", str(config)])
    assert isinstance(again.exception, ConfigurationInvalid), "it has not ended yet"


def test_every_job_that_ended_with_a_code_is_retried_at_once_and_no_other(config: Path) -> None:
    retried = runner.invoke(
        app, ["jobs", "retry", "--code", "too_few_slices", "--json", "--config", str(config)]
    )
    assert [job["study_uid"] for job in json.loads(retried.stdout)] == [BAD]
    again = runner.invoke(app, ["jobs", "retry", "--code", "too_few_slices", "--config", str(config)])
    assert (again.exit_code, again.stdout) == (0, ""), "it is queued, and has not ended again"


@pytest.mark.parametrize("arguments", [[], [BAD, "--code", "too_few_slices"]])
def test_either_a_job_or_a_code_is_retried(config: Path, arguments: list[str]) -> None:
    assert runner.invoke(app, ["jobs", "retry", *arguments, "--config", str(config)]).exit_code == 2


def checks_by_name(*arguments: str) -> tuple[int, dict[str, Check]]:
    done = runner.invoke(app, ["doctor", "--json", *arguments])
    return done.exit_code, {values["name"]: Check(**values) for values in json.loads(done.stdout)}


def test_the_doctor_finds_a_fresh_installation_well(tmp_path: Path) -> None:
    (tmp_path / "service.toml").write_text(f'data_folder = "{tmp_path / "data"}"\n')
    status, checks = checks_by_name("--config", str(tmp_path / "service.toml"))
    at_first = ["disk", "database", "stopped", "model", "intervals"]
    assert list(checks) == [*at_first, "provider", "archive", "clock", "inbox", "hl7"]
    assert [check for check in checks.values() if not check.ok] == []
    assert {name for name, check in checks.items() if not check.tried} == {
        "database",
        "intervals",
        "inbox",
        "hl7",
    }
    assert checks["provider"].detail.startswith('CPUExecutionProvider: "auto" takes the first that runs')
    assert status == 0


def test_the_doctor_names_each_thing_that_is_not_well_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").write_bytes(b"this was a database once" * 100)
    (tmp_path / "service.toml").write_text(
        f'data_folder = "{tmp_path}"\narchive = "orthanc"\nmodel = "absent"\n'
        f'[orthanc]\nurl = "http://127.0.0.1:{free_port()}"\npassword = "do-not-tell"\n'
    )
    status, checks = checks_by_name("--config", str(tmp_path / "service.toml"))
    assert status == 1
    unwell = {name for name, check in checks.items() if not check.ok}
    assert unwell == {"database", "stopped", "model", "provider", "archive", "clock"}
    assert all(checks[name].hint for name in unwell)
    assert "archive_unreachable" in checks["archive"].detail
    assert "do-not-tell" not in str(checks)


def test_the_embedded_archive_agrees_with_this_machine_about_the_time(tmp_path: Path) -> None:
    settings = Settings(data_folder=tmp_path)
    assert check_archive(settings).ok
    assert check_clock(settings).ok


def test_an_hl7_receiver_is_called_without_being_sent_anything(tmp_path: Path) -> None:
    config = tmp_path / "service.toml"
    with running_receiver() as receiver:
        config.write_text(
            f'data_folder = "{tmp_path}"\nmodel = "absent"\n'
            f'[hl7]\nhost = "127.0.0.1"\nport = {receiver.port}\n'
        )
        _, checks = checks_by_name("--config", str(config))
        assert checks["hl7"].ok
        assert checks["hl7"].detail == f"the HL7 receiver at 127.0.0.1 port {receiver.port} answers"
    assert receiver.texts == []
    _, checks = checks_by_name("--config", str(config))
    assert not checks["hl7"].ok
    assert checks["hl7"].detail.startswith("hl7_unreachable")


def test_what_cannot_be_taken_out_of_the_inbox_is_told_without_its_name(tmp_path: Path) -> None:
    settings = Settings(data_folder=tmp_path)
    assert check_inbox(settings).ok
    settings.inbox_folder.mkdir()
    assert check_inbox(settings).ok
    os.mkfifo(settings.inbox_folder / "Doe^John")
    check = check_inbox(settings)
    assert not check.ok
    inode = (settings.inbox_folder / "Doe^John").lstat().st_ino
    assert check.detail == f"{settings.inbox_folder}: pipe with inode {inode}: no file"


def test_a_full_disk_is_told_before_a_job_finds_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("cvai.doctor.checks.LEAST_FREE_GB", 1e9)
    check = check_disk(Settings(data_folder=tmp_path / "not" / "there" / "yet"))
    assert not check.ok
    assert check.hint


def test_a_data_folder_that_cannot_be_written_is_told_by_doctor_and_serve(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = tmp_path / "service.toml"
    config.write_text(f'data_folder = "{tmp_path / "file" / "data"}"\n')
    check = check_disk(load_settings(config))
    assert not check.ok
    assert str(tmp_path / "file" / "data") in check.detail
    with pytest.raises(ConfigurationInvalid) as refused:
        run_service(config, follow_feed=True)
    assert refused.value.code == "data_folder_unusable"
    assert "Not a directory" in refused.value.message
