"""Structured reports of other makers: what is read of them, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from highdicom import sr as hd
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.sr.coding import Code

from cvai.dicom.read.read import read_studies
from cvai.dicom.read.reports.content import _CT_OF_RT
from cvai.dicom.read.reports.documents import Reports, reports_of
from cvai.dicom.read.reports.quantities import BODY, BODY_CODES, CODES, OF_A_SITE, QUANTITIES, UNITS
from cvai.dicom.read.values import Document, Study
from cvai.domain.reported import ReportedValue
from tests.dicom.read import report_files as sr
from tests.dicom.read.assembling import SPEC
from tests.dicom.read.dicom_files import images

PATIENT = {"PatientID": "P-7", "PatientName": "Doe^Jane", "PatientBirthDate": "19610203", "PatientSex": "F"}
IMAGE = images(SPEC.but(n_slices=1, n_phases=1, attributes=PATIENT))[0]


def read(folder: Path, *reports: Dataset) -> Reports:
    """What reports beside one image of the same study state."""
    for number, made in enumerate((IMAGE, *reports)):
        sr.write_report(folder / str(number), made)
    (study,) = read_studies(folder).studies
    return reports_of(study)


def one(folder: Path, *numbers: Dataset) -> ReportedValue:
    """The only value of findings of the left ventricle."""
    (value,) = read(folder, sr.tid_5200(IMAGE, sr.section(sr.LEFT_VENTRICLE, *numbers))).values
    return value


def reason(folder: Path, *numbers: Dataset) -> str:
    """Why the only value of such findings is left out."""
    found = read(folder, sr.tid_5200(IMAGE, sr.section(sr.LEFT_VENTRICLE, *numbers)))
    assert not found.values
    (left_out,) = found.left_out
    return left_out.reason


def test_an_echo_report_states_values_with_site_mode_method_and_phase(tmp_path: Path) -> None:
    made = sr.tid_5200(
        IMAGE,
        sr.characteristics(),
        sr.section(
            sr.LEFT_VENTRICLE,
            sr.number(sr.LV_EF, 54.2, sr.PERCENT, sr.modifier(sr.METHOD, sr.BIPLANE)),
            sr.number(sr.LV_EDV, 0.121, ("l", "UCUM", "liter"), sr.modifier(sr.METHOD, sr.BIPLANE)),
            sr.number(sr.LV_INTERNAL_ED, 4.9, sr.CM, sr.modifier(sr.PHASE, sr.END_DIASTOLE)),
            sr.number(sr.STROKE_VOLUME, 66, sr.ML),
        ),
    )
    found = read(tmp_path, made)
    assert {v.name: (round(v.value, 3), v.unit) for v in found.values} == {
        "lv_ef": (54.2, "%"),
        "lv_edv": (121.0, "mL"),
        "lv_internal_ed": (49.0, "mm"),
        "lv_sv": (66.0, "mL"),
    }
    ef, edv, *_ = found.values
    assert (str(ef.method), ef.mode, ef.code) == (
        "method of discs, biplane",
        "2D mode",
        ("LN", "18043-0", sr.LV_EF[2]),
    )
    assert edv.stated == (0.121, "l")
    assert (ef.source.maker, ef.source.verified) == ("Echo Works Model 95", False)
    assert ef.source.sop_instance_uid == made.SOPInstanceUID
    assert {v.name: round(v.value, 2) for v in found.body} == {
        "body_height": 1.65,
        "body_weight": 62.0,
        "systolic_pressure": 128.0,
        "diastolic_pressure": 76.0,
    }
    assert found.left_out == ()


def test_a_simplified_echo_report_says_view_and_method_in_its_codes(tmp_path: Path) -> None:
    label = sr.text("HAS CONCEPT MOD", ("125309", "DCM", "Short Label"), "EF (MOD-bp)")
    made = sr.tid_5300(
        IMAGE,
        sr.number(
            sr.EF_BIPLANE, 54, sr.PERCENT, label, sr.code("HAS PROPERTIES", sr.SELECTION, sr.MEAN_CHOSEN)
        ),
        sr.number(sr.EDV_BIPLANE, 121, sr.ML),
    )
    ef, edv = read(tmp_path, made).values
    assert (ef.name, ef.selected, edv.name) == ("lv_ef", True, "lv_edv")
    assert ef.method == edv.method
    assert ef.method.modality == "US"


def test_properties_of_a_site_are_read_where_phase_and_site_are_stated(tmp_path: Path) -> None:
    left = ("87878005", "SCT", "Left ventricle")
    property_ = sr.modifier(("125307", "DCM", "Measured Property"), ("118565006", "SCT", "Volume"))
    at = sr.modifier(sr.PHASE, sr.END_SYSTOLE)
    made = sr.tid_5300(
        IMAGE,
        sr.number(("1", "99MAKER", "EsV"), 55, sr.ML, property_, at, sr.modifier(sr.FINDING_SITE, left)),
    )
    (value,) = read(tmp_path, made).values
    assert (value.name, value.value) == ("lv_esv", 55.0)


def test_a_measurement_report_of_mr_is_read(tmp_path: Path) -> None:
    tracking = sr.text("HAS OBS CONTEXT", ("112039", "DCM", "Tracking Identifier"), "LV")
    made = sr.tid_1500(
        IMAGE,
        tracking,
        sr.modifier(("363698007", "SCT", "Finding Site"), ("87878005", "SCT", "Left ventricle")),
        sr.number(sr.EF_MR, 61, sr.PERCENT),
        Manufacturer="Heart Software",
    )
    (value,) = read(tmp_path, made).values
    assert (value.name, value.method.modality, value.source.title) == (
        "lv_ef",
        "MR",
        "Imaging Measurement Report",
    )


def test_a_measurement_report_as_highdicom_writes_it_is_read(tmp_path: Path) -> None:
    algorithm = hd.AlgorithmIdentification(
        name="HeartNet",
        version="3",
        family=Code("123110", "DCM", "Artificial Intelligence"),
        manufacturer="Heart Software",
    )
    volume = hd.Measurement(
        name=Code("8821-1", "LN", "Left Ventricular ED Volume"),
        value=143.5,
        unit=Code("mL", "UCUM", "mL"),
        method=Code("126030", "DCM", "Sum of segmented voxel method for volume"),
    )
    group = hd.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.TrackingIdentifier(uid="2.25.5", identifier="left ventricle"),
        finding_sites=[hd.FindingSite(anatomic_location=Code("87878005", "SCT", "Left ventricle"))],
        algorithm_id=algorithm,
        measurements=[volume],
    )
    device = hd.DeviceObserverIdentifyingAttributes(uid="2.25.6", name="HeartNet")
    content = hd.MeasurementReport(
        observation_context=hd.ObservationContext(
            observer_device_context=hd.ObserverContext(Code("121007", "DCM", "Device"), device)
        ),
        procedure_reported=Code("241620005", "SCT", "Cardiac MRI"),
        imaging_measurements=[group],
    )
    made = sr.tid_1500(IMAGE)
    made.update(content[0])
    (value,) = read(tmp_path, made).values
    assert (value.name, value.value, str(value.method)) == ("lv_edv", 143.5, "sum of voxels")


def test_a_mass_of_an_echo_report_is_of_ultrasound(tmp_path: Path) -> None:
    mass = sr.number(("18087-7", "LN", "Left Ventricle Mass"), 180, ("g", "UCUM", "gram"))
    assert one(tmp_path, mass).method.modality == "US"


def test_the_nearest_finding_site_counts(tmp_path: Path) -> None:
    """A stroke volume of the outflow tract is listed with the left ventricle."""
    at = sr.modifier(sr.FINDING_SITE, sr.OUTFLOW_TRACT)
    found = read(
        tmp_path,
        sr.tid_5200(IMAGE, sr.section(sr.LEFT_VENTRICLE, sr.number(sr.STROKE_VOLUME, 70, sr.ML, at))),
    )
    assert found.values == ()


def test_numbers_below_a_number_are_no_values(tmp_path: Path) -> None:
    """They are its normal range, or what it was calculated from."""
    below = sr.number(sr.LV_EF, 52, sr.PERCENT)
    below.RelationshipType = "HAS PROPERTIES"
    source = sr.number(sr.LV_EDV, 120, sr.ML)
    source.RelationshipType = "INFERRED FROM"
    assert one(tmp_path, sr.number(sr.LV_EF, 60, sr.PERCENT, below, source)).value == 60.0


@pytest.mark.parametrize(
    "preferred",
    [sr.code("HAS PROPERTIES", sr.SELECTION, sr.CHOSEN), sr.modifier(sr.DERIVATION, sr.MEAN)],
    ids=["selected", "mean"],
)
def test_of_several_values_that_which_the_report_prefers_is_taken(tmp_path: Path, preferred: Dataset) -> None:
    numbers = [sr.number(sr.LV_EF, ef, sr.PERCENT) for ef in (50, 58, 54)]
    value = one(tmp_path, *numbers, sr.number(sr.LV_EF, 55, sr.PERCENT, preferred))
    assert (value.value, value.one_of) == (55.0, 1)


def test_several_values_without_a_preferred_one_are_all_kept_and_counted(tmp_path: Path) -> None:
    numbers = [sr.number(sr.LV_EF, ef, sr.PERCENT) for ef in (50, 58, 50)]
    found = read(tmp_path, sr.tid_5200(IMAGE, sr.section(sr.LEFT_VENTRICLE, *numbers)))
    assert [(v.value, v.one_of) for v in found.values] == [(50.0, 2), (58.0, 2)]


def test_a_minimum_does_not_stand_for_the_quantity(tmp_path: Path) -> None:
    least = sr.modifier(sr.DERIVATION, ("R-404FB", "SRT", "Minimum"))
    found = read(
        tmp_path,
        sr.tid_5200(IMAGE, sr.section(sr.LEFT_VENTRICLE, sr.number(sr.LV_EF, 40, sr.PERCENT, least))),
    )
    assert found == Reports()


def test_a_single_plane_method_says_its_plane_by_the_view(tmp_path: Path) -> None:
    how = (sr.modifier(sr.METHOD, sr.SINGLE_PLANE), sr.code("HAS ACQ CONTEXT", sr.VIEW, sr.FOUR_CHAMBER))
    value = one(tmp_path, sr.number(sr.LV_EF, 54, sr.PERCENT, *how))
    assert (str(value.method), value.view) == ("method of discs, four-chamber", "Apical four chamber")


def two_values(name: sr.Coded, value: float) -> Dataset:
    made = sr.number(name, value, sr.PERCENT)
    made.MeasuredValueSequence[0].FloatingPointValue = value / 2
    return made


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (sr.number(sr.LV_EF, 55, None), "no single number with a unit"),
        (sr.number(sr.LV_EF, "", sr.PERCENT), "no single number with a unit"),
        (two_values(sr.LV_EF, 56), "no single number with a unit"),
        (sr.number(sr.LV_EF, 55, sr.ML), "a unit of another quantity"),
        (sr.number(sr.LV_EDV, 55, ("ml", "99UNITS", "ml")), "a unit of another quantity"),
        (sr.number(sr.LV_EF, 55, ("1", "UCUM", "no units")), "no value that a person can have"),
        (sr.number(sr.LV_INTERNAL_ED, 4.9, ("mm", "UCUM", "mm")), "no value that a person can have"),
        (
            sr.number(sr.LV_EDV, 55, sr.ML, sr.modifier(sr.PHASE, sr.END_SYSTOLE)),
            "another point of the cardiac cycle than its code says",
        ),
        (
            sr.number(sr.LV_EDV, 55, sr.ML, sr.modifier(sr.FINDING_SITE, sr.RIGHT_VENTRICLE)),
            "another finding site than its code says",
        ),
        (
            sr.number(sr.EF_BIPLANE, 55, sr.PERCENT, sr.modifier(sr.METHOD, sr.TEICHHOLZ)),
            "another method than its code says",
        ),
        (
            sr.number(
                sr.LV_EF,
                55,
                sr.PERCENT,
                sr.modifier(("7", "99MAKER", "Change"), ("8", "99MAKER", "Since 2020")),
            ),
            "a modifier that is not known or contradicts itself",
        ),
        (
            sr.number(
                sr.LV_EDV,
                55,
                sr.ML,
                sr.modifier(sr.FINDING_SITE, sr.LEFT_VENTRICLE),
                sr.modifier(sr.FINDING_SITE, sr.RIGHT_VENTRICLE),
            ),
            "a modifier that is not known or contradicts itself",
        ),
    ],
)
def test_what_does_not_fit_together_is_left_out(tmp_path: Path, number: Dataset, expected: str) -> None:
    assert reason(tmp_path, number) == expected


def elsewhere(context: Dataset) -> Dataset:
    """Findings about something else, as ``context`` says."""
    made = sr.section(sr.LEFT_VENTRICLE, sr.number(sr.LV_EF, 54, sr.PERCENT))
    made.ContentSequence.append(context)
    return made


@pytest.mark.parametrize(
    "context",
    [
        sr.code("HAS OBS CONTEXT", ("121024", "DCM", "Subject Class"), ("121026", "DCM", "Fetus")),
        sr.text("HAS OBS CONTEXT", ("121030", "DCM", "Subject ID"), "SOMEBODY-ELSE"),
        sr.reference("HAS OBS CONTEXT", ("121018", "DCM", "Procedure Study Instance UID"), "1.2.3"),
        sr.code("HAS ACQ CONTEXT", ("18139-6", "LN", "Stage"), ("F-05019", "SRT", "Peak stress")),
        sr.text("HAS CONCEPT MOD", ("111001", "DCM", "Algorithm Name"), "cvai echo"),
    ],
    ids=["fetus", "other patient", "other study", "stress", "cvai's own number"],
)
def test_what_is_about_something_else_is_not_read(tmp_path: Path, context: Dataset) -> None:
    assert read(tmp_path, sr.tid_5200(IMAGE, elsewhere(context))) == Reports()


def evidence(study_uid: str, instance: str) -> Dataset:
    study, series, image = Dataset(), Dataset(), Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = IMAGE.SOPClassUID, instance
    series.SeriesInstanceUID, series.ReferencedSOPSequence = "1.2.3.4", [image]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = study_uid, [series]
    return study


def test_a_value_of_images_of_another_study_is_not_read(tmp_path: Path) -> None:
    image = sr.item("INFERRED FROM", "IMAGE", ("121112", "DCM", "Source of Measurement"))
    image.ReferencedSOPSequence = evidence("1.2.3", "1.2.3.9")["ReferencedSeriesSequence"][
        0
    ].ReferencedSOPSequence
    made = sr.tid_1500(IMAGE, sr.number(sr.LV_EF, 40, sr.PERCENT, image), sr.number(sr.LV_EF, 55, sr.PERCENT))
    made.PertinentOtherEvidenceSequence = [evidence("1.2.3", "1.2.3.9")]
    assert [value.value for value in read(tmp_path, made).values] == [55.0]


def test_a_report_about_images_of_another_study_is_not_read(tmp_path: Path) -> None:
    made = sr.tid_5300(IMAGE, sr.number(sr.EF_BIPLANE, 54, sr.PERCENT))
    made.CurrentRequestedProcedureEvidenceSequence = [evidence("1.2.3", "1.2.3.9")]
    assert read(tmp_path, made) == Reports()


def test_a_report_that_was_replaced_is_not_read(tmp_path: Path) -> None:
    former = sr.tid_5300(IMAGE, sr.number(sr.EF_BIPLANE, 44, sr.PERCENT))
    later = sr.tid_5300(IMAGE, sr.number(sr.EF_BIPLANE, 54, sr.PERCENT))
    later.PredecessorDocumentsSequence = [evidence(IMAGE.StudyInstanceUID, former.SOPInstanceUID)]
    assert [value.value for value in read(tmp_path, former, later).values] == [54.0]


def test_reports_of_cvai_and_of_unknown_templates_are_not_read(tmp_path: Path) -> None:
    group = sr.section(sr.LEFT_VENTRICLE, sr.number(sr.LV_EF, 54, sr.PERCENT))
    ours = sr.tid_1500(IMAGE, sr.number(sr.EF_MR, 54, sr.PERCENT), Manufacturer="cvai")
    unknown = sr.report(IMAGE, ("18745-0", "LN", "Cardiac Catheterization Report"), group)
    assert read(tmp_path, ours, unknown) == Reports()


@pytest.mark.parametrize(
    "broken", ["no items", "no names", "deep", "other representation", "no relationship"]
)
def test_a_broken_tree_states_nothing_and_harms_nothing(tmp_path: Path, broken: str) -> None:
    number = sr.number(sr.LV_EF, 54, sr.PERCENT)
    made = sr.tid_5200(IMAGE, sr.section(sr.LEFT_VENTRICLE, number))
    if broken == "no items":
        del made.ContentSequence
    elif broken == "no names":
        del made.ContentSequence[-1].ConceptNameCodeSequence
    elif broken == "deep":
        for _ in range(40):
            number = sr.container(("121070", "DCM", "Findings"), number)
        made.ContentSequence = [number]
    elif broken == "other representation":
        del number["MeasuredValueSequence"]
        number.add_new("MeasuredValueSequence", "LO", "54 %")
    else:
        del number.RelationshipType
    assert read(tmp_path, made).values == ()


def walked(item: Dataset) -> Iterator[Dataset]:
    """A data set and all items in it."""
    yield item
    for element in item:
        if element.VR == "SQ":
            for below in element.value:
                yield from walked(below)


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_whatever_is_broken_nothing_is_raised_and_no_other_value_appears(data: st.DataObject) -> None:
    """Elements anywhere in the tree are taken away, emptied or replaced by another text."""
    findings = sr.section(sr.LEFT_VENTRICLE, sr.number(sr.LV_EF, 54, sr.PERCENT))
    made = sr.tid_5200(IMAGE, sr.characteristics(), findings)
    inside = [(item, element.keyword) for item in walked(made) for element in item]
    for item, keyword in data.draw(st.lists(st.sampled_from(inside), min_size=1, max_size=4)):
        how = data.draw(st.sampled_from(["removed", "emptied", "LN", "CODE", "%", "99", "x\\y"]))
        item.pop(keyword, None)
        if how == "emptied":
            item.add_new(keyword, "SQ" if keyword.endswith("Sequence") else "LO", None)
        elif how != "removed":
            item.add_new(keyword, "LO", how)
    document = Document("1.2", str(made.get("SOPClassUID", "")), "1.2.3", made)
    found = reports_of(Study(IMAGE.StudyInstanceUID, (), documents=(document,)))
    assert {value.value for value in found.values} <= {54.0}
    assert {round(value.value, 2) for value in found.body} <= {1.65, 62.0, 128.0, 76.0}


def test_a_report_that_is_cut_off_does_not_stop_a_study(tmp_path: Path) -> None:
    path = sr.write_report(tmp_path / "cut", sr.tid_5200(IMAGE, sr.section(sr.LEFT_VENTRICLE)))
    path.write_bytes(path.read_bytes()[:-200])
    found = read(tmp_path, sr.tid_5300(IMAGE, sr.number(sr.EF_BIPLANE, 54, sr.PERCENT)))
    assert [value.value for value in found.values] == [54.0]


def test_the_codes_of_both_nomenclatures_are_the_same_concepts() -> None:
    for old, new in _CT_OF_RT.items() - {("F-32011", "416190007")}:
        assert Code(old, "SRT", "") == Code(new, "SCT", "")


def test_every_code_leads_to_a_quantity_with_a_unit() -> None:
    assert {name for name, _ in CODES.values()} | set(OF_A_SITE.values()) <= set(QUANTITIES)
    assert set(BODY_CODES.values()) == set(BODY)
    assert {quantity.unit for quantity in (*QUANTITIES.values(), *BODY.values())} == set(UNITS)
    assert all(factors[unit] == 1 for unit, factors in UNITS.items())


def test_a_study_of_no_report_states_nothing(tmp_path: Path) -> None:
    assert read(tmp_path) == Reports()
