"""Whose images they are: what makes two patients of a study, and what does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import DataElement, Dataset
from pydicom.uid import Comprehensive3DSRStorage, MRImageStorage, SegmentationStorage

from cvai.dicom.read.patient import Patient, one_patient, patient_of, stated_patients
from cvai.dicom.read.read import read_studies
from cvai.errors import StudyRefused
from tests.dicom.read.dicom_files import SeriesSpec, images, write

JANE = {
    "PatientID": "P-1",
    "IssuerOfPatientID": "Clinic",
    "PatientName": "Doe^Jane",
    "PatientBirthDate": "19610203",
    "PatientSex": "F",
}


def header(number: int = 0, **changes: Any) -> Dataset:
    """Of an image that states JANE but for the changes; None takes an attribute away."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = MRImageStorage, f"1.2.3.{number}"
    for keyword, value in {**JANE, **changes}.items():
        if value is not None:
            setattr(made, keyword, value)
    return made


def together(*changes: dict[str, Any]) -> Patient:
    """The one patient of images that state these."""
    return one_patient(stated_patients(header(i, **c) for i, c in enumerate(changes)))


def qualifiers(entity: str) -> dict[str, Any]:
    item = Dataset()
    item.UniversalEntityID, item.UniversalEntityIDType = entity, "ISO"
    return {"IssuerOfPatientIDQualifiersSequence": [item]}


@pytest.mark.parametrize("representation", ["LO", "UI", "PN", "OB", "DS"])
def test_a_damaged_issuer_that_is_no_sequence_states_nothing(representation: str) -> None:
    damaged = header()
    value: Any = b"12" if representation == "OB" else "12"
    damaged.add(DataElement("IssuerOfPatientIDQualifiersSequence", representation, value))
    assert patient_of(damaged) == patient_of(header())


def refusal_of(*changes: dict[str, Any]) -> StudyRefused:
    with pytest.raises(StudyRefused) as refused:
        together(*changes)
    assert refused.value.code == "patients_differ"
    return refused.value


def test_images_that_state_the_same_are_of_that_patient() -> None:
    assert together({}, {}) == Patient("P-1", "Clinic", name="Doe^Jane", birth_date="19610203", sex="F")


def test_what_an_image_does_not_state_contradicts_nothing() -> None:
    nothing = dict.fromkeys(JANE)
    assert together(nothing, {}, nothing) == together({})
    assert together(nothing) == Patient()
    assert one_patient(()) == Patient()


@pytest.mark.parametrize(
    ("keyword", "other"),
    [
        ("PatientID", "P-2"),
        ("PatientID", "p-1"),
        ("PatientID", "P-01"),
        ("IssuerOfPatientID", "Other clinic"),
        ("PatientBirthDate", "19610204"),
        ("PatientName", "Roe^Jane"),
        ("PatientName", "Doe^John"),
        ("PatientName", "Doe^Jane^^^Jr"),
        ("PatientName", "Doe^Janet"),
        ("PatientName", "D^Jane"),
    ],
)
def test_a_stated_value_that_differs_makes_two_patients(keyword: str, other: str) -> None:
    first = {"PatientName": "Doe^Jane^^^Sr"} if other.endswith("Jr") else {}
    refusal = refusal_of(first, first, {keyword: other})
    assert f"{keyword} differs (2 against 1)" in refusal.message
    assert other not in str(refusal)


def test_an_issuer_named_by_its_universal_identifier_tells_patients_apart() -> None:
    assert together(qualifiers("1.2.3"), {}).issuer_uid == "1.2.3"
    refusal_of(qualifiers("1.2.3"), qualifiers("1.2.4"))


def test_two_identifiers_of_two_issuers_are_not_believed_to_be_of_one_patient() -> None:
    refusal_of({}, {"PatientID": "X-9", "IssuerOfPatientID": "Other clinic"})


@pytest.mark.parametrize(
    "name",
    [
        "DOE^JANE",
        "Doe^Jane^^^",
        " Doe ^ Jane ",
        "Doe^Jane^A",
        "Doe",
        "Doe Jane",
        "Ｄｏｅ^Ｊａｎｅ",
        "Doe^Jane=同^人",
        "=同^人",
        "",
    ],
)
def test_names_that_say_the_same_are_of_one_patient(name: str) -> None:
    assert together({}, {"PatientName": name}).patient_id == "P-1"


def test_groups_of_a_name_are_compared_each_with_its_own_kind() -> None:
    both = {"PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう"}
    assert together({"PatientName": "Yamada^Tarou"}, both).name == both["PatientName"]
    assert (
        together({"PatientName": "Yamada^Tarou"}, {"PatientName": "=山田^太郎"}).name
        == "Yamada^Tarou=山田^太郎"
    )
    refusal_of(both, {"PatientName": "Yamada^Tarou=山田^花子"})
    refusal_of(both, {"PatientName": "Suzuki^Tarou=山田^太郎"})


