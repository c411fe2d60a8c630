"""The three steps of a job: fetch, analyse, store. Each may be run any number of times, and by any worker.

A worker that takes over a job may lack its files, or share a disk with the previous worker, frozen while
writing. So each worker uses a work folder of its own, recreates missing files, and moves results into place
atomically while it owns the job.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from cvai.archive.bring import bring, is_whole, study_differs
from cvai.archive.content import StudyContent
from cvai.archive.part10 import read_identity
from cvai.archive.port import Archive
from cvai.audit.messages import AuditedObject
from cvai.dicom.write.result_json import Status
from cvai.dicom.write.standing.withdrawal import WITHDRAWAL_KIND
from cvai.domain.message import say
from cvai.errors import StudyRefused, Withheld
from cvai.files import private_folder
from cvai.jobs.analysis_slots import AnalysisSlots
from cvai.jobs.cancellations import canceled
from cvai.jobs.installed import Installed, applicable
from cvai.jobs.job import DIED, UNLISTED, JobObject, JobState, Outcome, StudyJob
from cvai.jobs.result_file import withhold
from cvai.jobs.rules import Rules
from cvai.jobs.stops import Stop
from cvai.jobs.study_locks import StudyLocks
from cvai.pipeline import StudyOutcome

MAX_LISTING_AGE_S = 2.0
"""Of the archive's listing when a job begins; lets an idle worker reuse the one made for the announcement."""

Stored = Callable[[str, tuple[AuditedObject, ...]], None]
"""Called with a study's UID and the objects newly stored into it."""

ANALYSE_ALL = Rules()

NOTHING_FOUND = Outcome(
    JobState.NOTHING_TO_DO,
    "nothing_to_measure",
    say("the study holds nothing that this analysis measures."),
    say("Nothing has to be done."),
)

NOT_INSTALLED = Outcome(
    JobState.FAILED,
    "analysis_not_installed",
    say("this analysis is not installed here any more."),
    say("Install its model, then cvai jobs retry."),
)

CheckOwnership = Callable[[], None]
"""Raises when this worker no longer owns its jobs."""

STATES: Mapping[Status, JobState] = MappingProxyType(
    {
        Status.REFUSED: JobState.REFUSED,
        Status.FAILED: JobState.FAILED,
        Status.NOTHING_TO_DO: JobState.NOTHING_TO_DO,
    }
)
"""Job state by study status, where nothing was measured."""


