"""From "this study has settled" to a queued job."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from cvai.archive.port import Archive, StudyFeed
from cvai.engine.job import StudyJob

log = structlog.get_logger(__name__)

Submit = Callable[[StudyJob], bool]


def follow(feed: StudyFeed, archive: Archive, submit: Submit, model_sha256: str) -> int:
    """Queue a job for every study that has settled, then acknowledge; returns how many jobs are new.

    The feed is acknowledged only when every job stands in the database: a crash before that announces the
    studies again, and jobs that stand already are not queued twice. Results that cvai itself stored make the
    archive announce their study too; its sources are the same, so its job is the same.

    Raises:
        TemporarilyUnavailable, ArchiveRejected: see ``StudyFeed`` and ``Archive``; nothing is acknowledged.
    """
    announcements = feed.poll()
    new = 0
    for study_uid in announcements.study_uids:
        content = archive.content(study_uid)
        if not content.sources:
            log.info("study_without_images", study=study_uid, instances=len(content.instances))
        elif submit(StudyJob(study_uid, content.digest, model_sha256)):
            new += 1
    feed.acknowledge(announcements)
    return new
