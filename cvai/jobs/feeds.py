"""From "this study has settled" to a queued job."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import structlog

from cvai.archive.content import StudyContent, is_valid_study_uid
from cvai.archive.port import Archive, StudyFeed
from cvai.errors import ArchiveRejected, TemporarilyUnavailable
from cvai.jobs.installed import Installed, applicable
from cvai.jobs.job import UNLISTED, StudyJob
from cvai.jobs.rules import Decision, Priority, Rules

log = structlog.get_logger(__name__)

ANALYSE_ALL = Rules()

Submit = Callable[[StudyJob, Priority], bool]


def follow(
    feed: StudyFeed,
    archive: Archive,
    submit: Submit,
    analyses: Sequence[Installed],
    rules: Rules = ANALYSE_ALL,
) -> bool:
    """Queue jobs for every study that has settled, then acknowledge; True when more are waiting.

    Each analysis that may apply to a study is a job of its own; a study that none applies to makes no job.

    The feed is acknowledged only when every job stands in the database: a crash before that announces the
    studies again, and jobs that stand already are not queued twice. Results that cvai itself stored make the
    archive announce their study too; its sources are the same, so its job is the same.

    A study whose StudyInstanceUID is none is left out: it would name folders, and what a log says could be a
    patient's name.

    A study that the archive will not list while it lists others, or rejects though it is well, must not hold
    others up: all analyses are queued unlisted, and their jobs do the waiting, and ask the rules.

    Raises:
        TemporarilyUnavailable, ArchiveRejected: see ``StudyFeed`` and ``Archive``; nothing is acknowledged.
    """
    announcements = feed.poll()
    for job, priority in _jobs(announcements.study_uids, archive, analyses, rules):
        submit(job, priority)
    feed.acknowledge(announcements)
    return announcements.more


def _jobs(
    study_uids: Sequence[str], archive: Archive, analyses: Sequence[Installed], rules: Rules
) -> list[tuple[StudyJob, Priority]]:
    """The jobs of every study that holds images and that no rule leaves alone."""
    jobs: list[tuple[StudyJob, Priority]] = []
    failures = []
    for study_uid in study_uids:
        if not is_valid_study_uid(study_uid):
            log.warning("study_uid_invalid", sha256=hashlib.sha256(study_uid.encode()).hexdigest())
            continue
        try:
            content = archive.content(study_uid)
            decision = rules.decide(archive.traits(study_uid)) if rules and content.sources else Decision()
        except (TemporarilyUnavailable, ArchiveRejected) as error:
            log.warning("study_not_listed", study=study_uid, code=error.code)
            failures.append(error)
            jobs.extend((analysis.job_for(study_uid, UNLISTED), Priority.ROUTINE) for analysis in analyses)
            continue
        if decision.analyse:
            found = _applying(content, analyses)
            jobs.extend((a.job_for(study_uid, content.digest), decision.priority) for a in found)
        else:
            log.info("study_left_alone", study=study_uid, rule=decision.rule)
    if failures and len(failures) == len(study_uids):
        _require_well(archive, failures[0])
    return jobs


def _applying(content: StudyContent, analyses: Sequence[Installed]) -> tuple[Installed, ...]:
    """The analyses that may apply to a study; where there are none, the log says why."""
    if not content.sources:
        log.info("study_without_images", study=content.study_uid, instances=len(content.instances))
        return ()
    found = applicable(analyses, content)
    if not found:
        log.info("nothing_to_do", study=content.study_uid, instances=len(content.instances))
    return found


def _require_well(archive: Archive, failure: TemporarilyUnavailable | ArchiveRejected) -> None:
    """Of all that was announced nothing could be listed: is that the studies or the archive?

    Raises:
        TemporarilyUnavailable, ArchiveRejected: it is the archive.
    """
    if isinstance(failure, TemporarilyUnavailable):
        raise failure
    archive.probe()
