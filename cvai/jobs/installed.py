"""The analyses that are installed in a service."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cvai.analyses.former import FORMER_KINDS
from cvai.archive.content import StudyContent
from cvai.domain.measurement import Measurement
from cvai.domain.segmentation import ModelIdentity
from cvai.domain.series_choice import SeriesChoice
from cvai.jobs.job import StudyJob, jobs_digest
from cvai.pipeline import StudyOutcome

Analyse: TypeAlias = Callable[[Path, Path], tuple[StudyOutcome, ...]]
"""Analyses every study in a folder of files and writes the results below another folder. A study to which the
analysis does not apply has no outcome."""

AnalyseChosen: TypeAlias = Callable[[Path, Path, SeriesChoice], tuple[StudyOutcome, ...]]
"""As ``Analyse``, of the series that a person chose."""

Measure: TypeAlias = Callable[[Path, str], Sequence[Measurement]]
"""Measures the study of this UID in a folder of files; raises Refused where it cannot."""

KIND = re.compile(r"[a-z][a-z0-9_]{0,30}")
"""Part of job ids, which name folders and are split at hyphens."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """A shadow model.

    Args:
        identity: of the model.
        measure: runs it on a study.
    """

    identity: ModelIdentity
    measure: Measure


@dataclass(frozen=True, slots=True)
class Installed:
    """One installed analysis.

    Args:
        kind: its name in job ids, the database and metrics.
        title: its name for people.
        sop_classes: SOP class UIDs of the images that it may apply to.
        sha256: hex digest of its model, or of name and version for an analysis by rules alone.
        analyse: runs it.
        identity: its model, None for an analysis by rules alone.
        shadow: a second model whose results are compared and never delivered, None without one.
        device_failures: how often the device of its model has failed since the start.
        headline: name of the measurement that drift is watched by, empty without one.
        analyse_chosen: runs it on a chosen series; None where none can be chosen.

    Raises:
        ValueError: ``kind`` is not KIND.
    """

    kind: str
    title: str
    sop_classes: frozenset[str]
    sha256: str
    analyse: Analyse
    identity: ModelIdentity | None = None
    shadow: Shadow | None = None
    device_failures: Callable[[], int] = int
    headline: str = ""
    analyse_chosen: AnalyseChosen | None = None

    def __post_init__(self) -> None:
        if KIND.fullmatch(self.kind) is None:
            raise ValueError(f"{self.kind!r} names no analysis")

    def job_for(self, study_uid: str, digest: str) -> StudyJob:
        """The job for this analysis of a study."""
        return StudyJob(study_uid, digest, self.sha256, self.kind)


def applicable(analyses: Sequence[Installed], content: StudyContent) -> tuple[Installed, ...]:
    """The analyses that may apply to a study, judging by the archive's listing.

    If all files are unreadable as DICOM, only the first analysis is returned: it refuses them, once.
    """
    classes = {instance.sop_class_uid for instance in content.instances}
    found = tuple(analysis for analysis in analyses if classes & analysis.sop_classes)
    return found or (tuple(analyses[:1]) if "" in classes else ())


def former_job(analyses: Sequence[Installed], job: StudyJob) -> StudyJob | None:
    """The job of an older version that covered this analysis with the same models; None if there was none."""
    if job.kind not in FORMER_KINDS:
        return None
    installed = {analysis.kind: analysis.sha256 for analysis in analyses}
    sha256s = [installed[kind] for kind in FORMER_KINDS if kind in installed]
    return StudyJob(job.study_uid, job.digest, jobs_digest(sha256s))
