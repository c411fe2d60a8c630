"""No measurement is made from images of two patients, however they came together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import CTImageStorage

from cvai.archive.bring import bring
from cvai.archive.folder.archive import FolderArchive
from cvai.dicom.read.header.tolerance import tolerating_values
from cvai.dicom.write.source import verbatim_element
from cvai.doctor.study import explain_folder
from cvai.errors import StudyRefused, TemporarilyUnavailable
from cvai.jobs.job import JobObject, JobState, Outcome, StudyJob
from cvai.jobs.opened import open_analysed
from cvai.models.echo import EchoSegmenter
from cvai.pipeline import analyse_folder
from tests.analyses.test_analyse import CINE, DrawnHeart, analysed
from tests.dicom.read.dicom_files import FOUR_CHAMBER, SeriesSpec, images, write
from tests.dicom.read.ultrasound_files import STUDY, beating_frames, write_loop
from tests.jobs.conftest import Bench
from tests.ready import ready
from tests.standin import derived_uid, write_study

JANE = {
    "PatientID": "P-1",
    "IssuerOfPatientID": "Clinic",
    "PatientName": "Doe^Jane",
    "PatientBirthDate": "19610203",
    "PatientSex": "F",
    "StudyDate": "20240229",
}
OTHER = {"PatientID": "X-9", "PatientName": "Roe^Mary", "PatientBirthDate": "19400101"}
SHORT_AXIS = CINE.but(attributes=dict(JANE))
SECOND = SHORT_AXIS.but(series_uid=f"{CINE.series_uid}.7", series_number=8)
LONG_AXIS = SECOND.but(axes=FOUR_CHAMBER, n_slices=1)


def changed(datasets: list[Dataset], **values: str) -> list[Dataset]:
    for ds in datasets:
        for keyword, value in values.items():
            setattr(ds, keyword, value)
    return datasets


def alternating() -> list[Dataset]:
    made = images(SHORT_AXIS)
    changed(made[::2], **OTHER)
    return made


def half_of_the_slices() -> list[Dataset]:
    made = images(SHORT_AXIS)
    changed(made[len(made) // 2 :], **OTHER, SeriesInstanceUID="1.2.3.4")
    return made


def one_image(**values: str) -> Callable[[], list[Dataset]]:
    def made() -> list[Dataset]:
        cine = images(SHORT_AXIS)
        changed(cine[17:18], **values)
        return cine

    return made


def two_cines() -> list[Dataset]:
    return [*images(SHORT_AXIS), *changed(images(SECOND), **OTHER)]


def a_series_that_would_be_passed_over() -> list[Dataset]:
    return [*images(SHORT_AXIS), *changed(images(LONG_AXIS), **OTHER)]


def one_computed_tomograph() -> list[Dataset]:
    other = changed(images(SECOND)[:1], **OTHER, Modality="CT")
    other[0].SOPClassUID = CTImageStorage
    return [*images(SHORT_AXIS), *other]


def nothing_but_computed_tomographs() -> list[Dataset]:
    both = [*images(SHORT_AXIS)[:3], *changed(images(SECOND)[:2], **OTHER)]
    return changed(both, Modality="CT", SOPClassUID=CTImageStorage)


@pytest.mark.slow
@pytest.mark.parametrize(
    "made",
    [
        alternating,
        half_of_the_slices,
        one_image(**OTHER),
        one_image(PatientID="X-9"),
        one_image(PatientBirthDate="19400101"),
        one_image(IssuerOfPatientID="Elsewhere"),
        one_image(PatientName="Roe^Jane"),
        two_cines,
        a_series_that_would_be_passed_over,
        one_computed_tomograph,
        nothing_but_computed_tomographs,
    ],
)
def test_images_of_two_patients_are_never_measured(made: Callable[[], list[Dataset]], tmp_path: Path) -> None:
    write(tmp_path / "study", made())
    outcome, record = analysed(tmp_path / "study", tmp_path / "out")
    assert record["refused"]["code"] == "patients_differ"
    assert outcome.objects == ()
    assert record["measurements"] == []
    text = (outcome.folder / "result.json").read_text()
    assert not [value for value in (*JANE.values(), *OTHER.values()) if len(value) > 1 and value in text]


@pytest.mark.parametrize("keyword", OTHER)
def test_two_loops_of_two_patients_are_never_measured(keyword: str, tmp_path: Path) -> None:
    stated = {"PatientID": "P-1", "PatientName": "Doe^Jane", "PatientBirthDate": "19610203"}
    write_loop(tmp_path / "study" / "1.dcm", beating_frames(seed=1), 1, **stated)
    write_loop(tmp_path / "study" / "2.dcm", beating_frames(seed=2), 2, **{**stated, keyword: OTHER[keyword]})
    never_asked = cast("EchoSegmenter", object())
    (outcome,) = analyse_folder(
        tmp_path / "study", tmp_path / "out", ready(DrawnHeart(), lambda: never_asked)
    )
    assert outcome.study_uid == STUDY
    assert outcome.error is not None
    assert outcome.error.code == "patients_differ"
    assert f"{keyword} differs (1 against 1)" in outcome.error.message


def test_cvai_doctor_says_so_too(tmp_path: Path) -> None:
    write(tmp_path, alternating())
    (check,) = explain_folder(tmp_path)
    assert not check.ok
    assert "patients_differ" in check.detail


@pytest.mark.slow
def test_results_name_the_patient_that_all_images_state_together(tmp_path: Path) -> None:
    made = images(SHORT_AXIS)
    changed(made[:40], PatientID="", PatientName="DOE", IssuerOfPatientID="")
    for ds in made[:40]:
        ds.add(verbatim_element("PatientBirthDate", "00000000"))
    with tolerating_values():
        write(tmp_path / "study", made)
    outcome, _ = analysed(tmp_path / "study", tmp_path / "out")
    assert outcome.objects
    for written in outcome.objects:
        header = dcmread(written.path)
        stated = {keyword: str(header[keyword].value) for keyword in JANE}
        assert stated == JANE, written.kind
    bundle = json.loads((outcome.folder / "fhir.json").read_text())
    subjects = [e["resource"]["subject"] for e in bundle["entry"] if "subject" in e["resource"]]
    assert {s["identifier"]["value"] for s in subjects} == {"P-1"}


@pytest.mark.slow
def test_results_filed_under_a_former_name_do_not_refuse_a_corrected_study(tmp_path: Path) -> None:
    write(tmp_path / "study", changed(images(SHORT_AXIS), **OTHER))
    first, _ = analysed(tmp_path / "study", tmp_path / "first")
    write(tmp_path / "study", images(SHORT_AXIS))
    for written in first.objects:
        shutil.copy(written.path, tmp_path / "study" / written.path.name)
    second, _ = analysed(tmp_path / "study", tmp_path / "second")
    assert second.status == "analysed"
    assert {str(dcmread(written.path).PatientID) for written in second.objects} == {"P-1"}


def test_a_reader_is_shown_no_images_of_two_patients(tmp_path: Path) -> None:
    write(tmp_path, alternating())
    told = Outcome(JobState.ANALYSED, objects=(JobObject("seg_cine", "1.2.3", "seg.dcm"),))
    with pytest.raises(StudyRefused) as refused:
        open_analysed(tmp_path, StudyJob(CINE.study_uid, "ab", "cd"), told)
    assert refused.value.code == "patients_differ"


class HandsOut:
    """An archive that lists a study and sends other files."""

    def __init__(self, listed: Path, sent: Path) -> None:
        self._listed = FolderArchive(listed)
        self._sent = sent

    def fetch(self, _: str, folder: Path) -> int:
        shutil.copytree(self._sent, folder, dirs_exist_ok=True)
        return len(list(folder.iterdir()))

    def __getattr__(self, name: str) -> Callable[..., object]:
        return cast("Callable[..., object]", getattr(self._listed, name))


def brought_with(tmp_path: Path, spoil: Callable[[list[Dataset]], list[Dataset]]) -> None:
    """What becomes of a study of which these images are sent in place of those that are kept."""
    small = SeriesSpec(n_slices=2, n_phases=3, attributes=dict(JANE))
    FolderArchive(tmp_path / "kept").take_in(write(tmp_path / "in", images(small)))
    write(tmp_path / "sent", spoil(images(small)))
    archive = HandsOut(tmp_path / "kept", tmp_path / "sent")
    bring(archive, archive.content(small.study_uid), tmp_path / "got")  # type: ignore[arg-type]


def test_a_study_comes_as_it_is_kept(tmp_path: Path) -> None:
    brought_with(tmp_path, lambda sent: sent)
    assert len(list((tmp_path / "got").iterdir())) == 6


@pytest.mark.parametrize(("values", "code"), [(OTHER, "patients_differ"), ({}, "study_differs")])
def test_an_archive_that_hands_out_an_image_of_another_study_is_not_believed(
    values: dict[str, str], code: str, tmp_path: Path
) -> None:
    def foreign(sent: list[Dataset]) -> list[Dataset]:
        changed(sent[2:3], **values, StudyInstanceUID="1.2.3.4")
        return sent

    with pytest.raises(StudyRefused) as refused:
        brought_with(tmp_path, foreign)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sent: [*sent[:-1], sent[0]],
        lambda sent: sent[:-1],
        lambda sent: [*sent[:-1], *changed(sent[-1:], SOPInstanceUID="1.2.3.4")],
    ],
)
def test_an_answer_that_lacks_a_listed_image_is_asked_for_again(
    spoil: Callable[[list[Dataset]], list[Dataset]], tmp_path: Path
) -> None:
    with pytest.raises(TemporarilyUnavailable) as waits:
        brought_with(tmp_path, spoil)
    assert waits.value.code == "fetch_incomplete"


def test_a_job_whose_archive_hands_out_a_foreign_image_ends_as_refused(bench: Bench, tmp_path: Path) -> None:
    study_uid, other_uid = derived_uid("study"), derived_uid("other")
    bench.receive(write_study(tmp_path / "in", study_uid, 3))
    kept = bench.root / "archive" / study_uid
    shutil.copytree(kept, tmp_path / "sent")
    foreign = dcmread(write_study(tmp_path / "other", other_uid, 1)[0])
    foreign.PatientID = "X-9"
    foreign.save_as(sorted((tmp_path / "sent").iterdir())[0])
    bench.archive = HandsOut(bench.root / "archive", tmp_path / "sent")  # type: ignore[assignment]
    job = bench.job(study_uid)
    bench.start().submit(job)
    outcome = bench.ended(job).outcome
    assert (outcome.state, outcome.code) == (JobState.REFUSED, "patients_differ")
