"""The three steps of a job: fetch, analyse, store. Each may be run any number of times, and by any worker.

A worker that takes over the job of a dead one may find nothing of it on its disk, or somebody frozen in the
middle of writing. So each works in a folder of its own, makes again what it does not find, and puts results
in place whole, while the job is its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from cvai.archive.bring import bring, study_differs
from cvai.archive.content import StudyContent
from cvai.archive.part10 import read_identity
from cvai.archive.port import Archive
from cvai.audit.messages import AuditedObject
from cvai.dicom.write.result_json import Status
from cvai.errors import StudyRefused
from cvai.files import private_folder
from cvai.jobs.analysis_slots import AnalysisSlots
from cvai.jobs.installed import Installed, applicable
from cvai.jobs.job import DIED, UNLISTED, JobObject, JobState, Outcome, StudyJob
from cvai.jobs.rules import Rules
from cvai.pipeline import StudyOutcome

AS_ANNOUNCED_S = 2.0
"""How old the archive's list may be when a job begins: on an idle worker the one that announced the study."""

Stored = Callable[[str, tuple[AuditedObject, ...]], None]
"""Is told a study's UID and what has been stored into it."""

ANALYSE_ALL = Rules()

NOTHING_FOUND = Outcome(
    JobState.NOTHING_TO_DO,
    "nothing_to_measure",
    "the study holds nothing that this analysis measures.",
    "Nothing has to be done.",
)

NOT_INSTALLED = Outcome(
    JobState.FAILED,
    "analysis_not_installed",
    "this analysis is not installed here any more.",
    "Install its model, then cvai jobs retry.",
)

CheckOwnership = Callable[[], None]
"""Raises when this worker's jobs have become others'."""


STATES: Mapping[Status, JobState] = MappingProxyType(
    {
        Status.REFUSED: JobState.REFUSED,
        Status.FAILED: JobState.FAILED,
        Status.NOTHING_TO_DO: JobState.NOTHING_TO_DO,
    }
)
"""State of a job by what became of its study, where nothing was measured."""


