"""Signing writes reports for echo systems: verified, and in the place of the unsigned ones."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from cvai.analyses import echo_apical
from cvai.analyses.echo_apical.reading import ReopenedLoops, measured_loops
from cvai.analyses.registry import ReadyAnalysis
from cvai.archive.folder.archive import FolderArchive
from cvai.dicom.write.plan import Extra
from cvai.dicom.write.result_json import read_entry
from cvai.jobs.job import JobObject, JobState, Outcome, StudyJob
from cvai.jobs.opened import open_analysed, segmentation_uids_of
from cvai.jobs.reading import Reading, Signer, Verdict
from cvai.jobs.signing import SigningSteps
from cvai.models.echo import EchoSegmenter, installed_echo_segmenter
from cvai.pipeline import analyse_folder
from tests.apical_loops import write_apical_study

pytestmark = pytest.mark.slow

KINDS = (Extra.ECHO_REPORT, Extra.SIMPLE_ECHO_REPORT)


def echo() -> EchoSegmenter:
    segmenter = installed_echo_segmenter()
    assert segmenter is not None
    return segmenter


def accepted(
    archive: FolderArchive, job: StudyJob, analysed: Outcome, result: Path, fetched: Path
) -> Reading:
    """What a reader signs who accepts everything."""
    archive.fetch(job.study_uid, fetched)
    opened = open_analysed(fetched, job, analysed)
    assert isinstance(opened, ReopenedLoops)
    beats = {loop.view.value: loop.beats for loop in measured_loops(opened)}
    segmentations = segmentation_uids_of(job, analysed)
    return Reading(
        job=job,
        model=echo().identity,
        segmentation_uid=next(iter(segmentations.values())),
        replaces=tuple(o.sop_instance_uid for o in analysed.objects),
        verdict=Verdict.ACCEPTED,
        signer=Signer("Hart^Ada", "St Elsewhere"),
        signed_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
        phases=next(iter(beats.values()))[0],
        segmentations=segmentations,
        beats=beats,
        factors=read_entry(result)["factors"],
    )


def predecessor_of(document: Dataset) -> str:
    (study,) = document.PredecessorDocumentsSequence
    (reference,) = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
    return str(reference.ReferencedSOPInstanceUID)


def test_what_a_reader_signs_takes_the_place_of_what_nobody_had(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path / "archive")
    write_apical_study(tmp_path / "study")
    ready = ReadyAnalysis(echo_apical.SPEC, echo)
    extras = (*KINDS, Extra.UNSIGNED_ECHO_REPORTS, Extra.CONTOURS)
    (made,) = analyse_folder(tmp_path / "study", tmp_path / "results", [ready], extras=extras)
    archive.take_in(sorted((tmp_path / "study").glob("*.dcm")))
    study_uid = made.study_uid
    assert study_uid is not None
    archive.store(study_uid, [o.path for o in made.objects], lambda: None)
    objects = tuple(JobObject(o.kind, o.sop_instance_uid, str(o.path)) for o in made.objects)
    analysed = Outcome(JobState.ANALYSED, objects=objects, images=made.images)
    job = StudyJob(study_uid, archive.content(study_uid).digest, echo().identity.sha256, "echo_apical")
    reading = accepted(archive, job, analysed, made.folder / "result.json", tmp_path / "fetched")

    steps = SigningSteps(archive, tmp_path / "work", tmp_path / "signed", extras=(*KINDS, Extra.CONTOURS))
    assert steps.fetch(reading).state is JobState.RUNNING
    written = {o.kind: tmp_path / "signed" / o.path for o in steps.write(reading).objects}
    former = {o.kind: o.sop_instance_uid for o in objects}
    for kind in (*KINDS, "sr", "sr_contours"):
        document = dcmread(written[kind])
        assert document.VerificationFlag == "VERIFIED"
        assert predecessor_of(document) == former[kind]
