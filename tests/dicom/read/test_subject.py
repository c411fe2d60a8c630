from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from cvai.dicom.read.subject import headers_of, subject_findings, subject_of
from cvai.dicom.write.source import verbatim_element
from cvai.domain.subject import Subject
from tests.dicom.read.assembling import SPEC, assemble, assemble_folder
from tests.dicom.read.dicom_files import enhanced, images
from tests.dicom.write.synthetic import make_analysis

SMALL = SPEC.but(n_slices=3, n_phases=8)
STATED = {
    "PatientSex": "F",
    "PatientAge": "063Y",
    "PatientSize": "1.65",
    "PatientWeight": "62.5",
    "PatientBirthDate": "19610203",
    "StudyDate": "20240229",
}


def subject_stating(**changes: str | None) -> Subject:
    """Subject of a cine whose images all state ``STATED`` but for the changes; None takes one away."""

    def state(header: Dataset, t: int, z: int) -> None:
        for keyword, value in {**STATED, **changes}.items():
            if value is None:
                header.pop(keyword, None)
            else:
                header.add(verbatim_element(keyword, value))

    return subject_of(make_analysis((2, 3, 24, 40), edit_header=state).cine)


def subject_of_two_minds(folder: Path, keyword: str, other: str) -> Subject:
    """Subject of a cine in which one image states something else."""
    datasets = images(SMALL.but(attributes=dict(STATED)))
    datasets[5].add(verbatim_element(keyword, other))
    return subject_of(assemble(folder, datasets))


def test_a_subject_is_what_the_files_state(tmp_path: Path) -> None:
    files = images(SMALL.but(attributes=dict(STATED)))
    assert subject_of(assemble(tmp_path, files)) == subject_stating() == Subject("F", 63, 1.65, 62.5)


def test_a_multiframe_instance_states_it_once(tmp_path: Path) -> None:
    whole = enhanced(SMALL.but(attributes=dict(STATED)))
    assert subject_of(assemble(tmp_path, [whole])) == Subject("F", 63, 1.65, 62.5)


def test_headers_that_state_nothing_give_nothing(tmp_path: Path) -> None:
    assert subject_of(assemble(tmp_path, images(SMALL))) == Subject()


@pytest.mark.parametrize("sex", ["", "O", "W", "male", "M\\F"])
def test_a_sex_without_published_ranges_is_not_known(sex: str) -> None:
    assert subject_stating(PatientSex=sex).sex is None


@pytest.mark.parametrize(
    ("written", "age_years"),
    [
        ("063Y", 63),
        ("000Y", 0),
        ("120Y", 120),
        ("018M", 1),
        ("216M", 18),
        ("051W", 0),
        ("053W", 1),
        ("364D", 0),
        ("366D", 1),
    ],
)
def test_an_age_string_gives_completed_years(written: str, age_years: int) -> None:
    assert subject_stating(PatientAge=written, PatientBirthDate=None).age_years == age_years


@pytest.mark.parametrize("written", [None, "", "63", "63Y", "0063Y", "06.Y"])
def test_without_a_valid_age_the_dates_tell_it(written: str | None) -> None:
    assert subject_stating(PatientAge=written, StudyDate="20240202").age_years == 62
    assert subject_stating(PatientAge=written, StudyDate="20240203").age_years == 63


@pytest.mark.parametrize(
    "dates",
    [
        {"StudyDate": "20120000"},
        {"PatientBirthDate": "00000000"},
        {"PatientBirthDate": "1961"},
        {"PatientBirthDate": "20250101"},
        {"PatientBirthDate": "18000101"},
        {"StudyDate": None},
    ],
)
def test_dates_that_are_none_give_no_age(dates: dict[str, str | None]) -> None:
    assert subject_stating(PatientAge=None, **dates).age_years is None


def test_an_age_beyond_any_person_is_not_replaced_by_the_dates() -> None:
    assert subject_stating(PatientAge="999Y").age_years is None


@pytest.mark.parametrize("written", ["165", "0", "-1.65", "65.0", "1650", ""])
def test_a_height_that_no_person_has_is_no_height(written: str) -> None:
    subject = subject_stating(PatientSize=written)
    assert (subject.height_m, subject.weight_kg) == (None, 62.5)


@pytest.mark.parametrize("written", ["62500", "0", "-3", "9999", ""])
def test_a_weight_that_no_person_has_is_no_weight(written: str) -> None:
    subject = subject_stating(PatientWeight=written)
    assert (subject.height_m, subject.weight_kg) == (1.65, None)


@pytest.mark.parametrize(("size", "weight"), [("0.65", "162"), ("2.45", "20"), ("0.5", "60")])
def test_height_and_weight_that_do_not_go_together_are_both_doubtful(size: str, weight: str) -> None:
    subject = subject_stating(PatientSize=size, PatientWeight=weight)
    assert (subject.height_m, subject.weight_kg) == (None, None)


