"""Explains how a study would be processed, without processing it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from cvai.analyses.registry import ANALYSES, AnySpec
from cvai.analyses.spec import Explanation
from cvai.archive.content import StudyContent
from cvai.archive.port import Archive
from cvai.dicom.read.read import open_studies
from cvai.dicom.read.values import CineNotFound, Excluded, Study
from cvai.doctor.checks import Check
from cvai.errors import ConfigurationInvalid, CvaiError, Refused
from cvai.jobs.ledger import JobRecord, open_ledger
from cvai.jobs.loading import wanted_kinds
from cvai.jobs.rules import read_rules
from cvai.service import open_archive
from cvai.settings import Settings


def explain_study(settings: Settings, study_uid: str) -> tuple[Check, ...]:
    """How a study in the archive would be processed; it is fetched into a temporary folder.

    Raises:
        TemporarilyUnavailable, ArchiveRejected: see ``Archive``.
    """
    archive, _ = open_archive(settings)
    content = archive.content(study_uid)
    checks = (_listed(content), _ruled(settings, archive, study_uid), *_queued(settings, study_uid))
    if not content.sources:
        return checks
    with TemporaryDirectory(prefix="cvai-doctor-") as folder:
        archive.fetch(study_uid, Path(folder))
        return (*checks, *explain_folder(Path(folder), wanted_kinds(settings)))


def explain_folder(source: Path, kinds: Collection[str] = ()) -> tuple[Check, ...]:
    """Which series in a file, folder or zip would be measured, and why others would not.

    Args:
        source: of the files.
        kinds: of the analyses that the site wants; all without any.
    """
    specs = tuple(spec for spec in ANALYSES if not kinds or spec.kind in kinds)
    try:
        with open_studies(source) as read:
            unreadable = tuple(Check("file", False, str(refusal)) for refusal in read.unreadable)
            found = (*unreadable, *(check for study in read.studies for check in _chosen(study, specs)))
            return found or (
                Check("files", False, "there are none", "Name a folder of DICOM files, a zip or a tar."),
            )
    except Refused as refusal:
        return (Check("files", False, f"{refusal.code}: {refusal.message}", refusal.hint),)


def _listed(content: StudyContent) -> Check:
    detail = (
        f"{len(content.instances)} instances in {len(content.series_uids)} series, "
        f"{len(content.sources)} of them acquired, {sum(i.can_hold_a_cine for i in content.instances)} "
        "that may belong to a cine"
    )
    hint = "Check the UID; a study without images makes no job."
    return Check("archive", bool(content.sources), detail, hint)


def _ruled(settings: Settings, archive: Archive, study_uid: str) -> Check:
    rules = read_rules(settings)
    if not rules:
        return Check("rules", ok=True, detail="there are none: every study is analysed")
    decision = rules.decide(archive.traits(study_uid))
    return Check("rules", decision.analyse, decision.reason, "Change [[rules]] to have it analysed.")


def _queued(settings: Settings, study_uid: str) -> tuple[Check, ...]:
    try:
        with open_ledger(settings.jobs_database_url) as ledger:
            records = ledger.of_study(study_uid)
    except ConfigurationInvalid:
        records = ()
    if not records:
        return (Check("job", ok=True, detail="none so far"),)
    return tuple(Check("job", ok=True, detail=_described(record)) for record in records)


def _described(record: JobRecord) -> str:
    kind = f"{record.job.kind}: " if record.job.kind else ""
    why = f" ({record.outcome.code}: {record.outcome.message})" if record.outcome.code else ""
    return f"{kind}{record.outcome.state}{why}, queued {record.queued_at:%Y-%m-%d %H:%M}"


def _chosen(study: Study, specs: Sequence[AnySpec]) -> tuple[Check, ...]:
    """For each applicable analysis the chosen series or the refusal, then the excluded series."""
    try:
        study.patient()
    except CvaiError as error:
        return (Check("images", False, f"{error.code}: {error.message}", error.hint),)
    applying = [spec for spec in specs if spec.applies_to(study)]
    if not applying:
        return (Check("images", True, "no analysis applies to them: nothing to do"),)
    return tuple(check for spec in applying for check in _explained(spec, study))


def _explained(spec: AnySpec, study: Study) -> tuple[Check, ...]:
    try:
        found: Explanation = spec.explain(study)
    except CvaiError as error:
        excluded = error.excluded if isinstance(error, CineNotFound) else ()
        refused = Check("images", False, f"{spec.title}: {error.code}: {error.message}", error.hint)
        return (refused, *_excluded(excluded))
    return (
        Check("images", True, f"{spec.title}: {found.chosen}"),
        *(Check("candidate", True, candidate) for candidate in found.candidates),
        *(Check("finding", True, f"{f.code}: {f.message}") for f in found.findings),
        *_excluded(found.excluded),
    )


def _excluded(excluded: tuple[Excluded, ...]) -> tuple[Check, ...]:
    return tuple(Check("passed over", True, f"series {p.series_uid}: {p.reason}") for p in excluded)
