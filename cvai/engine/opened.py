"""An analysed study opened again: the same cine, and the contours that were drawn on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cvai.archive.part10 import read_identity
from cvai.engine.job import Outcome, StudyJob
from cvai.errors import StudyRefused
from cvai.heart.segmentation import CineSegmentation
from cvai.results.labels import read_labels
from cvai.results.uids import ResultKind
from cvai.study.assemble import assemble_cine
from cvai.study.read import read_studies
from cvai.study.select import select_sax_cine
from cvai.study.values import AssembledCine, Study


@dataclass(frozen=True, slots=True, eq=False)
class OpenedStudy:
    """A study, its cine, and the labels of one analysis of it."""

    study: Study
    cine: AssembledCine
    segmentation: CineSegmentation


def segmentation_uid_of(outcome: Outcome) -> str:
    """SOPInstanceUID of the cine segmentation that a job stored.

    Raises:
        StudyRefused: ``no_contours``: it stored none.
    """
    for stored in outcome.objects:
        if stored.kind == ResultKind.SEG_CINE:
            return stored.sop_instance_uid
    raise StudyRefused(
        "no_contours", "This analysis has no cine segmentation.", "Its numbers and report can be read."
    )


def open_analysed(source: Path, job: StudyJob, segmentation_uid: str) -> OpenedStudy:
    """Read a fetched study the way it was read for its analysis.

    Args:
        source: folder of every instance of the study, results included.
        job: the analysis.
        segmentation_uid: SOPInstanceUID of its cine segmentation.

    Raises:
        Refused: ``segmentation_not_in_archive``, ``segmentation_of_other_images``, or as ``assemble_cine``.
    """
    (study,) = (s for s in read_studies(source).studies if s.study_uid == job.study_uid)
    cine = assemble_cine(select_sax_cine(study))
    return OpenedStudy(study, cine, read_labels(_file_of(source, segmentation_uid), cine))


def _file_of(source: Path, sop_instance_uid: str) -> Path:
    named = source / f"{sop_instance_uid}.dcm"
    for path in (named, *sorted(source.glob("*.dcm"))):
        identity = read_identity(path) if path.exists() else None
        if identity is not None and identity.sop_instance_uid == sop_instance_uid:
            return path
    raise StudyRefused(
        "segmentation_not_in_archive",
        "The archive does not have the contours of this analysis any more.",
        "Its numbers and report are still here; cvai jobs retry stores the contours again.",
    )
