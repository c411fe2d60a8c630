from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import highdicom
import pytest
from pydicom import Dataset
from pydicom.uid import Comprehensive3DSRStorage

from cvai.analyses.cine_sax.objects import CineKind
from cvai.dicom.write import codes
from cvai.dicom.write.analysis import Verification
from cvai.dicom.write.codes import MEASUREMENT_CODES
from cvai.dicom.write.objects.number import SHOWN_DECIMALS
from cvai.dicom.write.objects.sr import Supersedes, measurement_document
from cvai.dicom.write.plan import ResultKind
from cvai.dicom.write.uids import device_uid
from cvai.domain.findings import Finding, Severity
from cvai.domain.measurement import Measurement
from tests.dicom.write.synthetic import UID_ROOT, Written, context_of, make_analysis


def items(node: Dataset) -> Iterator[Dataset]:
    """Every content item of a document, in order."""
    for item in node.get("ContentSequence") or ():
        yield item
        yield from items(item)


def name_of(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue) if "ConceptNameCodeSequence" in item else ""


def number_of(item: Dataset) -> float:
    return float(item.MeasuredValueSequence[0].NumericValue)


def key_of(name: str) -> str:
    """How ``numbers`` calls the measurement that result.json calls ``name``."""
    coding = MEASUREMENT_CODES[name]
    if name.startswith("lv_wall_"):
        return f"122445 {coding.site.value} {dict(coding.qualifiers)[codes.CARDIAC_CYCLE_POINT].value}"
    return coding.name.value + (" / BSA" if codes.INDEXED_BY_BODY_SURFACE in coding.qualifiers else "")


def modifiers(item: Dataset) -> dict[str, str]:
    """Values of the codes that modify a measurement, by their concept."""
    children = [c for c in item.get("ContentSequence") or () if c.RelationshipType == "HAS CONCEPT MOD"]
    return {name_of(child): child.ConceptCodeSequence[0].CodeValue for child in children}


def numbers(document: Dataset) -> dict[str, Dataset]:
    """Measurements by code, those that a modifier makes an index with `` / BSA`` after it; each said once."""
    found = [
        item for item in items(document) if item.ValueType == "NUM" and item.RelationshipType == "CONTAINS"
    ]
    by_code = {distinct_name(item): item for item in found}
    assert len(by_code) == len(found)
    return by_code


def distinct_name(item: Dataset) -> str:
    """Code of a measurement, with what else it needs to be told from others of that code."""
    said = modifiers(item)
    if name_of(item) == "122445":
        site = next(c for c in item.ContentSequence if name_of(c) == "363698007").ConceptCodeSequence[0]
        return f"122445 {site.CodeValue} {said['272518008']}"
    return name_of(item) + (" / BSA" if said.get("121425") == "8277-6" else "")


def document_of(**changes: object) -> Dataset:
    analysis = replace(make_analysis((2, 3, 24, 40)), **changes)
    return measurement_document(context_of(analysis))


@pytest.mark.parametrize("results", ["written", "written_of_known_subject"])
def test_every_number_is_read_back_with_its_code_and_unit(
    results: str, request: pytest.FixtureRequest
) -> None:
    written: Written = request.getfixturevalue(results)
    said = numbers(written.read(ResultKind.SR))
    assert len(said) == len(written.analysis.measurements)
    for measurement in written.analysis.measurements:
        value = said[key_of(measurement.name)].MeasuredValueSequence[0]
        assert value.FloatingPointValue == measurement.value
        assert float(value.NumericValue) == pytest.approx(measurement.value, abs=0.5 * 10**-SHOWN_DECIMALS)
        assert value.MeasurementUnitsCodeSequence[0].CodeValue == measurement.unit


def wall_group_sizes(written: Written) -> list[int]:
    """How many phases every segment of the wall was measured at; segments without any have no group."""
    names = [m.name for m in written.analysis.measurements if m.name.startswith("lv_wall_")]
    return list(Counter(name[len("lv_wall_ed_") :] for name in names).values())


def test_highdicom_reads_the_groups(written: Written) -> None:
    document = highdicom.sr.srread(written.path(ResultKind.SR))
    volumes = document.content.get_volumetric_roi_measurement_groups()
    others = document.content.get_image_measurement_groups()
    assert document.SOPClassUID == Comprehensive3DSRStorage
    assert [len(group.get_measurements()) for group in volumes] == [1, 1, 1, 1, 1]
    assert [len(group.get_measurements()) for group in others] == [3, 3, 1, *wall_group_sizes(written)]


@pytest.mark.slow
def test_highdicom_reads_indices_beside_what_they_index(written_of_known_subject: Written) -> None:
    document = highdicom.sr.srread(written_of_known_subject.path(ResultKind.SR))
    volumes = document.content.get_volumetric_roi_measurement_groups()
    others = document.content.get_image_measurement_groups()
    assert [len(group.get_measurements()) for group in volumes] == [2, 2, 2, 2, 2]
    wall = wall_group_sizes(written_of_known_subject)
    assert [len(group.get_measurements()) for group in others] == [5, 5, 1, 1, *wall]


