"""Reopens an analysed study: the images and the stored contours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cvai.analyses.registry import ANALYSES, AnySpec, analysis_of
from cvai.analyses.spec import Reopened
from cvai.archive.bring import require_images
from cvai.archive.part10 import read_identity
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.values import Study
from cvai.domain.message import say
from cvai.errors import StudyRefused
from cvai.jobs.job import Outcome, StudyJob


def spec_of(job: StudyJob, outcome: Outcome) -> AnySpec | None:
    """The analysis whose segmentations a job stored, or that is read by hand; None where it is neither."""
    if job.is_read_by_hand:
        return analysis_of(job.kind)
    kinds = {stored.kind for stored in outcome.objects}
    return next((spec for spec in ANALYSES if kinds & _segmentations(spec)), None)


def _segmentations(spec: AnySpec) -> set[str]:
    return {str(kind) for kind, plan in spec.results.series.items() if plan.modality == "SEG"}


def segmentation_uids_of(job: StudyJob, outcome: Outcome) -> dict[str, str]:
    """SOPInstanceUIDs of the segmentations that readers correct, by kind, in the order of the views.

    There are none where a study is read by hand.

    Raises:
        StudyRefused: ``no_contours``: the job stored none.
    """
    spec = spec_of(job, outcome)
    if spec is None or spec.editing is None:
        raise _no_contours()
    stored = {o.kind: o.sop_instance_uid for o in outcome.objects}
    return {kind: stored[kind] for kind in spec.editing.segmentations.values() if kind in stored}


def open_analysed(source: Path, job: StudyJob, outcome: Outcome) -> Reopened:
    """Read a fetched study as it was read for its analysis.

    Args:
        source: folder of every instance of the study, results included.
        job: the analysis.
        outcome: of the job, with the stored objects.

    Raises:
        Refused: ``patients_differ``, ``images_changed``, ``no_contours``, ``segmentation_not_in_archive``,
            ``segmentation_of_other_images``, or as it is assembled.
    """
    spec = spec_of(job, outcome)
    if spec is None:
        raise _no_contours()
    kinds = _segmentations(spec)
    uids = {o.kind: o.sop_instance_uid for o in outcome.objects if o.kind in kinds}
    return reopened(source, job, spec, uids, outcome.images)


def reopened(
    source: Path, job: StudyJob, spec: AnySpec, segmentation_uids: Mapping[str, str], images: str
) -> Reopened:
    """As ``open_analysed``, for segmentations by kind and SOPInstanceUID.

    Args:
        source: folder of every instance of the study, results included.
        job: the analysis.
        spec: its kind.
        segmentation_uids: by kind of the object.
        images: digest of the images that were analysed, empty where it is not known.
    """
    study = read_fetched(source, job)
    files = {kind: _file_of(source, uid) for kind, uid in segmentation_uids.items()}
    opened: Reopened = spec.reopen(study, files)
    require_images((plane for phase in opened.planes for plane in phase), images)
    return opened


def read_fetched(source: Path, job: StudyJob) -> Study:
    """A fetched study with the choice of its job.

    Raises:
        Refused: ``patients_differ``.
    """
    (study,) = (s for s in read_studies(source).studies if s.study_uid == job.study_uid)
    study.patient()
    return replace(study, chosen=job.choice)


def _no_contours() -> StudyRefused:
    return StudyRefused(
        "no_contours", say("This analysis has no segmentation."), say("Its numbers and report can be read.")
    )


def _file_of(source: Path, sop_instance_uid: str) -> Path:
    named = source / f"{sop_instance_uid}.dcm"
    for path in (named, *sorted(source.glob("*.dcm"))):
        identity = read_identity(path) if path.exists() else None
        if identity is not None and identity.sop_instance_uid == sop_instance_uid:
            return path
    raise StudyRefused(
        "segmentation_not_in_archive",
        say("The archive no longer has the contours of this analysis."),
        say("Its numbers and report are still here; cvai jobs retry stores the contours again."),
    )
