"""From "this study has settled" to a queued job."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import structlog

from cvai.archive.content import names_a_study
from cvai.archive.port import Archive, StudyFeed
from cvai.engine.job import UNLISTED, StudyJob
from cvai.engine.rules import Decision, Priority, Rules
from cvai.errors import ArchiveRejected, TemporarilyUnavailable

log = structlog.get_logger(__name__)

ANALYSE_ALL = Rules()

Submit = Callable[[StudyJob, Priority], bool]


def follow(
    feed: StudyFeed, archive: Archive, submit: Submit, model_sha256: str, rules: Rules = ANALYSE_ALL
) -> bool:
    """Queue a job for every study that has settled, then acknowledge; True when more are waiting.

    The feed is acknowledged only when every job stands in the database: a crash before that announces the
    studies again, and jobs that stand already are not queued twice. Results that cvai itself stored make the
    archive announce their study too; its sources are the same, so its job is the same.

    A study whose StudyInstanceUID is none is left out: it would name folders, and what a log says could be a
    patient's name.

    A study that the archive will not list while it lists others, or rejects though it is well, must not hold
    others up: it is queued unlisted, and its job does the waiting, and asks the rules.

    Raises:
        TemporarilyUnavailable, ArchiveRejected: see ``StudyFeed`` and ``Archive``; nothing is acknowledged.
    """
    announcements = feed.poll()
    for job, priority in _jobs(announcements.study_uids, archive, model_sha256, rules):
        submit(job, priority)
    feed.acknowledge(announcements)
    return announcements.more


def _jobs(
    study_uids: Sequence[str], archive: Archive, model_sha256: str, rules: Rules
) -> list[tuple[StudyJob, Priority]]:
    """A job for every study that holds images and that no rule leaves alone."""
    jobs, failures = [], []
    for study_uid in study_uids:
        if not names_a_study(study_uid):
            log.warning("study_uid_invalid", sha256=hashlib.sha256(study_uid.encode()).hexdigest())
            continue
        try:
            content = archive.content(study_uid)
            decision = rules.decide(archive.traits(study_uid)) if rules and content.sources else Decision()
        except (TemporarilyUnavailable, ArchiveRejected) as error:
            log.warning("study_not_listed", study=study_uid, code=error.code)
            failures.append(error)
            jobs.append((StudyJob(study_uid, UNLISTED, model_sha256), Priority.ROUTINE))
            continue
        if not content.sources:
            log.info("study_without_images", study=study_uid, instances=len(content.instances))
        elif not decision.analyse:
            log.info("study_left_alone", study=study_uid, rule=decision.rule)
        else:
            jobs.append((StudyJob(study_uid, content.digest, model_sha256), decision.priority))
    if failures and len(failures) == len(study_uids):
        _require_well(archive, failures[0])
    return jobs


def _require_well(archive: Archive, failure: TemporarilyUnavailable | ArchiveRejected) -> None:
    """Of all that was announced nothing could be listed: is that the studies or the archive?

    Raises:
        TemporarilyUnavailable, ArchiveRejected: it is the archive.
    """
    if isinstance(failure, TemporarilyUnavailable):
        raise failure
    archive.probe()