@pytest.mark.parametrize(
    ("name", "kind", "segment", "point"),
    [
        ("lv_edv", CineKind.END_DIASTOLE, 1, "416190007"),
        ("lv_esv", CineKind.END_SYSTOLE, 1, "416430001"),
        ("lv_mass", CineKind.END_DIASTOLE, 2, "416190007"),
        ("rv_edv", CineKind.END_DIASTOLE, 3, "416190007"),
        ("rv_esv", CineKind.END_SYSTOLE, 3, "416430001"),
    ],
)
def test_a_volume_refers_to_the_segment_it_was_counted_in(
    written: Written, name: str, kind: str, segment: int, point: str
) -> None:
    code = MEASUREMENT_CODES[name].name.value
    seg = written.read(kind)
    group = next(
        item
        for item in items(written.read(ResultKind.SR))
        if item.ValueType == "CONTAINER" and code in [name_of(child) for child in item.ContentSequence]
    )
    children = {name_of(child): child for child in group.ContentSequence}
    reference = children["121191"].ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == seg.SOPInstanceUID
    assert reference.ReferencedSOPClassUID == seg.SOPClassUID
    assert reference.ReferencedSegmentNumber == segment
    assert seg.SegmentSequence[segment - 1].TrackingUID == children["112040"].UID
    assert f"{UID_ROOT}.2" == children["121232"].UID
    said = modifiers(children[code])
    assert (said["272518008"], said["370129005"]) == (point, "126030")
    assert said["122670"] == ("122620" if name == "lv_mass" else "122621")


def test_the_evidence_lists_every_instance_that_is_referred_to(written: Written) -> None:
    document = written.read(ResultKind.SR)
    (study,) = document.CurrentRequestedProcedureEvidenceSequence
    listed = {
        (series.SeriesInstanceUID, instance.ReferencedSOPInstanceUID)
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    }
    segs = [written.read(kind) for kind in (CineKind.END_DIASTOLE, CineKind.END_SYSTOLE)]
    sources = {
        (f"{UID_ROOT}.2", plane.sop_instance_uid) for phase in written.analysis.cine.planes for plane in phase
    }
    assert study.StudyInstanceUID == written.analysis.study_uid
    assert listed == sources | {(seg.SeriesInstanceUID, seg.SOPInstanceUID) for seg in segs}
    used = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in items(document)
        if item.ValueType == "IMAGE"
    }
    assert used == {sop_instance_uid for _, sop_instance_uid in listed}


def test_the_image_library_names_the_frames_of_a_multiframe_source(written_multiframe: Written) -> None:
    references = [
        item.ReferencedSOPSequence[0]
        for item in items(written_multiframe.read(ResultKind.SR))
        if item.ValueType == "IMAGE" and name_of(item) != "121191"
    ]
    planes = [plane for phase in written_multiframe.analysis.cine.planes for plane in phase]
    assert [r.ReferencedFrameNumber for r in references] == [plane.frame_number for plane in planes]


