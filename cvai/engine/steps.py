"""The three steps of a job: fetch, analyse, store. Each may be run any number of times."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cvai.archive.content import StudyContent
from cvai.archive.port import Archive
from cvai.engine.analyse import StudyOutcome
from cvai.engine.job import UNLISTED, JobObject, JobState, Outcome, StudyJob
from cvai.errors import StudyRefused, TemporarilyUnavailable

Analyse = Callable[[Path, Path], tuple[StudyOutcome, ...]]
"""Analyses every study in a folder of files and writes the results below another folder."""


@dataclass(frozen=True, slots=True)
class StudySteps:
    """What is done for one job.

    Args:
        archive: where studies come from and results go to.
        analyse: the straight line from files to result objects.
        model_sha256: the model ``analyse`` runs.
        work_folder: fetched studies, one folder a job, gone when the job has ended.
        results_folder: results, one folder a job, kept.
        at_once: how many analyses may run at the same time.
    """

    archive: Archive
    analyse: Analyse
    model_sha256: str
    work_folder: Path
    results_folder: Path
    at_once: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(1))

    def fetch(self, job: StudyJob) -> Outcome:
        """Bring the study here; superseded when it is not what it was any more.

        Raises:
            StudyRefused: the study holds nothing that could be a cine, and is not fetched.
            TemporarilyUnavailable, ArchiveRejected: see ``Archive``.
        """
        content = self.archive.content(job.study_uid)
        if job.digest not in (content.digest, UNLISTED):
            return _superseded("study_changed", "the study has changed since it was announced.")
        if self.model_sha256 != job.model_sha256:
            return _superseded("model_changed", "another model has been installed since.")
        _require_a_possible_cine(content)
        folder = self.work_folder / job.job_id
        shutil.rmtree(folder, ignore_errors=True)
        fetched = self.archive.fetch(job.study_uid, folder)
        if fetched != len(content.instances):
            raise TemporarilyUnavailable(
                "fetch_incomplete",
                f"the archive lists {len(content.instances)} instances and sent {fetched}.",
                "It is asked again.",
            )
        return Outcome(JobState.RUNNING)

    def run_analysis(self, job: StudyJob) -> Outcome:
        """Analyse what was fetched; results of an earlier, unfinished run are replaced."""
        out = self.results_folder / job.job_id
        with self.at_once:
            shutil.rmtree(out, ignore_errors=True)
            outcomes = self.analyse(self.work_folder / job.job_id, out)
        (study,) = (o for o in outcomes if o.study_uid in (job.study_uid, None))
        result = str((study.folder / "result.json").relative_to(self.results_folder))
        if study.refusal is not None:
            refusal = study.refusal
            return Outcome(JobState.REFUSED, refusal.code, refusal.message, refusal.hint, result)
        objects = tuple(
            JobObject(o.kind, o.sop_instance_uid, str(o.path.relative_to(self.results_folder)))
            for o in study.objects
        )
        return Outcome(JobState.ANALYSED, result=result, objects=objects)

    def store(self, job: StudyJob, analysed: Outcome) -> Outcome:
        """Put the result objects into the study; those that stand already are left as they are."""
        self.archive.store(job.study_uid, [self.results_folder / o.path for o in analysed.objects])
        return analysed

    def clean(self, job: StudyJob) -> None:
        """Remove the fetched study."""
        shutil.rmtree(self.work_folder / job.job_id, ignore_errors=True)


def _superseded(code: str, message: str) -> Outcome:
    return Outcome(JobState.SUPERSEDED, code, message, "A newer job speaks for this study.")


def _require_a_possible_cine(content: StudyContent) -> None:
    """Refuse from the archive's list alone what would only be fetched to be refused."""
    if not any(instance.can_hold_a_cine for instance in content.instances):
        raise StudyRefused(
            "no_cine",
            f"none of the study's {len(content.instances)} instances is an MR image.",
            "cvai measures short-axis cine MR; nothing has to be done.",
        )