@dataclass(frozen=True, slots=True)
class StudySteps:
    """The steps of one study's job.

    Args:
        archive: source of studies and destination of results.
        analyses: installed here; a job runs one of them.
        work_folder: of this worker alone: fetched studies and unfinished results, removed when the job ends.
        results_folder: results, one folder per job.
        slots: for concurrent analyses.
        check_ownership: called before any effect that others can see.
        rules: which studies are excluded.
        stored: called with the objects that were new to a study.
        stop_of: the stop of a kind of analysis, None while it runs.
        is_canceled: whether nobody wants a study's results any more.
        fetching: of the studies that are being fetched.
    """

    archive: Archive
    analyses: tuple[Installed, ...]
    work_folder: Path
    results_folder: Path
    slots: AnalysisSlots
    check_ownership: CheckOwnership = lambda: None
    rules: Rules = ANALYSE_ALL
    stored: Stored = lambda *_: None
    stop_of: Callable[[str], Stop | None] = lambda _: None
    is_canceled: Callable[[str], bool] = lambda _: False
    fetching: StudyLocks = field(default_factory=StudyLocks)

    def fetch(self, job: StudyJob) -> Outcome:
        """Fetch the study, unless the analysis does not apply; superseded when the study has changed.

        Raises:
            StudyRefused: a rule excludes the study; or see ``bring``.
            Canceled: nobody wants its results any more; so do all steps until they are stored.
            TemporarilyUnavailable, ArchiveRejected: see ``Archive``.
        """
        self._require_wanted(job)
        content = self.archive.content(job.study_uid, max_age_s=MAX_LISTING_AGE_S)
        if job.digest != UNLISTED and not content.is_as(job.digest):
            return _superseded("study_changed", say("the study has changed since it was announced."))
        if self._installed(job) is None:
            return self._replaced_by(job, content)
        if job.digest == UNLISTED:
            self._require_allowed_by_rules(job.study_uid)
        if job.kind not in self._kinds(content):
            return _nothing_to_measure(content)
        self._bring(job, content)
        return Outcome(JobState.RUNNING)

    def run_analysis(self, job: StudyJob) -> Outcome:
        """Analyse the fetched study; results of an earlier, unfinished run are replaced.

        Fetches the study again where another worker had fetched it; raises as ``fetch``. A job that has
        killed too many workers is given up.
        """
        self._require_wanted(job)
        installed = self._installed(job)
        if installed is None:
            return self._replaced_by(job, self.archive.content(job.study_uid))
        if not self._fetched(job).exists() and (fetched := self.fetch(job)).state is not JobState.RUNNING:
            return fetched
        if self.slots.given_up(job.job_id):
            return DIED
        making = self.work_folder / "results" / job.job_id
        with self.slots.acquired(job.job_id):
            self._require_wanted(job)
            shutil.rmtree(making, ignore_errors=True)
            outcomes = _analysed(installed, job, self._fetched(job), making)
        if not outcomes:
            return NOTHING_FOUND
        study = _outcome_for_job(job, outcomes)
        self.check_ownership()
        _put_in_place(making, self.results_folder / job.job_id)
        return _job_outcome(job, study, making)

    def store(self, job: StudyJob, analysed: Outcome) -> Outcome:
        """Store the objects into the study; those already in the archive are left as they are.

        Objects that another worker made on its own disk are made again, identically. Notes that withdraw
        earlier results are stored while an analysis is stopped, too.

        Raises:
            Withheld: the analysis is stopped.
            Canceled: nobody wants the results any more, and none of them is stored yet.
        """
        if self.is_canceled(job.study_uid) and not self._is_stored(job, analysed):
            shutil.rmtree(self.results_folder / job.job_id, ignore_errors=True)
            raise canceled()
        made = self.ensure_files(job, analysed)
        if made.state is not analysed.state:
            return made
        try:
            self.require_released(job, made)
        except Withheld:
            self._store(job, [o for o in made.objects if o.kind == WITHDRAWAL_KIND])
            raise
        self._store(job, made.objects)
        return made

    def require_released(self, job: StudyJob, analysed: Outcome) -> None:
        """Check that results may be delivered; result.json says why where they may not.

        Raises:
            Withheld: the analysis is stopped.
            TemporarilyUnavailable: this is not known, since the jobs' database does not answer.
        """
        if analysed.state is JobState.ANALYSED and (stop := self.stop_of(job.kind)) is not None:
            withhold(self.results_folder / analysed.result, stop.to_json())
            raise stop.error

    def _require_wanted(self, job: StudyJob) -> None:
        if self.is_canceled(job.study_uid):
            raise canceled()

    def _is_stored(self, job: StudyJob, analysed: Outcome) -> bool:
        """Whether any object is in the archive: the step may have begun before, on a worker that died."""
        uids = {o.sop_instance_uid for o in analysed.objects}
        return not uids.isdisjoint(self.archive.content(job.study_uid).sop_instance_uids)

    def _store(self, job: StudyJob, objects: Sequence[JobObject]) -> None:
        paths = [self.results_folder / o.path for o in objects]
        if new := set(self.archive.store(job.study_uid, paths, self.check_ownership).stored):
            audited = audited_objects(paths)
            self.stored(job.study_uid, tuple(o for o in audited if o.sop_instance_uid in new))

    def ensure_files(self, job: StudyJob, analysed: Outcome) -> Outcome:
        """``analysed`` where its files are here, else the outcome of analysing again."""
        paths = [self.results_folder / o.path for o in analysed.objects]
        return analysed if all(path.exists() for path in paths) else self.run_analysis(job)

    def clean(self, job: StudyJob) -> None:
        """Remove the fetched study."""
        shutil.rmtree(self._fetched(job), ignore_errors=True)

    def _installed(self, job: StudyJob) -> Installed | None:
        """The analysis and model of a job; None where they are not installed."""
        for analysis in self.analyses:
            if (analysis.kind, analysis.sha256) == (job.kind, job.model_sha256):
                return analysis
        return None

    def _kinds(self, content: StudyContent) -> tuple[str, ...]:
        return tuple(analysis.kind for analysis in applicable(self.analyses, content))

    def _replaced_by(self, job: StudyJob, content: StudyContent) -> Outcome:
        """The outcome of a job whose analysis or model is not installed, with the jobs that replace it."""
        kinds = self._kinds(content)
        if not job.kind and kinds:
            changed = _superseded("model_changed", say("this version makes a job of each analysis."))
            return replace(changed, successors=kinds)
        if not job.kind:
            return _nothing_to_measure(content)
        if all(analysis.kind != job.kind for analysis in self.analyses):
            return NOT_INSTALLED
        changed = _superseded("model_changed", say("another model has been installed since."))
        return replace(changed, successors=(job.kind,))

    def _fetched(self, job: StudyJob) -> Path:
        return self.work_folder / "studies" / job.job_id

    def _require_allowed_by_rules(self, study_uid: str) -> None:
        """Apply the rules to a study that could not be listed when it was announced."""
        if not self.rules:
            return
        decision = self.rules.decide(self.archive.traits(study_uid))
        if not decision.analyse:
            raise StudyRefused(
                "left_alone",
                say("{reason}.", reason=decision.reason),
                say("Nothing has to be done; change [[rules]] to have such studies analysed."),
            )

    def _bring(self, job: StudyJob, content: StudyContent) -> None:
        """Fetch the study; its folder appears only once it is complete.

        Jobs of one study usually begin together: the first fetches, and the others link its files. Each has a
        folder of its own, so that files are gone with the last of these jobs.
        """
        partial = self.work_folder / "studies" / f".{job.job_id}.part"
        lock = self.fetching.of(job.study_uid)
        with lock:
            if not self._linked(job, content, partial):
                bring(self.archive, content, partial)
            _put_in_place(partial, self._fetched(job))

    def _linked(self, job: StudyJob, content: StudyContent, partial: Path) -> bool:
        """Whether another job here holds the study as the archive lists it, and its files could be linked."""
        jobs = (analysis.job_for(job.study_uid, job.digest) for analysis in self.analyses)
        folders = (self._fetched(other) for other in jobs if other != job)
        for folder in folders if job.digest != UNLISTED else ():
            shutil.rmtree(partial, ignore_errors=True)
            # The other job may end meanwhile, and some file systems link nothing: then it is fetched.
            with suppress(OSError):
                shutil.copytree(folder, partial, copy_function=os.link)
                if is_whole(content, partial):
                    return True
        return False