def test_the_document_is_complete_but_unverified(written: Written) -> None:
    document = written.read(ResultKind.SR)
    assert (document.CompletionFlag, document.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert document.PreliminaryFlag == "PRELIMINARY"
    assert "PredecessorDocumentsSequence" not in document


def test_a_withheld_number_makes_the_document_partial_and_is_not_in_it() -> None:
    kept = tuple(m for m in make_analysis((2, 3, 24, 40)).measurements if not m.name.startswith("rv_"))
    withheld = (Finding("rv_cut_off", Severity.WITHHELD, "The right ventricle leaves the image."),)
    document = document_of(measurements=kept, findings=withheld)
    assert document.CompletionFlag == "PARTIAL"
    signed = Verification("Hart^Ada", "", datetime(2026, 3, 1, tzinfo=UTC), changed=False, digest="ef" * 32)
    verified = document_of(measurements=kept, findings=withheld, verification=signed)
    assert (verified.CompletionFlag, verified.VerificationFlag) == ("COMPLETE", "VERIFIED"), "PS3.3 C.17.2"
    rv_codes = {c.name.value for name, c in MEASUREMENT_CODES.items() if name.startswith("rv_")}
    assert not rv_codes & set(numbers(document))


def test_a_document_without_any_number_still_refers_to_the_segments() -> None:
    document = document_of(measurements=())
    assert numbers(document) == {}
    assert sum(name_of(item) == "121191" for item in items(document)) == 5


def test_uncertainty_and_normal_range_stand_in_the_measurements_own_unit() -> None:
    volume = Measurement("lv_edv", 150.0, "mL", interval=(141.5, 163.0), normal=(106.0, 214.0))
    said = numbers(document_of(measurements=(volume,)))["8821-1"]
    properties = {name_of(i): i for i in said.ContentSequence if i.RelationshipType == "HAS PROPERTIES"}
    bounds = {code: item for code, item in properties.items() if item.ValueType == "NUM"}
    values = {code: number_of(item) for code, item in bounds.items()}
    assert values == {"371886008": 13.0, "371885007": 8.5, "385524004": 106.0, "371933006": 214.0}
    for item in bounds.values():
        assert item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue == "mL"


@pytest.mark.parametrize(("value", "code"), [(90.0, "371880002"), (150.0, "17621005"), (230.0, "371879000")])
def test_a_value_is_called_low_normal_or_high(value: float, code: str) -> None:
    volume = Measurement("lv_edv", value, "mL", normal=(106.0, 214.0))
    said = numbers(document_of(measurements=(volume,)))["8821-1"]
    (normality,) = [item for item in said.ContentSequence if name_of(item) == "121402"]
    assert normality.ConceptCodeSequence[0].CodeValue == code
    assert normality.RelationshipType == "HAS PROPERTIES"


def test_without_a_range_nothing_is_called_normal(written: Written) -> None:
    said = {name_of(item) for item in items(written.read(ResultKind.SR))}
    assert not said & {"121402", "121407", "121408", "385524004", "371933006"}


def test_a_range_names_its_authority_and_for_whom_it_holds(written_of_known_subject: Written) -> None:
    said = numbers(written_of_known_subject.read(ResultKind.SR))
    for name in ("lv_edv", "lv_edv_index", "rv_ef", "lv_mass_index"):
        texts = {name_of(i): i.TextValue for i in said[key_of(name)].ContentSequence if i.ValueType == "TEXT"}
        assert "doi:10.1016/j.jcmg.2024.01.009" in texts["121408"]
        assert "women of White ethnicity, 60 to 69 years" in texts["121407"]
        assert "second-hand" in texts["121407"]
    assert [i for i in said[key_of("lv_co")].ContentSequence if i.ValueType == "TEXT"] == []


def test_body_surface_is_said_with_its_formula(written_of_known_subject: Written) -> None:
    surface = numbers(written_of_known_subject.read(ResultKind.SR))["8277-6"]
    assert number_of(surface) == pytest.approx((165 * 62 / 3600) ** 0.5, abs=0.005)
    assert surface.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue == "m2"
    assert modifiers(surface)["370129005"] == "122244"


def test_words_say_what_papillary_muscles_are_part_of(written: Written) -> None:
    texts = [item.TextValue for item in items(written.read(ResultKind.SR)) if item.ValueType == "TEXT"]
    assert any("counted as cavity" in text and "the mass does not" in text for text in texts)


def test_a_comment_says_how_contours_are_drawn_where_the_card_states_it(written: Written) -> None:
    texts = [item for item in items(written.read(ResultKind.SR)) if item.ValueType == "TEXT"]
    comments = [item.TextValue for item in texts if name_of(item) == codes.COMMENT.value]
    assert comments.count("Contours as here: smooth endocardium.") == 1


def test_disclaimer_and_findings_are_said_in_words(written: Written) -> None:
    texts = [item for item in items(written.read(ResultKind.SR)) if item.ValueType == "TEXT"]
    assert any(item.TextValue.startswith("Not for clinical use.") for item in texts)
    flags = [item.TextValue for item in texts if name_of(item) == codes.QUALITY_FINDING.value]
    for finding in written.analysis.findings:
        assert any(finding.message in text and finding.code in text for text in flags)
    assert not any(name_of(item) == "121071" for item in texts)


def test_the_algorithm_is_named_wherever_it_measured(written: Written) -> None:
    groups = [i for i in items(written.read(ResultKind.SR)) if name_of(i) == "125007"]
    named = {
        name_of(group.ContentSequence[-1]): [name_of(child) for child in group.ContentSequence]
        for group in groups
    }
    assert len(groups) == 8 + len(wall_group_sizes(written))
    without = [children for children in named.values() if "111001" not in children]
    assert without == [named[MEASUREMENT_CODES["heart_rate"].name.value]]


def test_the_device_that_observed_is_named_in_full(written: Written) -> None:
    stated = {name_of(item): item for item in written.read(ResultKind.SR).ContentSequence}
    model = written.analysis.model
    assert stated["121005"].ConceptCodeSequence[0].CodeValue == "121007"
    assert device_uid(model.sha256) == stated["121012"].UID
    named = [stated[code].TextValue for code in ("121014", "121015", "121016")]
    assert named == ["cvai", f"cvai {model.name}", model.sha256]


def test_a_document_names_those_it_supersedes() -> None:
    context = context_of(make_analysis((2, 3, 24, 40)))
    document = measurement_document(context, [Supersedes("1.2", "1.2.3", "1.2.3.4")])
    (study,) = document.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    assert (study.StudyInstanceUID, series.SeriesInstanceUID) == ("1.2", "1.2.3")
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3.4"
    assert series.ReferencedSOPSequence[0].ReferencedSOPClassUID == Comprehensive3DSRStorage