@pytest.mark.parametrize(
    ("keyword", "other", "name"),
    [
        ("PatientSex", "M", "sex"),
        ("PatientAge", "064Y", "age_years"),
        ("PatientSize", "165", "height_m"),
        ("PatientWeight", "62", "weight_kg"),
    ],
)
def test_images_that_contradict_each_other_tell_nothing(
    tmp_path: Path, keyword: str, other: str, name: str
) -> None:
    subject = subject_of_two_minds(tmp_path, keyword, other)
    known = {"sex": "F", "age_years": 63, "height_m": 1.65, "weight_kg": 62.5}
    assert {key: getattr(subject, key) for key in known} == {**known, name: None}


@pytest.mark.parametrize("keyword", ["PatientSex", "PatientAge", "PatientSize", "PatientWeight"])
def test_an_image_that_states_nothing_contradicts_nobody(tmp_path: Path, keyword: str) -> None:
    assert subject_of_two_minds(tmp_path, keyword, "") == Subject("F", 63, 1.65, 62.5)


@pytest.mark.slow
@given(born=st.dates(date(1930, 1, 1), date(1999, 12, 31)), studied=st.dates(date(2000, 1, 1)))
def test_an_age_from_dates_is_the_number_of_birthdays(born: date, studied: date) -> None:
    birthdays = sum(
        (year, born.month, born.day) <= (studied.year, studied.month, studied.day)
        for year in range(born.year + 1, studied.year + 1)
    )

    dates = {"PatientBirthDate": f"{born:%Y%m%d}", "StudyDate": f"{studied:%Y%m%d}"}
    age_years = subject_stating(PatientAge=None, **dates).age_years
    assert age_years == (birthdays if birthdays <= 120 else None)


@pytest.mark.slow
@given(size=st.floats(), weight=st.floats())
def test_no_header_gives_a_person_who_cannot_be(size: float, weight: float) -> None:
    """A subject checks itself, so that it exists is what is shown."""
    assert subject_stating(PatientSize=f"{size:.6g}", PatientWeight=f"{weight:.6g}").sex == "F"


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("case", ["SCD0000101", "SCD0000301"])
def test_a_real_de_identified_study_tells_nothing(real_data: Path, case: str) -> None:
    assert subject_of(assemble_folder(real_data / "sunnybrook" / case / "dicom")) == Subject()


def findings_of(folder: Path, other: dict[str, str] | None = None, **changes: str) -> list[tuple[str, str]]:
    """Code and message of what is said where all images state ``STATED`` with changes, and one ``other``."""
    datasets = images(SMALL.but(attributes={**STATED, **changes}))
    for keyword, value in (other or {}).items():
        datasets[5].add(verbatim_element(keyword, value))
    cine = assemble(folder, datasets)
    return [(f.code, f.message) for f in subject_findings(headers_of(cine), subject_of(cine))]


def test_nothing_is_said_of_a_person_without_contradictions(tmp_path: Path) -> None:
    assert findings_of(tmp_path / "a") == []
    assert findings_of(tmp_path / "b", {"PatientAge": "064Y"}) == []  # a birthday, or another way to round
    assert findings_of(tmp_path / "c", PatientSize="0", PatientWeight="") == []


@pytest.mark.parametrize(
    ("keyword", "other"),
    [("PatientSex", "M"), ("PatientWeight", "95"), ("PatientSize", "1.9"), ("PatientAge", "022Y")],
)
def test_images_of_two_sexes_sizes_or_ages_may_be_of_two_people(
    tmp_path: Path, keyword: str, other: str
) -> None:
    ((code, message),) = findings_of(tmp_path, {keyword: other})
    assert code == "patient_values_contradicted"
    assert keyword in message
    assert other not in message


def test_an_age_that_the_birth_date_contradicts_is_not_used(tmp_path: Path) -> None:
    assert subject_stating(PatientAge="012Y").age_years is None
    assert subject_stating(PatientAge="064Y").age_years == 64
    ((code, message),) = findings_of(tmp_path, PatientAge="012Y")
    assert code == "patient_values_contradicted"
    assert "PatientAge" in message


def test_a_birth_date_after_the_study_may_be_of_someone_else(tmp_path: Path) -> None:
    ((code, message),) = findings_of(tmp_path, PatientBirthDate="20240301", PatientAge=None)
    assert code == "patient_values_contradicted"
    assert "birth date is after" in message


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"PatientSize": "165"}, "PatientSize"),
        ({"PatientWeight": "62500"}, "PatientWeight"),
        ({"PatientSize": "0.65", "PatientWeight": "165"}, "PatientSize, PatientWeight"),
    ],
)
def test_sizes_that_cannot_be_true_are_named(tmp_path: Path, changes: dict[str, str], named: str) -> None:
    ((code, message),) = findings_of(tmp_path, **changes)
    assert code == "patient_values_impossible"
    assert message.startswith(named)


def test_pounds_in_place_of_kilograms_are_to_be_checked(tmp_path: Path) -> None:
    ((code, _),) = findings_of(tmp_path, PatientWeight="154")
    assert code == "body_size_unusual"
