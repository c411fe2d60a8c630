"""A service is backed up while it works, loses everything, and is restored: nothing lost, nothing doubled."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cvai.archive.folder.archive import FolderArchive
from cvai.cli.main import app
from cvai.jobs.job import JobState
from cvai.jobs.ledger import JobRecord
from cvai.settings import load_settings
from tests.postgres import fresh_database, needs_postgres
from tests.process import Process, eventually, jobs_at
from tests.standin import derived_uid, write_study


@dataclass
class Site:
    """A service whose archive may lie in its data folder or not, and its database anywhere."""

    root: Path
    database_url: str = ""
    archive_inside: bool = False
    services: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data = self.root / "data"
        self.config = self.root / "service.toml"
        place = "" if self.archive_inside else f'archive = "{self.root / "archive"}"\n'
        url = f'database_url = "{self.database_url}"\n' if self.database_url else ""
        self.config.write_text(
            f'data_folder = "{self.data}"\npoll_interval_s = 0.1\nshutdown_grace_s = 1\n{url}'
            f"heartbeat_s = 0.5\n[folder]\nsettle_s = 0.3\n{place}[retry]\nattempts = 2\nfirst_wait_s = 0.1\n"
        )
        self.settings = load_settings(self.config)
        self.archive = FolderArchive(self.settings.archive_folder)
        self.log = self.root / "analyses.log"

    def start(self) -> Process:
        command = [sys.executable, "-m", "tests.service", self.config, self.log, "pause:0.2"]
        self.services.append(Process(command, self.root / f"service-{len(self.services)}.log"))
        return self.services[-1]

    def deliver(self, study_uid: str) -> None:
        made = write_study(self.root / "made" / study_uid, study_uid)
        hidden = self.settings.inbox_folder / f".{study_uid}"
        hidden.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(made[0].parent, hidden)
        hidden.rename(hidden.with_name(study_uid))

    def jobs(self) -> dict[str, JobRecord]:
        found = jobs_at(self.settings.jobs_database_url)
        assert len({record.job.study_uid for record in found}) == len(found), "a study has one job"
        return {record.job.study_uid: record for record in found}

    def analysed(self, study_uids: set[str]) -> dict[str, JobRecord]:
        def look() -> dict[str, JobRecord] | None:
            ended = {uid: r for uid, r in self.jobs().items() if r.outcome.state is JobState.ANALYSED}
            return ended if study_uids <= ended.keys() else None

        return eventually(look, f"{len(study_uids)} studies to be analysed")

    def documents(self, study_uid: str) -> list[str]:
        content = self.archive.content(study_uid)
        return sorted(i.sop_instance_uid for i in content.instances if not i.is_source)

    def run(self, *arguments: str | Path) -> dict[str, Any]:
        done = CliRunner().invoke(app, [*map(str, arguments), "--json", "--config", str(self.config)])
        assert done.exit_code == 0, (done.output, done.exception)
        return dict(json.loads(done.stdout))

    def reports(self) -> dict[str, bool]:
        """Whether every file that a job speaks of lies in the results folder."""
        return {
            uid: all(
                (self.settings.results_folder / path).is_file()
                for path in (r.outcome.result, *(item.path for item in r.outcome.objects))
            )
            for uid, r in self.jobs().items()
        }


@pytest.fixture(
    params=[
        "archive elsewhere",
        "archive inside",
        pytest.param("postgres", marks=needs_postgres),
    ]
)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    if request.param == "postgres":
        with fresh_database(request.getfixturevalue("postgres_server")) as url:
            made = Site(tmp_path, url)
            yield made
    else:
        made = Site(tmp_path, archive_inside=request.param == "archive inside")
        yield made
    for service in made.services:
        if service.died() is None:
            service.kill()


def test_a_service_backed_up_at_work_and_destroyed_comes_back_with_nothing_lost_and_nothing_doubled(
    site: Site, request: pytest.FixtureRequest
) -> None:
    names = [f"{request.node.name} {number}" for number in range(8)]
    before, during, after = (
        {derived_uid(name) for name in names[:3]},
        {derived_uid(name) for name in names[3:7]},
        {derived_uid(names[7])},
    )
    service = site.start()
    for uid in before:
        site.deliver(uid)
    site.analysed(before)
    for uid in during:
        site.deliver(uid)
    eventually(lambda: len(site.jobs()) > len(before), "more studies to be at work on")
    backup = site.root / "backup"
    manifest = site.run("backup", backup)
    assert manifest["left_out"].keys() <= {"archive", "inbox"}
    for uid in after:
        site.deliver(uid)
    everything = before | during | after
    as_it_was = site.analysed(everything)
    objects = {uid: site.documents(uid) for uid in everything}
    service.kill()

    shutil.rmtree(site.data)
    replace = ["--replace"] if site.database_url else []
    site.run("restore", backup, *replace)
    if site.archive_inside:
        site.deliver(next(iter(after)))  # it was in what was destroyed: its sender sends it again
    begun_before = Counter(site.log.read_text().splitlines())
    site.start()
    as_it_is = site.analysed(everything)

    assert {u: r.job for u, r in as_it_is.items()} == {u: r.job for u, r in as_it_was.items()}
    assert {u: r.outcome for u, r in as_it_is.items()} == {u: r.outcome for u, r in as_it_was.items()}
    assert {uid: site.documents(uid) for uid in everything} == objects
    assert site.reports() == dict.fromkeys(everything, True)
    begun_again = Counter(site.log.read_text().splitlines()) - begun_before
    assert not [job for job in begun_again if job.partition("-")[0] in before], "what had ended is not redone"


def test_a_restore_beside_a_running_service_and_over_its_data_is_refused(site: Site, tmp_path: Path) -> None:
    uid = derived_uid(str(tmp_path))
    service = site.start()
    site.deliver(uid)
    site.analysed({uid})
    backup = site.root / "backup"
    site.run("backup", backup)
    command = ["restore", str(backup), "--config", str(site.config)]
    running = CliRunner().invoke(app, [*command, "--replace"])
    assert getattr(running.exception, "code", "") == "service_running"
    service.stop()
    standing = CliRunner().invoke(app, command)
    assert getattr(standing.exception, "code", "") == "data_folder_not_empty"
    assert site.jobs().keys() == {uid}
    done = site.run(*command[:2], "--replace")
    assert Path(done["replaced"]).is_dir()
    site.start()
    site.analysed({uid})
    assert site.reports() == {uid: True}
    assert len(site.log.read_text().splitlines()) == 1, "it was analysed before the copy"