def test_two_given_names_are_two_patients_whatever_stands_between_them() -> None:
    refusal_of({"PatientName": "Doe^Jane"}, {"PatientName": "Doe"}, {"PatientName": "Doe^John"})


def test_the_fullest_name_is_taken() -> None:
    names = ("Doe^Jane", "Doe^Jane", "DOE^JANE^A", "Doe")
    assert together(*({"PatientName": name} for name in names)).name == "DOE^JANE^A"


@pytest.mark.parametrize("date", ["00000000", "19610000", "1961", "unknown", ""])
def test_a_birth_date_that_is_none_is_not_stated(date: str) -> None:
    made = header()
    made.add_new("PatientBirthDate", "LO", date)
    assert patient_of(made).birth_date == ""
    assert one_patient(stated_patients([header(1), made])).birth_date == "19610203"


@pytest.mark.parametrize("second", ["M", "O", "X", None])
def test_a_sex_tells_nobody_apart_and_is_known_where_all_agree(second: str | None) -> None:
    assert together({}, {"PatientSex": second}).sex == ("F" if second in ("X", None) else "")


def test_every_side_is_counted() -> None:
    ids = ["P-1"] * 5 + ["P-2"] * 3 + [f"X-{n}" for n in range(9)]
    refusal = refusal_of(*({"PatientID": patient_id} for patient_id in ids))
    assert "The 17 images" in refusal.message
    assert "PatientID differs (5 against 3, 1, 1, 1, 6)" in refusal.message


@given(st.lists(st.sampled_from(["Doe^Jane", "DOE^JANE^A", "Doe", "", "Doe^Jane=同^人"]), min_size=1))
def test_the_patient_does_not_depend_on_the_order_images_arrive_in(names: list[str]) -> None:
    stated = [{"PatientName": name} for name in names]
    assert together(*stated) == together(*reversed(stated))


def test_what_cvai_wrote_itself_does_not_say_whose_images_they_are() -> None:
    old = {"PatientID": "OLD", "PatientName": "Old^Name"}
    own = [
        header(7, SOPClassUID=kind, Manufacturer="cvai", **old)
        for kind in (SegmentationStorage, Comprehensive3DSRStorage)
    ]
    assert one_patient(stated_patients([header(), *own])).patient_id == "P-1"
    elses = header(8, SOPClassUID=SegmentationStorage, Manufacturer="Else", **old)
    image = header(9, SOPClassUID=MRImageStorage, Manufacturer="cvai", **old)
    for foreign in (elses, image):
        with pytest.raises(StudyRefused):
            one_patient(stated_patients([header(), foreign]))


@pytest.mark.parametrize(
    ("first", "second", "surely"),
    [
        ({}, {}, True),
        ({}, {"PatientName": None}, True),
        ({}, {"PatientBirthDate": None}, True),
        ({}, {"PatientName": None, "PatientBirthDate": None}, False),
        ({}, {"IssuerOfPatientID": None}, True),
        ({}, {"IssuerOfPatientID": "Other clinic"}, False),
        ({}, {"PatientBirthDate": "19700101"}, False),
        ({"PatientID": None}, {"PatientID": None}, False),
    ],
)
def test_studies_are_joined_by_identifier_and_what_goes_with_it(
    first: dict[str, Any], second: dict[str, Any], surely: bool
) -> None:
    patients = patient_of(header(**first)), patient_of(header(**second))
    assert patients[0].is_surely(patients[1]) is surely
    assert patients[1].is_surely(patients[0]) is surely


def test_a_patient_is_checked_as_it_is_made() -> None:
    with pytest.raises(ValueError, match="birth date"):
        Patient(birth_date="1961")
    with pytest.raises(ValueError, match="sex"):
        Patient(sex="W")


def test_every_file_of_a_study_counts_copies_and_damaged_ones_included(tmp_path: Path) -> None:
    spec = SeriesSpec(n_slices=2, n_phases=2, attributes=dict(JANE))
    datasets = images(spec)
    write(tmp_path / "study", datasets)
    (study,) = read_studies(tmp_path / "study").studies
    assert study.patient().patient_id == "P-1"
    copy = datasets[0]
    copy.PatientID = "P-2"
    write(tmp_path / "study", [copy], "copy-")
    (study,) = read_studies(tmp_path / "study").studies
    with pytest.raises(StudyRefused, match="4 against 1"):
        study.patient()


def test_an_image_whose_pixels_are_cut_off_still_says_whose_it_is(tmp_path: Path) -> None:
    datasets = images(SeriesSpec(n_slices=2, n_phases=2, attributes=dict(JANE)))
    datasets[3].PatientID = "P-2"
    paths = write(tmp_path, datasets)
    paths[3].write_bytes(paths[3].read_bytes()[:-20])
    (study,) = read_studies(tmp_path).studies
    with pytest.raises(StudyRefused, match="3 against 1"):
        study.patient()