def _analysed(installed: Installed, job: StudyJob, source: Path, out: Path) -> tuple[StudyOutcome, ...]:
    choice = job.choice
    if choice is None:
        return installed.analyse(source, out)
    if installed.analyse_chosen is None:
        raise StudyRefused(
            "no_series_to_choose",
            say("This analysis measures no chosen series."),
            say("Nothing has to be done."),
        )
    return installed.analyse_chosen(source, out, choice)


def audited_objects(paths: Sequence[Path]) -> tuple[AuditedObject, ...]:
    """The DICOM objects among the files, as the audit trail names them."""
    identities = (read_identity(path) for path in paths)
    return tuple(AuditedObject(i.sop_class_uid, i.sop_instance_uid) for i in identities if i is not None)


def _put_in_place(made: Path, folder: Path) -> None:
    """Replace a folder by a finished one."""
    private_folder(folder.parent)
    shutil.rmtree(folder, ignore_errors=True)
    made.rename(folder)


def _job_outcome(job: StudyJob, study: StudyOutcome, made: Path) -> Outcome:
    """The outcome of a study as the job's, with paths relative to the results folder."""

    def relative(path: Path) -> str:
        return str(job.job_id / path.relative_to(made))

    result = relative(study.folder / "result.json")
    objects = tuple(JobObject(o.kind, o.sop_instance_uid, relative(o.path)) for o in study.objects)
    if (error := study.error) is not None:
        return Outcome(STATES[study.status], error.code, error.message, error.hint, result, objects)
    return Outcome(JobState.ANALYSED, result=result, objects=objects, images=study.images)


def _outcome_for_job(job: StudyJob, outcomes: Sequence[StudyOutcome]) -> StudyOutcome:
    """The outcome of the job's study; one without a UID is of files that could not be read.

    Raises:
        StudyRefused: all files are of other studies.
    """
    for outcome in outcomes:
        if outcome.study_uid in (job.study_uid, None):
            return outcome
    raise study_differs("All")


def _superseded(code: str, message: str) -> Outcome:
    return Outcome(JobState.SUPERSEDED, code, message, say("A newer job supersedes this one."))


def _nothing_to_measure(content: StudyContent) -> Outcome:
    return Outcome(
        JobState.NOTHING_TO_DO,
        "nothing_to_measure",
        say(
            "none of the study's {n_instances} instances is an image that this analysis measures.",
            n_instances=len(content.instances),
        ),
        say("Nothing has to be done."),
    )
