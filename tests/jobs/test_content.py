"""Images that are replaced under their UIDs: another job, and nothing of the former is shown or signed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom import dcmread

from cvai.analyses.cine_sax.objects import CineKind
from cvai.analyses.cine_sax.reading import ReopenedCine
from cvai.archive.bring import images_digest, require_images
from cvai.archive.folder.archive import FolderArchive
from cvai.dicom.read.cine.synchrony import slice_name
from cvai.dicom.read.read import read_studies
from cvai.domain.message import say, translated
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import ModelIdentity
from cvai.errors import ArchiveRejected, GeometryRefused, StudyRefused
from cvai.jobs.job import JobObject, JobState, Outcome, StudyJob
from cvai.jobs.opened import open_analysed
from cvai.jobs.reading import Reading, Signer, Verdict
from cvai.languages import translator
from cvai.pipeline import analyse_folder
from tests.analyses.test_analyse import CINE, DrawnHeart
from tests.dicom.read.dicom_files import images, write
from tests.jobs.conftest import Bench
from tests.ready import ready
from tests.standin import derived_uid, write_study

pytestmark = pytest.mark.slow

READING = Reading(
    job=StudyJob("1.2.3", "ab" * 32, "cd" * 32),
    model=ModelIdentity("sax", "0.1.0", "cd" * 32, "CPUExecutionProvider"),
    segmentation_uid="1.2.3.4",
    replaces=("1.2.3.4",),
    verdict=Verdict.ACCEPTED,
    signer=Signer("Hart^Ada", "St Elsewhere"),
    signed_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    phases=KeyPhases(0, 9),
)


def test_a_study_delivered_again_with_other_content_is_another_job(bench: Bench, tmp_path: Path) -> None:
    study_uid = derived_uid("again")
    bench.receive(write_study(tmp_path / "first", study_uid))
    first = bench.job(study_uid)
    engine = bench.start()
    assert engine.submit(first)
    assert bench.ended(first).outcome.state is JobState.ANALYSED
    bench.receive(write_study(tmp_path / "same", study_uid))
    assert bench.job(study_uid) == first, "the same delivered again changes nothing"
    other = write_study(tmp_path / "other", study_uid)
    made = dcmread(other[1])
    made.PixelData = bytes(reversed(made.PixelData))
    made.save_as(other[1])
    bench.receive(other)
    second = bench.job(study_uid)
    assert second.job_id != first.job_id
    assert engine.submit(second)
    assert bench.ended(second).outcome.state is JobState.ANALYSED


def test_a_job_from_before_content_was_told_goes_on(bench: Bench, tmp_path: Path) -> None:
    study_uid = derived_uid("before")
    bench.receive(write_study(tmp_path / "first", study_uid))
    content = bench.folder_archive.content(study_uid)
    untold = replace(content, instances=tuple(replace(i, fingerprint="") for i in content.instances))
    job = bench.analyses[0].job_for(study_uid, untold.digest)
    assert job != bench.job(study_uid)
    bench.start().submit(job)
    assert bench.ended(job).outcome.state is JobState.ANALYSED


def test_images_are_known_by_what_their_files_hold(tmp_path: Path) -> None:
    datasets = images(CINE)
    write(tmp_path, datasets)
    (study,) = read_studies(tmp_path).studies
    planes = study.series[0].planes
    digest = images_digest(planes)
    assert images_digest(reversed(planes)) == digest
    require_images(planes, digest)
    require_images(planes, "")
    datasets[3].PatientID = "CORRECTED"
    write(tmp_path, datasets)
    with pytest.raises(StudyRefused) as refused:
        require_images(planes, digest)
    assert refused.value.code == "images_changed"


@pytest.mark.parametrize("replaced", ["an image of the cine", "another image"])
def test_an_analysis_is_opened_on_the_images_that_it_was_made_from(replaced: str, tmp_path: Path) -> None:
    still = CINE.but(series_uid=f"{CINE.series_uid}.5", n_phases=1)
    datasets = [*images(CINE), *images(still)]
    write(tmp_path / "study", datasets)
    (outcome,) = analyse_folder(tmp_path / "study", tmp_path / "out", ready(DrawnHeart()))
    seg = next(o for o in outcome.objects if o.kind == CineKind.CINE)
    (tmp_path / "study" / f"{seg.sop_instance_uid}.dcm").write_bytes(seg.path.read_bytes())
    job = StudyJob(CINE.study_uid, "ab" * 32, "cd" * 32)
    told = Outcome(
        JobState.ANALYSED,
        objects=(JobObject(seg.kind, seg.sop_instance_uid, seg.path.name),),
        images=outcome.images,
    )
    opened = open_analysed(tmp_path / "study", job, told)
    assert isinstance(opened, ReopenedCine)
    assert opened.cine.stack.pixels.shape[:2] == (10, 7)
    changed = datasets[5 if replaced == "an image of the cine" else -1]
    changed.PixelData = bytes(reversed(changed.PixelData))
    write(tmp_path / "study", datasets)
    if replaced == "another image":
        open_analysed(tmp_path / "study", job, told)
        return
    with pytest.raises(StudyRefused) as refused:
        open_analysed(tmp_path / "study", job, told)
    assert refused.value.code == "images_changed"


def test_outcomes_and_readings_of_older_versions_are_read_and_keep_their_digests() -> None:
    told = Outcome(JobState.ANALYSED, images="ab").to_json()
    assert Outcome.from_json(told).images == "ab"
    assert Outcome.from_json({k: v for k, v in told.items() if k != "images"}).images == ""
    assert "images" not in READING.to_json()
    assert Reading.from_json(READING.to_json()) == READING
    known = replace(READING, images="ab" * 32)
    assert Reading.from_json(known.to_json()) == known
    assert known.digest != READING.digest


def test_what_became_of_a_job_can_be_said_in_another_language_once_it_was_kept() -> None:
    third = slice_name(2, range(5))
    moves = say("{slice_name} moves by {moved_mm:.1f} mm between phases.", slice_name=third, moved_mm=4)
    refusal = GeometryRefused("moving_slice", moves, say("Send a cine without slice tracking."))
    outcome = Outcome.because(JobState.REFUSED, refusal)
    kept = json.loads(json.dumps(outcome.to_json()))
    assert kept["message"] == "Slice 3 of 5 moves by 4.0 mm between phases."
    again = Outcome.from_json(kept)
    assert again == outcome
    german = [translated(text, translator("de")) for text in (again.message, again.hint)]
    assert german == [
        "Schicht 3 von 5 bewegt sich zwischen den Phasen um 4.0 mm.",
        "Senden Sie ein Cine ohne Schichtnachführung.",
    ]
    older = {name: value for name, value in kept.items() if name != "texts"}
    assert Outcome.from_json(older) == outcome, "in English"


def test_a_folder_archive_keeps_no_second_object_under_one_uid_silently(tmp_path: Path) -> None:
    archive, study_uid = FolderArchive(tmp_path / "archive"), CINE.study_uid
    write(tmp_path / "study", images(CINE))
    other = DrawnHeart(sides=(9, 8, 7, 6, 6, 6, 6, 7, 8, 9))
    for name, heart in (("first", DrawnHeart()), ("second", other)):
        (outcome,) = analyse_folder(tmp_path / "study", tmp_path / name, ready(heart))
        paths = [o.path for o in outcome.objects]
        if name == "first":
            assert archive.store(study_uid, paths).stored
            assert not archive.store(study_uid, paths).stored
            continue
        with pytest.raises(ArchiveRejected) as rejected:
            archive.store(study_uid, paths)
        assert rejected.value.code == "object_differs"


JANE = {"PatientID": "P-1", "PatientName": "Doe^Jane"}
MARY = {"PatientID": "P-2", "PatientName": "Roe^Mary"}


@pytest.mark.parametrize("measurable", [True, False])
def test_a_patient_corrected_by_a_delivery_is_the_patient_of_all_that_is_shown(
    measurable: bool, bench: Bench, tmp_path: Path
) -> None:
    hearts = iter(
        [DrawnHeart(), DrawnHeart() if measurable else DrawnHeart(sides=(9, 0, 7, 6, 5, 5, 6, 7, 8, 9))]
    )
    bench.analyse = lambda source, out: analyse_folder(source, out, ready(next(hearts)))
    engine = bench.start()
    outcomes = []
    for name, patient in (("first", JANE), ("second", MARY)):
        bench.receive(write(tmp_path / name, images(CINE.but(attributes=dict(patient)))))
        job = bench.job(CINE.study_uid)
        assert engine.submit(job)
        outcomes.append(bench.ended(job).outcome)
    first, second = outcomes
    assert second.state is (JobState.ANALYSED if measurable else JobState.REFUSED)
    kept = {path.stem: dcmread(path) for path in (bench.root / "archive" / CINE.study_uid).glob("*.dcm")}
    (note,) = (kept[o.sop_instance_uid] for o in second.objects if o.kind == "withdrawal")
    gone = {
        str(i.ReferencedSOPInstanceUID)
        for s in note.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
        for i in s.ReferencedSOPSequence
    }
    assert gone == {o.sop_instance_uid for o in first.objects}
    shown = [header for uid, header in kept.items() if uid not in gone]
    assert {str(header.PatientID) for header in shown} == {"P-2"}
    assert bench.job(CINE.study_uid) == job, "what was stored changes no source"
