"""A study that is measured again, with the results of the first time standing in it by then."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from cvai.dicom.write.standing.withdrawal import WITHDRAWAL_KIND, WITHDRAWAL_NAME
from cvai.domain.segmentation import ModelIdentity
from cvai.pipeline import StudyOutcome, analyse_folder
from tests.analyses.test_analyse import CINE, DrawnHeart
from tests.dicom.read.dicom_files import images, write
from tests.dicom.write.synthetic import FILE_NAMES
from tests.dicom.write.test_dciodvfy import complaints
from tests.ready import ready

pytestmark = pytest.mark.slow

CREATION = {"InstanceCreationDate", "InstanceCreationTime", "ContentDate", "ContentTime",
            "SeriesDate", "SeriesTime", "EncapsulatedDocument"}  # fmt: skip
"""What may differ between two runs; the printed report names the minute it was made."""


@dataclass(frozen=True)
class Release(DrawnHeart):
    """The same drawing by one release of a model or another."""

    sha256: str = "1" * 64

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity("drawn", "1.0", self.sha256, "none")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    write(folder, images(CINE))
    return folder


def measure(study: Path, out: Path, release: Release) -> dict[str, Dataset]:
    """Objects of a run by file name; they stand in the study afterwards, as an archive would have it."""
    (outcome,) = analyse_folder(study, out, ready(release))
    for written in outcome.objects:
        shutil.copy(written.path, study / f"{out.name}-{written.path.name}")
    return {name: dcmread(outcome.folder / name) for name in FILE_NAMES.values()}


def without_creation(instance: Dataset) -> Dataset:
    return Dataset({e.tag: e for e in instance if e.keyword not in CREATION})


def test_twice_the_same_gives_the_same_and_another_model_takes_its_place(study: Path, tmp_path: Path) -> None:
    first, again, other = (
        measure(study, tmp_path / run, Release(sha256=digit * 64))
        for run, digit in (("first", "1"), ("again", "1"), ("other", "2"))
    )
    for name, instance in first.items():
        assert without_creation(instance) == without_creation(again[name]), name
        assert instance.SOPInstanceUID != other[name].SOPInstanceUID
        assert instance.SeriesInstanceUID != other[name].SeriesInstanceUID
    (predecessor,) = other["sr.dcm"].PredecessorDocumentsSequence
    (series,) = predecessor.ReferencedSeriesSequence
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first["sr.dcm"].SOPInstanceUID
    assert "PredecessorDocumentsSequence" not in again["sr.dcm"]


JANE = {"PatientID": "P-1", "PatientName": "Doe^Jane", "PatientBirthDate": "19610203", "PatientSex": "F"}
MARY = {**JANE, "PatientID": "P-2", "PatientName": "Roe^Mary"}
WHEN = {"StudyDate": "20240229", "StudyTime": "1015", "StudyID": "7"}
STANDING = CINE.but(attributes={**JANE, **WHEN})
OTHER_NUMBERS = Release(sides=(9, 8, 7, 6, 6, 6, 6, 7, 8, 9))
OTHER_LABELS = Release(sides=(9, 8, 7, 6, 5, 5, 6, 7, 8, 8))
"""In a phase that no number is taken from."""


def deliver(study: Path, patient: dict[str, str]) -> None:
    """All images of the study, under the UIDs that they always have."""
    write(study, images(STANDING.but(attributes={**STANDING.attributes, **patient})))


def measured(study: Path, out: Path, release: DrawnHeart | None = None) -> StudyOutcome:
    """A run whose objects stand in the study afterwards, where an archive keeps what it has."""
    (outcome,) = analyse_folder(study, out, ready(release or Release()))
    for written in outcome.objects:
        target = study / f"{written.sop_instance_uid}.dcm"
        if not target.exists():
            shutil.copy(written.path, target)
    return outcome


def uids(outcome: StudyOutcome) -> set[str]:
    return {o.sop_instance_uid for o in outcome.objects if o.kind != WITHDRAWAL_KIND}


def withdrawn_by(outcome: StudyOutcome) -> set[str]:
    """SOP Instance UIDs that the note of a run withdraws; none where it has none."""
    notes = [dcmread(o.path) for o in outcome.objects if o.kind == WITHDRAWAL_KIND]
    return {
        str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for note in notes
        for item in note.ContentSequence
        if "ReferencedSOPSequence" in item
    }


def test_results_of_a_corrected_patient_are_other_objects_and_the_former_ones_are_withdrawn(
    tmp_path: Path,
) -> None:
    study = tmp_path / "study"
    deliver(study, JANE)
    first = measured(study, tmp_path / "first")
    deliver(study, MARY)
    second = measured(study, tmp_path / "second")
    assert withdrawn_by(first) == set()
    assert uids(first).isdisjoint(uids(second))
    assert withdrawn_by(second) == uids(first)
    for written in second.objects:
        assert dcmread(written.path).PatientID == "P-2"
    assert "PredecessorDocumentsSequence" not in dcmread(second.folder / "sr.dcm")
    again = measured(study, tmp_path / "again")
    assert [o.sop_instance_uid for o in again.objects] == [o.sop_instance_uid for o in second.objects]
    assert (first.folder / "fhir.json").read_text() != (second.folder / "fhir.json").read_text()


def test_a_patient_that_is_corrected_back_gets_results_that_are_not_withdrawn(tmp_path: Path) -> None:
    study, withdrawn, seen = tmp_path / "study", set[str](), list[set[str]]()
    for run, patient in enumerate((JANE, MARY, JANE, MARY, JANE)):
        deliver(study, patient)
        outcome = measured(study, tmp_path / str(run))
        withdrawn |= withdrawn_by(outcome)
        assert uids(outcome).isdisjoint(withdrawn)
        assert all(uids(outcome).isdisjoint(before) for before in seen)
        seen.append(uids(outcome))


@pytest.mark.parametrize("other", [OTHER_NUMBERS, OTHER_LABELS])
def test_other_results_of_the_same_images_are_other_objects_and_name_the_former_document(
    other: Release, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    deliver(study, JANE)
    first = measured(study, tmp_path / "first")
    second, third = (measured(study, tmp_path / run, other) for run in ("second", "third"))
    assert uids(first).isdisjoint(uids(second))
    assert uids(second) == uids(third)
    assert withdrawn_by(second) == set()
    (predecessor,) = dcmread(second.folder / "sr.dcm").PredecessorDocumentsSequence
    (series,) = predecessor.ReferencedSeriesSequence
    former = series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert former == dcmread(first.folder / "sr.dcm").SOPInstanceUID


def test_the_same_numbers_by_another_version_of_cvai_are_the_same_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = tmp_path / "study"
    deliver(study, JANE)
    first = measured(study, tmp_path / "first")
    monkeypatch.setattr("cvai.analyses.cine_sax.analyse.__version__", "99.0")
    assert uids(measured(study, tmp_path / "second")) == uids(first)


@pytest.mark.parametrize("patient", [JANE, MARY])
def test_a_segmentation_that_is_left_alone_is_not_taken_for_the_new_one(
    patient: dict[str, str], tmp_path: Path
) -> None:
    study = tmp_path / "study"
    deliver(study, JANE)
    first = measured(study, tmp_path / "first", OTHER_LABELS)
    for written in first.objects:
        if "seg_cine" not in written.path.name:
            (study / f"{written.sop_instance_uid}.dcm").unlink()
    deliver(study, patient)
    second = measured(study, tmp_path / "second")
    assert uids(first).isdisjoint(uids(second))
    assert len(withdrawn_by(second)) == (patient is MARY)


def test_names_that_an_archive_writes_otherwise_make_no_other_objects(tmp_path: Path) -> None:
    study = tmp_path / "study"
    deliver(study, JANE)
    first = measured(study, tmp_path / "first")
    deliver(study, {**JANE, "PatientName": "DOE^JANE^^^"})
    assert uids(measured(study, tmp_path / "second")) == uids(first)


def test_former_results_are_withdrawn_where_the_corrected_study_cannot_be_measured(tmp_path: Path) -> None:
    study = tmp_path / "study"
    deliver(study, JANE)
    first = measured(study, tmp_path / "first")
    deliver(study, MARY)
    lost = DrawnHeart(sides=(9, 8, 7, 0, 0, 5, 6, 7, 8, 9))
    second = measured(study, tmp_path / "second", lost)
    assert second.status == "refused"
    assert withdrawn_by(second) == uids(first)


def test_nothing_is_withdrawn_where_nobody_knows_whose_study_it_is(tmp_path: Path) -> None:
    study = tmp_path / "study"
    deliver(study, JANE)
    measured(study, tmp_path / "first")
    mixed = images(STANDING.but(attributes={**STANDING.attributes, **MARY}))
    write(study, mixed[: len(mixed) // 2])
    outcome = measured(study, tmp_path / "second")
    assert outcome.error is not None
    assert outcome.error.code == "patients_differ"
    assert outcome.objects == ()


@pytest.mark.dciodvfy
def test_a_withdrawal_has_no_errors_or_warnings(tmp_path: Path, dciodvfy: str) -> None:
    study = tmp_path / "study"
    deliver(study, JANE)
    measured(study, tmp_path / "first")
    deliver(study, MARY)
    second = measured(study, tmp_path / "second")
    assert complaints(dciodvfy, second.folder / WITHDRAWAL_NAME) == []