@dataclass(frozen=True, slots=True)
class StudySteps:
    """What is done for one job.

    Args:
        archive: where studies come from and results go to.
        analyses: what is done here; a job does one of them.
        work_folder: of this worker alone: fetched studies and results in the making, gone when the job has
            ended.
        results_folder: results, one folder a job, kept.
        turns: of the jobs at being analysed.
        check_ownership: asked before anything is done that others see.
        rules: which studies are left alone.
        stored: told what was put into a study that did not stand there.
    """

    archive: Archive
    analyses: tuple[Installed, ...]
    work_folder: Path
    results_folder: Path
    turns: AnalysisSlots
    check_ownership: CheckOwnership = lambda: None
    rules: Rules = ANALYSE_ALL
    stored: Stored = lambda *_: None

    def fetch(self, job: StudyJob) -> Outcome:
        """Bring the study here; superseded when it is not what it was any more.

        What holds nothing that the analysis may apply to is not fetched.

        Raises:
            StudyRefused: a rule leaves the study alone; or see ``bring``.
            TemporarilyUnavailable, ArchiveRejected: see ``Archive``.
        """
        content = self.archive.content(job.study_uid, max_age_s=AS_ANNOUNCED_S)
        if job.digest != UNLISTED and not content.is_as(job.digest):
            return _superseded("study_changed", "the study has changed since it was announced.")
        if self._installed(job) is None:
            return self._succeeded(job, content)
        if job.digest == UNLISTED:
            self._require_by_the_rules(job.study_uid)
        if job.kind not in self._kinds(content):
            return _nothing_to_measure(content)
        self._bring(job, content)
        return Outcome(JobState.RUNNING)

    def run_analysis(self, job: StudyJob) -> Outcome:
        """Analyse what was fetched; results of an earlier, unfinished run are replaced.

        It is fetched here where another worker had fetched it; see ``fetch`` for what that raises. A job that
        has killed its workers is given up.
        """
        installed = self._installed(job)
        if installed is None:
            return self._succeeded(job, self.archive.content(job.study_uid))
        if not self._fetched(job).exists() and (fetched := self.fetch(job)).state is not JobState.RUNNING:
            return fetched
        if self.turns.given_up(job.job_id):
            return DIED
        making = self.work_folder / "results" / job.job_id
        with self.turns.taken(job.job_id):
            shutil.rmtree(making, ignore_errors=True)
            outcomes = installed.analyse(self._fetched(job), making)
        if not outcomes:
            return NOTHING_FOUND
        study = _of_the_job(job, outcomes)
        self.check_ownership()
        _put_in_place(making, self.results_folder / job.job_id)
        return _told(job, study, making)

    def store(self, job: StudyJob, analysed: Outcome) -> Outcome:
        """Put the objects into the study; those that stand already are left as they are.

        They are made again, the same, where another worker made them on a disk that is not here.
        """
        made = self.at_hand(job, analysed)
        if made.state is not analysed.state:
            return made
        paths = [self.results_folder / o.path for o in made.objects]
        if new := set(self.archive.store(job.study_uid, paths, self.check_ownership).stored):
            objects = audited_objects(paths)
            self.stored(job.study_uid, tuple(o for o in objects if o.sop_instance_uid in new))
        return made

    def at_hand(self, job: StudyJob, analysed: Outcome) -> Outcome:
        """``analysed`` where its files lie here, else what making them again comes to."""
        paths = [self.results_folder / o.path for o in analysed.objects]
        return analysed if all(path.exists() for path in paths) else self.run_analysis(job)

    def clean(self, job: StudyJob) -> None:
        """Remove the fetched study."""
        shutil.rmtree(self._fetched(job), ignore_errors=True)

    def _installed(self, job: StudyJob) -> Installed | None:
        """The analysis a job asks for; None where it is not here, or has another model."""
        for analysis in self.analyses:
            if (analysis.kind, analysis.sha256) == (job.kind, job.model_sha256):
                return analysis
        return None

    def _kinds(self, content: StudyContent) -> tuple[str, ...]:
        return tuple(analysis.kind for analysis in applicable(self.analyses, content))

    def _succeeded(self, job: StudyJob, content: StudyContent) -> Outcome:
        """Which jobs take the place of one that cannot be done as it was queued."""
        kinds = self._kinds(content)
        if not job.kind and kinds:
            changed = _superseded("model_changed", "this version makes a job of each analysis.")
            return replace(changed, successors=kinds)
        if not job.kind:
            return _nothing_to_measure(content)
        if all(analysis.kind != job.kind for analysis in self.analyses):
            return NOT_INSTALLED
        changed = _superseded("model_changed", "another model has been installed since.")
        return replace(changed, successors=(job.kind,))

    def _fetched(self, job: StudyJob) -> Path:
        return self.work_folder / "studies" / job.job_id

    def _require_by_the_rules(self, study_uid: str) -> None:
        """Ask the rules about a study that could not be asked about as it was announced."""
        if not self.rules:
            return
        decision = self.rules.decide(self.archive.traits(study_uid))
        if not decision.analyse:
            raise StudyRefused(
                "left_alone",
                f"{decision.reason}.",
                "Nothing has to be done; change [[rules]] to have such studies analysed.",
            )

    def _bring(self, job: StudyJob, content: StudyContent) -> None:
        """Fetch the study; the folder has its name only once it is whole."""
        partial = self.work_folder / "studies" / f".{job.job_id}.part"
        bring(self.archive, content, partial)
        _put_in_place(partial, self._fetched(job))


def audited_objects(paths: Sequence[Path]) -> tuple[AuditedObject, ...]:
    """The DICOM objects among some files, as the audit trail names them."""
    identities = (read_identity(path) for path in paths)
    return tuple(AuditedObject(i.sop_class_uid, i.sop_instance_uid) for i in identities if i is not None)


def _put_in_place(made: Path, folder: Path) -> None:
    """Let a folder take the place of the one that stood there."""
    private_folder(folder.parent)
    shutil.rmtree(folder, ignore_errors=True)
    made.rename(folder)


def _told(job: StudyJob, study: StudyOutcome, made: Path) -> Outcome:
    """What became of a study, its files named below the results folder."""

    def placed(path: Path) -> str:
        return str(job.job_id / path.relative_to(made))

    result = placed(study.folder / "result.json")
    objects = tuple(JobObject(o.kind, o.sop_instance_uid, placed(o.path)) for o in study.objects)
    if (error := study.error) is not None:
        return Outcome(STATES[study.status], error.code, error.message, error.hint, result, objects)
    return Outcome(JobState.ANALYSED, result=result, objects=objects, images=study.images)


def _of_the_job(job: StudyJob, outcomes: Sequence[StudyOutcome]) -> StudyOutcome:
    """What was found of the job's study; one without a UID is of files that could not be read.

    Raises:
        StudyRefused: what was found is of other studies.
    """
    for outcome in outcomes:
        if outcome.study_uid in (job.study_uid, None):
            return outcome
    raise study_differs("All")


def _superseded(code: str, message: str) -> Outcome:
    return Outcome(JobState.SUPERSEDED, code, message, "A newer job speaks for this study.")


def _nothing_to_measure(content: StudyContent) -> Outcome:
    return Outcome(
        JobState.NOTHING_TO_DO,
        "nothing_to_measure",
        f"none of the study's {len(content.instances)} instances is an image that this analysis measures.",
        "Nothing has to be done.",
    )
