"""From announcements to jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cvai.archive.content import StudyContent
from cvai.archive.folder.archive import FolderArchive
from cvai.archive.port import Announcements, ArchiveProbe
from cvai.errors import ArchiveRejected, CvaiError, TemporarilyUnavailable
from cvai.jobs.feeds import follow
from cvai.jobs.job import UNLISTED, StudyJob
from cvai.jobs.rules import Priority
from tests.standin import derived_uid, installed, write_image, write_segmentation, write_study

ANALYSES = [installed(model_sha256="m" * 64)]
STUDY, OTHER = derived_uid("feeds"), derived_uid("feeds other")


@dataclass
class Told:
    """A feed that tells what it was given, and remembers what was acknowledged."""

    study_uids: tuple[str, ...]
    acknowledged: list[Announcements] = field(default_factory=list)

    def poll(self) -> Announcements:
        return Announcements(self.study_uids, {"at": 1})

    def acknowledge(self, announcements: Announcements) -> None:
        self.acknowledged.append(announcements)


@pytest.fixture
def archive(tmp_path: Path) -> FolderArchive:
    made = FolderArchive(tmp_path / "archive")
    made.take_in(write_study(tmp_path / "src", STUDY, 2))
    return made


def test_every_settled_study_is_queued_as_it_stands(archive: FolderArchive, tmp_path: Path) -> None:
    archive.take_in(write_study(tmp_path / "other", OTHER, 2))
    queued: list[StudyJob] = []
    feed = Told((STUDY, OTHER))
    follow(feed, archive, lambda job, _: not queued.append(job), ANALYSES)
    assert [job.study_uid for job in queued] == [STUDY, OTHER]
    assert queued[0].digest == archive.content(STUDY).digest
    assert len(feed.acknowledged) == 1


def test_a_study_of_results_alone_is_no_job(archive: FolderArchive, tmp_path: Path) -> None:
    archive.take_in([write_segmentation(tmp_path, OTHER)])
    queued: list[StudyJob] = []
    follow(Told((OTHER,)), archive, lambda job, _: not queued.append(job), ANALYSES)
    assert queued == []


def test_a_stored_result_asks_for_the_job_that_stands_already(archive: FolderArchive, tmp_path: Path) -> None:
    queued: list[StudyJob] = []
    follow(Told((STUDY,)), archive, lambda job, _: not queued.append(job), ANALYSES)
    archive.store(STUDY, [write_segmentation(tmp_path, STUDY)])
    follow(Told((STUDY,)), archive, lambda job, _: not queued.append(job), ANALYSES)
    assert queued[0].job_id == queued[1].job_id


def test_a_late_image_or_another_model_asks_for_another_job(archive: FolderArchive, tmp_path: Path) -> None:
    queued: list[StudyJob] = []
    follow(Told((STUDY,)), archive, lambda job, _: not queued.append(job), ANALYSES)
    follow(Told((STUDY,)), archive, lambda job, _: not queued.append(job), [installed(model_sha256="n" * 64)])
    archive.take_in([write_image(tmp_path, STUDY, 3)])
    follow(Told((STUDY,)), archive, lambda job, _: not queued.append(job), ANALYSES)
    assert len({job.job_id for job in queued}) == 3


BUSY = TemporarilyUnavailable("archive_busy", "the archive answered 500.")
REJECTED = ArchiveRejected("archive_rejected", "the archive answered 400.")
DENIED = ArchiveRejected("archive_denied", "the archive answered 401.")


@dataclass
class Unlisting:
    """An archive that will not list some studies, and may not answer at all."""

    real: FolderArchive
    broken: tuple[str, ...]
    failure: Exception = BUSY
    probed: CvaiError | None = None

    def content(self, study_uid: str) -> StudyContent:
        if study_uid in self.broken:
            raise self.failure
        return self.real.content(study_uid)

    def probe(self) -> ArchiveProbe:
        if self.probed is not None:
            raise self.probed
        return self.real.probe()

    def __getattr__(self, name: str) -> Callable[..., object]:
        return getattr(self.real, name)


def test_a_study_the_archive_will_not_list_does_not_hold_up_the_others(archive: FolderArchive) -> None:
    queued: list[StudyJob] = []
    feed = Told((OTHER, STUDY))
    follow(feed, Unlisting(archive, (OTHER,)), lambda job, _: not queued.append(job), ANALYSES)
    assert [(job.study_uid, job.digest) for job in queued] == [
        (OTHER, UNLISTED),
        (STUDY, archive.content(STUDY).digest),
    ]
    assert len(feed.acknowledged) == 1


def test_a_defect_that_one_study_meets_does_not_hold_up_the_others(archive: FolderArchive) -> None:
    queued: list[StudyJob] = []
    feed = Told((OTHER, STUDY))
    with capture_logs() as lines:
        broken = Unlisting(archive, (OTHER,), ValueError("Doe^John"))
        follow(feed, broken, lambda job, _: not queued.append(job), ANALYSES)
    assert [(job.study_uid, job.digest == UNLISTED) for job in queued] == [(OTHER, True), (STUDY, False)]
    assert len(feed.acknowledged) == 1
    (line,) = (line for line in lines if line["event"] == "study_broke")
    assert (line["study"], line["error"]) == (OTHER, "ValueError")
    assert "Doe" not in str(line)


def test_a_disk_that_fails_is_waited_for(archive: FolderArchive) -> None:
    feed = Told((STUDY,))
    with pytest.raises(OSError, match="Input/output"):
        follow(
            feed, Unlisting(archive, (STUDY,), OSError(5, "Input/output error")), lambda *_: True, ANALYSES
        )
    assert feed.acknowledged == []


def test_a_study_that_the_archive_rejects_alone_is_its_jobs_to_tell(archive: FolderArchive) -> None:
    queued: list[StudyJob] = []
    feed = Told((OTHER,))
    follow(feed, Unlisting(archive, (OTHER,), REJECTED), lambda job, _: not queued.append(job), ANALYSES)
    assert [(job.study_uid, job.digest) for job in queued] == [(OTHER, UNLISTED)]
    assert len(feed.acknowledged) == 1


def test_an_archive_that_rejects_whatever_is_asked_is_waited_for(archive: FolderArchive) -> None:
    feed = Told((OTHER,))
    with pytest.raises(ArchiveRejected):
        follow(feed, Unlisting(archive, (OTHER,), DENIED, DENIED), lambda *_: True, ANALYSES)
    assert feed.acknowledged == []


@pytest.mark.parametrize("named", ["../../../etc", "1.2/840", "1.2 840", "Doe^John", "", "1" * 65])
def test_what_is_no_uid_names_no_job_and_holds_nothing_up(
    archive: FolderArchive, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    queued: list[StudyJob] = []
    feed = Told((named, STUDY))
    follow(feed, archive, lambda job, _: not queued.append(job), ANALYSES)
    assert [job.study_uid for job in queued] == [STUDY]
    assert len(feed.acknowledged) == 1
    logged = capsys.readouterr().out
    assert "study_uid_invalid" in logged
    assert "Doe" not in logged


def test_an_archive_that_lists_nothing_is_waited_for(archive: FolderArchive) -> None:
    feed = Told((OTHER, STUDY))
    with pytest.raises(TemporarilyUnavailable):
        follow(feed, Unlisting(archive, (OTHER, STUDY)), lambda *_: True, ANALYSES)
    assert feed.acknowledged == []


def test_nothing_is_acknowledged_when_a_job_could_not_be_queued(archive: FolderArchive) -> None:
    def unavailable(job: StudyJob, priority: Priority) -> bool:
        raise TemporarilyUnavailable("archive_busy", "later.")

    feed = Told((STUDY,))
    with pytest.raises(TemporarilyUnavailable):
        follow(feed, archive, unavailable, ANALYSES)
    assert feed.acknowledged == []
