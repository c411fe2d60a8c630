"""What would become of a study, and why: the steps of a job, asked without doing them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from cvai.archive.content import StudyContent
from cvai.archive.port import Archive
from cvai.engine.doctor import Check
from cvai.engine.ledger import open_ledger
from cvai.engine.rules import read_rules
from cvai.engine.worker import open_archive
from cvai.errors import ConfigurationInvalid, CvaiError, Refused
from cvai.settings import Settings
from cvai.study.assemble import assemble_cine
from cvai.study.candidates import Candidate
from cvai.study.read import open_studies
from cvai.study.select import select_sax_cine
from cvai.study.ultrasound import holds_ultrasound, select_loops
from cvai.study.values import CineNotFound, PassedOver, Study
from cvai.study.whole import require_readable


def explain_study(settings: Settings, study_uid: str) -> tuple[Check, ...]:
    """What would become of a study of the archive; it is fetched to a temporary folder to be looked at.

    Raises:
        TemporarilyUnavailable, ArchiveRejected: see ``Archive``.
    """
    archive, _ = open_archive(settings)
    content = archive.content(study_uid)
    checks = (_listed(content), _ruled(settings, archive, study_uid), _queued(settings, study_uid))
    if not content.sources:
        return checks
    with TemporaryDirectory(prefix="cvai-doctor-") as folder:
        archive.fetch(study_uid, Path(folder))
        return (*checks, *explain_folder(Path(folder)))


def explain_folder(source: Path) -> tuple[Check, ...]:
    """Which series of the studies in a file, folder or zip would be measured, and why not the others."""
    try:
        with open_studies(source) as read:
            unreadable = tuple(Check("file", False, str(refusal)) for refusal in read.unreadable)
            found = (*unreadable, *(check for study in read.studies for check in _chosen(study)))
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


def _queued(settings: Settings, study_uid: str) -> Check:
    try:
        with open_ledger(settings.jobs_database_url) as ledger:
            record = ledger.job(study_uid)
    except ConfigurationInvalid:
        return Check("job", ok=True, detail="none so far")
    why = f" ({record.outcome.code}: {record.outcome.message})" if record.outcome.code else ""
    return Check(
        "job", ok=True, detail=f"{record.outcome.state}{why}, queued {record.queued_at:%Y-%m-%d %H:%M}"
    )


def _chosen(study: Study) -> tuple[Check, ...]:
    """The series that would be measured, or the refusal; then every series passed over."""
    try:
        study.patient()
        return _loops(study) if holds_ultrasound(study) else _cine(study)
    except CvaiError as error:
        passed_over = error.passed_over if isinstance(error, CineNotFound) else ()
        refused = Check("images", False, f"{error.code}: {error.message}", error.hint)
        return (refused, *_passed_over(passed_over))


def _cine(study: Study) -> tuple[Check, ...]:
    selection = select_sax_cine(study)
    require_readable(study, selection.planes)
    cine = assemble_cine(selection)
    t, z, y, x = cine.stack.pixels.shape
    detail = f"short-axis cine in series {cine.series_uid}: {z} slices, {t} phases, {x} x {y} pixels"
    findings = tuple(Check("finding", True, f"{f.code}: {f.message}") for f in cine.findings)
    return (
        Check("images", True, detail),
        *_candidates(selection.candidates),
        *findings,
        *_passed_over(cine.passed_over),
    )


def _candidates(candidates: tuple[Candidate, ...]) -> tuple[Check, ...]:
    """Every stack that was compared, the preferred one first; nothing where there was one."""
    if len(candidates) < 2:
        return ()
    return tuple(Check("candidate", True, _described(c, candidates[0])) for c in candidates)


def _described(candidate: Candidate, preferred: Candidate) -> str:
    stack, condition = candidate.stack, candidate.stack.condition
    rate = "heart rate unknown" if candidate.rate_bpm is None else f"{candidate.rate_bpm:.0f}/min"
    called = ", called stress" if condition.under_stress else ""
    verdict = "preferred" if candidate is preferred else candidate.why_not(preferred)
    return (
        f"{stack.n_slices} slices of {stack.spacing_mm:.1f} mm over {candidate.length_mm:.0f} mm, "
        f"{stack.n_phases} phases, {rate}{called}, series {', '.join(stack.series_uids[:3])}: {verdict}"
    )


def _loops(study: Study) -> tuple[Check, ...]:
    selection = select_loops(study)
    detail = f"{len(selection.loops)} ultrasound loops may show an apical view; the model tells"
    findings = tuple(Check("finding", True, f"{f.code}: {f.message}") for f in selection.findings)
    return (Check("images", True, detail), *findings, *_passed_over(selection.passed_over))


def _passed_over(passed_over: tuple[PassedOver, ...]) -> tuple[Check, ...]:
    return tuple(Check("passed over", True, f"series {p.series_uid}: {p.reason}") for p in passed_over)
