"""An analysed study opened again: the same images, and the contours that were drawn on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvai.archive.part10 import read_identity
from cvai.engine.bring import require_images
from cvai.engine.job import Outcome, StudyJob
from cvai.errors import Refused, StudyRefused
from cvai.heart.echo import EchoView
from cvai.heart.segmentation import CineSegmentation
from cvai.results.echo_seg import LOOP_KINDS
from cvai.results.labels import of_other_images, read_labels, read_loop_labels, source_instance_of
from cvai.results.uids import ResultKind
from cvai.study.assemble import assemble_cine
from cvai.study.read import read_studies
from cvai.study.select import select_sax_cine
from cvai.study.ultrasound import AssembledLoop, assemble_loop, select_loops
from cvai.study.values import AssembledCine, Study


@dataclass(frozen=True, slots=True, eq=False)
class OpenedStudy:
    """A study, its cine, and the labels of one analysis of it."""

    study: Study
    cine: AssembledCine
    segmentation: CineSegmentation


@dataclass(frozen=True, slots=True, eq=False)
class OpenedLoop:
    """An ultrasound loop, and the labels (t, y, x) that one analysis drew on it."""

    view: EchoView
    source: AssembledLoop
    labels: NDArray[np.uint8]


def segmentation_uid_of(outcome: Outcome) -> str:
    """SOPInstanceUID of the cine segmentation that a job stored.

    Raises:
        StudyRefused: ``no_contours``: it stored none.
    """
    for stored in outcome.objects:
        if stored.kind == ResultKind.SEG_CINE:
            return stored.sop_instance_uid
    raise _no_contours()


def open_analysed(source: Path, job: StudyJob, segmentation_uid: str, images: str = "") -> OpenedStudy:
    """Read a fetched study the way it was read for its analysis: of several stacks, the one that was
    segmented.

    Args:
        source: folder of every instance of the study, results included.
        job: the analysis.
        segmentation_uid: SOPInstanceUID of its cine segmentation.
        images: digest of the images that were analysed, empty where it is not known.

    Raises:
        Refused: ``patients_differ``, ``images_changed``, ``segmentation_not_in_archive``,
            ``segmentation_of_other_images``, or as ``assemble_cine``.
    """
    study = _one_patients_study(source, job)
    path = _file_of(source, segmentation_uid)
    preferred = select_sax_cine(study)
    refusals: list[Refused] = []
    for selection in (preferred, *preferred.alternatives):
        try:
            cine = assemble_cine(selection)
            opened = OpenedStudy(study, cine, read_labels(path, cine))
        except Refused as refusal:
            refusals.append(refusal)
        else:
            require_images((plane for phase in cine.planes for plane in phase), images)
            return opened
    raise refusals[0]


def open_analysed_loops(source: Path, job: StudyJob, outcome: Outcome) -> tuple[OpenedLoop, ...]:
    """The loops of a fetched ultrasound study that were measured, four-chamber view first.

    Args:
        source: folder of every instance of the study, results included.
        job: the analysis.
        outcome: what it stored; each view has a segmentation of its own.

    Raises:
        Refused: ``patients_differ``, ``images_changed``, ``no_contours``, ``segmentation_not_in_archive``,
            ``segmentation_of_other_images``, or as ``assemble_loop``.
    """
    study = _one_patients_study(source, job)
    loops = {images[0].sop_instance_uid: images for images in select_loops(study).loops}
    stored = {stored.kind: stored.sop_instance_uid for stored in outcome.objects}
    opened = []
    for view, kind in LOOP_KINDS.items():
        if kind in stored:
            path = _file_of(source, stored[kind])
            images = loops.get(source_instance_of(path))
            if images is None:
                raise of_other_images()
            opened.append(OpenedLoop(view, assemble_loop(images), read_loop_labels(path, images)))
    if not opened:
        raise _no_contours()
    require_images((image for loop in opened for image in loop.source.images), outcome.images)
    return tuple(opened)


def _one_patients_study(source: Path, job: StudyJob) -> Study:
    (study,) = (s for s in read_studies(source).studies if s.study_uid == job.study_uid)
    study.patient()
    return study


def _no_contours() -> StudyRefused:
    return StudyRefused(
        "no_contours", "This analysis has no segmentation.", "Its numbers and report can be read."
    )


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
