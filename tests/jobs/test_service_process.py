"""The service as a process, on the embedded archive, with the stand-in analysis: crashes and restarts."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cvai.archive.folder.archive import FolderArchive
from cvai.jobs.analysis_slots import MAX_DEATHS, UnendedAnalyses
from cvai.jobs.job import JobState
from cvai.jobs.ledger import JobRecord
from cvai.jobs.stops import Stop, Stops
from cvai.settings import load_settings
from tests.process import Process, closing_database, ended_jobs, eventually, jobs
from tests.standin import KIND, derived_uid, write_image, write_study

pytestmark = pytest.mark.servers


class Site:
    """A data folder, a configuration, and services one after the other on them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "service.toml"
        self.config.write_text(
            f'data_folder = "{root / "data"}"\npoll_interval_s = 0.1\nshutdown_grace_s = 1\n'
            "[folder]\nsettle_s = 0.3\n[retry]\nattempts = 2\nfirst_wait_s = 0.1\n"
        )
        self.settings = load_settings(self.config)
        self.archive = FolderArchive(self.settings.archive_folder)
        self.log = root / "analyses.log"
        self.gate = root / "gate"
        self.services: list[Process] = []

    def start(self, gate: Path | str = "", worker_name: str = "worker-1") -> Process:
        config = self.root / f"{worker_name}.toml"
        config.write_text(f'worker_name = "{worker_name}"\n{self.config.read_text()}')
        command = [sys.executable, "-m", "tests.service", config, self.log, *([gate] if gate else [])]
        self.services.append(Process(command, self.root / f"service-{len(self.services)}.log"))
        return self.services[-1]

    def deliver(self, paths: list[Path]) -> None:
        """Drop a folder into the inbox, as a person would."""
        folder = self.settings.inbox_folder / paths[0].parent.name
        folder.mkdir(parents=True)
        for path in paths:
            shutil.copy(path, folder)

    def begun(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def ended(self, n: int = 1) -> list[JobRecord]:
        return ended_jobs(self.settings.data_folder, n)

    def documents(self, study_uid: str) -> list[str]:
        content = self.archive.content(study_uid)
        return [i.sop_instance_uid for i in content.instances if not i.is_source]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    for service in made.services:
        if service.died() is None:
            service.kill()


@pytest.fixture
def study_uid(request: pytest.FixtureRequest) -> str:
    return derived_uid(request.node.nodeid)


def test_killed_in_mid_analysis_and_started_again_there_is_one_result(
    site: Site, study_uid: str, tmp_path: Path
) -> None:
    service = site.start(site.gate)
    site.deliver(write_study(tmp_path / "a", study_uid))
    eventually(site.begun, "the analysis to begin")
    service.kill()
    site.gate.touch()
    assert site.documents(study_uid) == []
    site.start(site.gate)
    (record,) = site.ended()
    assert record.outcome.state is JobState.ANALYSED
    assert record.attempts == 2
    assert site.begun() == [record.job.job_id] * 2, "steps are at least once, and this one was cut off"
    assert site.documents(study_uid) == [record.outcome.objects[0].sop_instance_uid]


def test_studies_delivered_while_nobody_served_are_all_analysed(
    site: Site, study_uid: str, tmp_path: Path
) -> None:
    uids = [derived_uid(study_uid, str(number)) for number in range(4)]
    for number, uid in enumerate(uids):
        site.deliver(write_study(tmp_path / f"d{number}", uid))
    site.start().kill()
    site.start()
    site.ended(4)
    assert all(len(site.documents(uid)) == 1 for uid in uids)


def test_a_stopped_service_ends_in_time_and_its_job_goes_on_at_the_next_start(
    site: Site, study_uid: str, tmp_path: Path
) -> None:
    service = site.start(site.gate)
    site.deliver(write_study(tmp_path / "a", study_uid))
    eventually(site.begun, "the analysis to begin")
    assert service.stop() == 0
    assert service.events("stopped")[0]["cut_off"] is True
    site.gate.touch()
    site.start(site.gate)
    (record,) = site.ended()
    assert record.outcome.state is JobState.ANALYSED
    assert len(site.documents(study_uid)) == 1


def test_a_stop_made_while_a_study_is_analysed_holds_for_it(
    site: Site, study_uid: str, tmp_path: Path
) -> None:
    site.start(site.gate)
    site.deliver(write_study(tmp_path / "a", study_uid))
    eventually(site.begun, "the analysis to begin")
    with closing_database(site.settings.jobs_database_url) as database:
        Stops(database).stop(KIND, Stop("bias", "chief", datetime(2026, 3, 1, tzinfo=UTC)))
    site.gate.touch()
    (record,) = site.ended()
    assert (record.outcome.state, record.outcome.code) == (JobState.WITHHELD, "analysis_stopped")
    assert site.documents(study_uid) == []


def test_a_study_that_kills_its_worker_each_time_becomes_a_dead_letter_and_the_one_beside_it_goes_on(
    site: Site, study_uid: str, tmp_path: Path
) -> None:
    deadly, other = derived_uid(study_uid, "deadly"), derived_uid(study_uid, "other")
    for uid in (deadly, other):
        site.deliver(write_study(tmp_path / uid, uid))

    def both_have_ended() -> bool:
        return sum(record.ended_at is not None for record in jobs(site.settings.data_folder)) == 2

    eventually(site.start(f"die:{deadly}").died, "the first death")
    with closing_database(site.settings.jobs_database_url) as database:
        for _ in range(MAX_DEATHS - 2):  # all further deaths but the last: each would take seconds
            UnendedAnalyses(database).begun(next(id for id in site.begun() if id.startswith(deadly)))
    while not both_have_ended():
        service = site.start(f"die:{deadly}")
        eventually(
            lambda service=service: service.died() is not None or both_have_ended(), "a death or the end"
        )
        assert len(site.services) < 10
    outcomes = {record.job.study_uid: record.outcome for record in site.ended(2)}
    assert (outcomes[deadly].state, outcomes[deadly].code) == (JobState.DEAD_LETTER, "worker_died")
    assert outcomes[other].state is JobState.ANALYSED
    begun = Counter(line.partition("-")[0] for line in site.begun())
    assert begun == {deadly: 2, other: 2}, "once beside each other, and once alone"


def test_files_that_are_no_dicom_end_as_a_refused_job_of_their_own(
    site: Site, study_uid: str, tmp_path: Path
) -> None:
    good = write_study(tmp_path / "a", study_uid)
    junk = tmp_path / "a" / "Doe^John.txt"
    junk.write_text("hello")
    site.deliver([*good, junk])
    service = site.start()
    outcomes = {r.job.study_uid: r.outcome for r in site.ended(2)}
    assert outcomes.pop(study_uid).state is JobState.ANALYSED
    ((unreadable, outcome),) = outcomes.items()
    assert unreadable.startswith("unreadable-")
    assert (outcome.state, outcome.code) == (JobState.REFUSED, "not_dicom")
    service.stop()
    assert "Doe" not in (tmp_path / "service-0.log").read_text()


def test_a_late_slice_in_the_inbox_is_analysed_anew(site: Site, study_uid: str, tmp_path: Path) -> None:
    site.start()
    site.deliver(write_study(tmp_path / "a", study_uid, 3))
    site.ended(1)
    site.deliver([write_image(tmp_path / "late", study_uid, 4)])
    newest, oldest = site.ended(2)
    assert newest.outcome.state is JobState.ANALYSED
    assert oldest.outcome.state is JobState.SUPERSEDED
    assert len(site.documents(study_uid)) == 2


def test_two_workers_share_the_queue_and_never_a_job(site: Site, study_uid: str, tmp_path: Path) -> None:
    site.config.write_text(f"jobs_at_once = 1\n{site.config.read_text()}")
    for name in ("worker-1", "worker-2"):
        site.start(site.gate, name)
    for number in range(4):
        site.deliver(write_study(tmp_path / f"d{number}", derived_uid(study_uid, str(number))))
    eventually(lambda: len(site.begun()) == 2, "each worker to begin")
    site.gate.touch()
    records = site.ended(4)
    assert {record.worker for record in records} == {"worker-1", "worker-2"}
    assert sorted(site.begun()) == sorted(record.job.job_id for record in records)


def test_a_second_service_on_the_same_data_folder_does_not_start(site: Site, tmp_path: Path) -> None:
    first = site.start()
    eventually(lambda: first.events("serving"), "the first to serve")
    second = site.start()
    assert eventually(second.died, "the second to give up") == 1
    assert first.died() is None


def test_a_database_put_back_to_an_earlier_time_leaves_no_study_out(
    site: Site, study_uid: str, tmp_path: Path
) -> None:
    before, after = derived_uid(study_uid, "before"), derived_uid(study_uid, "after")
    data = site.settings.data_folder
    service = site.start()
    site.deliver(write_study(tmp_path / "before", before))
    site.ended(1)
    service.stop()
    shutil.copy(data / "jobs.sqlite", tmp_path / "copy")
    service = site.start()
    site.deliver(write_study(tmp_path / "after", after))
    site.ended(2)
    service.stop()
    shutil.copy(tmp_path / "copy", data / "jobs.sqlite")
    site.start()
    assert {record.job.study_uid for record in site.ended(2)} == {before, after}
    assert [len(site.documents(uid)) for uid in (before, after)] == [1, 1]
    assert sum(line.startswith(before) for line in site.begun()) == 1, "known studies are not analysed again"
