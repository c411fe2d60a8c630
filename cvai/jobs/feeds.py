"""Queues jobs for studies that have settled."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError

from cvai.archive.content import StudyContent, is_valid_study_uid
from cvai.archive.port import Archive, StudyFeed
from cvai.errors import ArchiveRejected, TemporarilyUnavailable
from cvai.jobs.defects import frames_of
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

    Each applicable analysis of a study is a separate job; a study without any makes no job.

    The feed is acknowledged only after every job is in the database: after an earlier crash the studies are
    announced again, and existing jobs are not queued twice. The archive also announces a study when cvai
    stores results into it; its sources and therefore its jobs are unchanged.

    A study with an invalid StudyInstanceUID is skipped: the UID would name folders, and could be a patient's
    name.

    A study that cannot be listed while others can must not delay them: all analyses are queued as UNLISTED,
    and their jobs retry the listing and apply the rules.

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
    """The jobs of every study that has images and is not excluded by a rule."""
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
            jobs.extend(_unlisted(study_uid, analyses))
            continue
        except (OSError, SQLAlchemyError):
            raise
        except Exception as error:  # noqa: BLE001 - a defect met with one study must not block all others for good
            log.error("study_broke", study=study_uid, error=type(error).__name__, stack=frames_of(error))
            jobs.extend(_unlisted(study_uid, analyses))
            continue
        if decision.analyse:
            found = _applying(content, analyses)
            jobs.extend((a.job_for(study_uid, content.digest), decision.priority) for a in found)
        else:
            log.info("study_left_alone", study=study_uid, rule=decision.rule)
    if failures and len(failures) == len(study_uids):
        _require_well(archive, failures[0])
    return jobs


def _unlisted(study_uid: str, analyses: Sequence[Installed]) -> list[tuple[StudyJob, Priority]]:
    """Jobs of all analyses for a study of unknown content; each finds out, or fails, on its own."""
    return [(analysis.job_for(study_uid, UNLISTED), Priority.ROUTINE) for analysis in analyses]


def _applying(content: StudyContent, analyses: Sequence[Installed]) -> tuple[Installed, ...]:
    """The applicable analyses of a study; logs the reason where there is none."""
    if not content.sources:
        log.info("study_without_images", study=content.study_uid, instances=len(content.instances))
        return ()
    found = applicable(analyses, content)
    if not found:
        log.info("nothing_to_do", study=content.study_uid, instances=len(content.instances))
    return found


def _require_well(archive: Archive, failure: TemporarilyUnavailable | ArchiveRejected) -> None:
    """Tell a failing archive from failing studies, when no announced study could be listed.

    Raises:
        TemporarilyUnavailable, ArchiveRejected: the archive itself fails.
    """
    if isinstance(failure, TemporarilyUnavailable):
        raise failure
    archive.probe()
