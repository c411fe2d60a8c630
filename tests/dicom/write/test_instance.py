from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from cvai.analyses.cine_sax.objects import SERIES, CineKind
from cvai.dicom.read.header.tolerance import tolerating_values
from cvai.dicom.write.instance import ResultContext, free_series_number, new_instance
from cvai.dicom.write.plan import ResultKind
from cvai.dicom.write.source import SourceImage, checked_value, series_references, verbatim_element
from tests.dicom.write.synthetic import UID_ROOT, make_analysis
from tests.dicom.write.synthetic import context_of as made_context

LEADING_ZERO_UID = "1.2.826.0.1.3680043.10.999.007"


def context_of(**changes: object) -> ResultContext:
    """Context of an analysis whose headers have these attributes, valid or not; None takes one away."""

    def edit(header: Dataset, t: int, z: int) -> None:
        for keyword, value in changes.items():
            if value is None:
                del header[keyword]
            else:
                header.add(verbatim_element(keyword, value))

    return made_context(make_analysis((2, 3, 24, 40), edit_header=edit))


def instance_of(**changes: object) -> Dataset:
    return new_instance(context_of(**changes), ResultKind.SR)


def test_patient_and_study_are_those_of_the_source() -> None:
    instance = instance_of()
    assert instance.PatientName == "Müller^Änne"
    assert (instance.PatientID, instance.PatientBirthDate, instance.PatientSex) == ("P-0042", "19610203", "F")
    assert instance.StudyInstanceUID == f"{UID_ROOT}.1"
    assert (instance.StudyDate, instance.StudyTime, instance.StudyID) == ("20240229", "101112", "S1")
    assert (instance.AccessionNumber, instance.ReferringPhysicianName) == ("A77", "Hart^Ada")


def test_names_of_any_script_survive() -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    assert instance_of(PatientName=name).PatientName == name
    assert instance_of().SpecificCharacterSet == "ISO_IR 192"


def test_an_invalid_uid_is_kept_letter_by_letter() -> None:
    assert instance_of(StudyInstanceUID=LEADING_ZERO_UID).StudyInstanceUID == LEADING_ZERO_UID


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("StudyDate", "20120000"),
        ("StudyDate", "20230229"),
        ("PatientBirthDate", "00000000"),
        ("StudyTime", "998877"),
        ("PatientSex", "W"),
        ("PatientSex", "female"),
    ],
)
def test_a_value_that_says_nothing_is_left_empty(keyword: str, value: str) -> None:
    assert instance_of(**{keyword: value})[keyword].is_empty


@pytest.mark.parametrize("keyword", ["PatientID", "AccessionNumber", "StudyID", "PatientSex", "StudyDate"])
def test_an_absent_attribute_of_type_2_is_empty(keyword: str) -> None:
    assert instance_of(**{keyword: None})[keyword].is_empty


@pytest.mark.parametrize(("age", "is_kept"), [("063Y", True), ("63", False)])
def test_an_age_is_kept_only_when_valid(age: str, is_kept: bool) -> None:
    assert ("PatientAge" in instance_of(PatientAge=age)) is is_kept


def test_creation_is_when_the_results_were_made() -> None:
    instance = instance_of()
    for keyword in ("InstanceCreation", "Content", "Series"):
        assert instance[f"{keyword}Date"].value == "20240301"
        assert instance[f"{keyword}Time"].value == "123015"


def test_every_kind_stands_in_its_own_series_with_its_own_number(context: ResultContext) -> None:
    instances = [new_instance(context, kind) for kind in SERIES]
    assert len({i.SeriesInstanceUID for i in instances}) == len(instances)
    assert len({i.SeriesNumber for i in instances}) == len(instances)
    assert all("not for clinical use" in i.SeriesDescription for i in instances)
    assert [i.Modality for i in instances] == [plan.modality for plan in SERIES.values()]


@given(st.sets(st.integers(1, 12000), max_size=80))
def test_series_numbers_collide_with_nothing_in_the_study(taken: set[int]) -> None:
    first = free_series_number(taken, n=7)
    assert not taken & set(range(first, first + 7))


def test_the_series_number_of_the_cine_itself_counts_as_taken() -> None:
    assert context_of(SeriesNumber="9003").first_series_number == 9101
    assert context_of(SeriesNumber="12").first_series_number == 9001
    assert made_context(make_analysis(), [9102]).first_series_number == 9201


def test_a_shared_frame_of_reference_is_kept() -> None:
    assert context_of(FrameOfReferenceUID="1.2.3").frame_of_reference_uid == "1.2.3"


@pytest.mark.parametrize("stated", [True, False])
def test_frames_of_reference_that_disagree_or_lack_are_replaced_by_a_derived_one(stated: bool) -> None:
    def spoil(header: Dataset, t: int, z: int) -> None:
        header.FrameOfReferenceUID = f"1.2.{t}.{z}"
        if not stated:
            del header.FrameOfReferenceUID

    context = made_context(make_analysis((2, 3, 24, 40), edit_header=spoil))
    assert context.frame_of_reference_uid == context.uids.frame_of_reference()


def test_sources_are_grouped_by_series_and_named_once() -> None:
    sources = [SourceImage("1.1", "1.9.1", "1.5", 1), SourceImage("1.1", "1.9.1", "1.5", 2)]
    sources.append(SourceImage("1.1", LEADING_ZERO_UID, "1.6", None))
    first, second = series_references(sources)
    assert (first.SeriesInstanceUID, second.SeriesInstanceUID) == ("1.5", "1.6")
    with tolerating_values():
        assert [i.ReferencedSOPInstanceUID for i in first.ReferencedInstanceSequence] == ["1.9.1"]
        assert [i.ReferencedSOPInstanceUID for i in second.ReferencedInstanceSequence] == [LEADING_ZERO_UID]


@pytest.mark.parametrize("keyword", ["PositionReferenceIndicator", "StudyDate", "PatientAge"])
def test_several_values_where_one_belongs_say_nothing(keyword: str) -> None:
    header = Dataset()
    header.add(verbatim_element(keyword, ["20240229", "20240229"]))
    assert checked_value(header, keyword) is None


def test_what_cannot_be_printed_says_nothing() -> None:
    assert (
        checked_value(
            context_of(PositionReferenceIndicator="\x01").first_header, "PositionReferenceIndicator"
        )
        is None
    )


@pytest.mark.parametrize(
    "keyword", ["PatientName", "PatientID", "StudyDescription", "AccessionNumber", "ReferringPhysicianName"]
)
def test_controls_in_the_source_do_not_reach_results(keyword: str) -> None:
    with tolerating_values():
        instance = instance_of(**{keyword: "AB\x00C\x1b\u202e\n1"})
        assert str(instance[keyword].value) == "ABC 1"


def test_an_identity_of_several_values_is_taken_over_as_it_stands() -> None:
    instance = new_instance(context_of(PatientID="P1\\P2"), CineKind.END_DIASTOLE)
    assert list(instance.PatientID) == ["P1", "P2"]


def test_several_frames_of_reference_are_as_good_as_none() -> None:
    context = context_of(FrameOfReferenceUID=["1.2.3", "1.2.4"])
    assert context.frame_of_reference_uid == context.uids.frame_of_reference()
