"""From "this study has settled" to a queued job."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from cvai.archive.port import Archive, StudyFeed
from cvai.engine.job import UNLISTED, StudyJob
from cvai.errors import ArchiveRejected, TemporarilyUnavailable

log = structlog.get_logger(__name__)

Submit = Callable[[StudyJob], bool]


def follow(feed: StudyFeed, archive: Archive, submit: Submit, model_sha256: str) -> bool:
    """Queue a job for every study that has settled, then acknowledge; True when more are waiting.

    The feed is acknowledged only when every job stands in the database: a crash before that announces the
    studies again, and jobs that stand already are not queued twice. Results that cvai itself stored make the
    archive announce their study too; its sources are the same, so its job is the same.

    A study that the archive will not list, while it lists others, must not hold those up: it is queued
    unlisted, and its job does the waiting.

    Raises:
        TemporarilyUnavailable, ArchiveRejected: see ``StudyFeed`` and ``Archive``; nothing is acknowledged.
    """
    announcements = feed.poll()
    jobs = _jobs(announcements.study_uids, archive, model_sha256)
    for job in jobs:
        submit(job)
    feed.acknowledge(announcements)
    return announcements.more


def _jobs(study_uids: Sequence[str], archive: Archive, model_sha256: str) -> list[StudyJob]:
    """A job for every study that holds images."""
    jobs, failures = [], []
    for study_uid in study_uids:
        try:
            content = archive.content(study_uid)
        except (TemporarilyUnavailable, ArchiveRejected) as error:
            log.warning("study_not_listed", study=study_uid, code=error.code)
            failures.append(error)
            jobs.append(StudyJob(study_uid, UNLISTED, model_sha256))
            continue
        if content.sources:
            jobs.append(StudyJob(study_uid, content.digest, model_sha256))
        else:
            log.info("study_without_images", study=study_uid, instances=len(content.instances))
    if failures and len(failures) == len(study_uids):
        raise failures[0]  # not one study but the archive is unwell
    return jobs
