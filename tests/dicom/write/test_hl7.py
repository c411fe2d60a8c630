"""The HL7 message, read by another library than the one that checks what is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import hl7
import pytest
from hl7apy.parser import parse_message
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.dicom.read.header.text import one_line
from cvai.dicom.read.patient import Patient
from cvai.dicom.write import er7
from cvai.dicom.write.analysis import Analysed, Verification
from cvai.dicom.write.codes import INDEXED_BY_BODY_SURFACE
from cvai.dicom.write.hl7 import oru_message
from cvai.dicom.write.instance import ResultContext
from cvai.dicom.write.write import HL7_NAME
from cvai.domain.measurement import OF_MODEL, Measurement
from tests.dicom.write.echo_synthetic import echo_analysis
from tests.dicom.write.synthetic import FULLY_KNOWN, Written, context_of, make_analysis

SIGNED = Verification(
    "Hart^Ada^^Dr.", "Clinic", datetime(2024, 3, 2, 9, tzinfo=UTC), changed=True, digest="cd" * 32
)
SMALL = (2, 3, 24, 40)


def brief() -> CineAnalysis:
    """An analysis of few measurements."""
    analysis = make_analysis(SMALL)
    return replace(analysis, measurements=analysis.measurements[:3])


def read(text: str) -> hl7.Message:
    """The message by a second library; checked where it has the patient's identifier, as HL7 asks."""
    message = hl7.parse(text)
    if str(message.segment("PID")[3]):
        parse_message(text).validate()
    return message


def written_of(analysis: Analysed, rejected_because: str | None = None) -> hl7.Message:
    return read(oru_message(context_of(analysis), rejected_because))


def said(message: hl7.Message, field: object) -> str:
    """A field or component as it was meant."""
    return str(message.unescape(str(field)))


def observations(message: hl7.Message, kind: str) -> Iterator[hl7.Segment]:
    return (s for s in message.segments("OBX") if str(s[2]) == kind)


def by_own_name(message: hl7.Message) -> dict[str, hl7.Segment]:
    """Values by cvai's own name of what was measured."""
    found = {}
    for segment in observations(message, "NM"):
        parts = [str(part) for part in segment[3][0]]
        found[parts[parts.index("99CVAI") - 2]] = segment
    return found


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Analysed:
    return echo_analysis(tmp_path_factory.mktemp("echo"), subject=FULLY_KNOWN)


def with_header(analysis: CineAnalysis, **values: object) -> ResultContext[CineAnalysis]:
    """Results of images whose headers say this too."""
    context = context_of(analysis)
    for keyword, value in values.items():
        setattr(context.first_header, keyword, value)
    return context


def item(**values: str) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def check_values(message: hl7.Message, analysis: Analysed, status: str) -> None:
    """Every measurement is there with its code, unit, range, flag and status."""
    values = by_own_name(message)
    assert set(values) == {m.name for m in analysis.measurements}
    for measurement in analysis.measurements:
        segment, coding = values[measurement.name], analysis.coding(measurement.name)
        assert float(str(segment[5])) == pytest.approx(measurement.value, abs=0.005)
        assert said(message, segment[6][0][0]) == measurement.unit
        assert [str(part) for part in segment[3][0]][2] == (
            "99CVAI" if INDEXED_BY_BODY_SURFACE in coding.qualifiers else coding.name.scheme_designator
        )
        if INDEXED_BY_BODY_SURFACE not in coding.qualifiers:
            assert str(segment[3][0][0]) == coding.name.value
        low_high = "" if measurement.normal is None else "{:g}-{:g}".format(*measurement.normal)
        assert str(segment[7]) == low_high
        assert str(segment[8]) == {"low": "L", "normal": "N", "high": "H", None: ""}[measurement.normality]
        assert str(segment[11]) == status
    identifiers = [(str(s[3][0][0]), str(s[4])) for s in observations(message, "NM")]
    assert len(set(identifiers)) == len(identifiers), "no two have the same identifier and sub-ID"


def test_what_is_written_beside_the_results_has_every_value(written_of_known_subject: Written) -> None:
    message = read((written_of_known_subject.folder / HL7_NAME).read_bytes().decode())
    check_values(message, written_of_known_subject.analysis, "P")
    assert message.extract_field("MSH", 1, 9, 1, 1) == "ORU"
    assert [str(message.segment("MSH")[n]) for n in (12, 18)] == ["2.5.1", "UNICODE UTF-8"]
    assert [str(message.segment("OBR")[n]) for n in (18, 24, 25)] == ["A77", "NMR", "P"]
    assert str(message.segment("OBX")[5]) == written_of_known_subject.analysis.study_uid
    assert [str(s[1]) for s in message.segments("OBX")] == [
        str(n + 1) for n in range(len(message.segments("OBX")))
    ]


def test_values_of_ultrasound_have_the_codes_of_their_method(echo: Analysed) -> None:
    message = written_of(echo)
    check_values(message, echo, "P")
    assert str(by_own_name(message)["lv_ef"][3][0][0]) == "79991-6"
    assert str(message.segment("OBR")[24]) == "CUS"


def test_interval_site_and_source_of_the_range_stand_behind_the_value() -> None:
    analysis = make_analysis(SMALL, subject=FULLY_KNOWN)
    ef = analysis.measurement("lv_ef")
    assert ef is not None
    wide = replace(ef, value=55.0, interval=(50.0, 60.5), interval_from=OF_MODEL)
    message = written_of(replace(analysis, measurements=(wide,)))
    site, interval, origin, normal = (said(message, s[3]) for s in message.segments("NTE")[2:])
    assert (site, interval) == ("Site: Left ventricle", "Range of measurement uncertainty: 50 to 60.5 %")
    assert origin == "90 % intervals: of the model."
    assert normal.startswith("Reference range: 95 % prediction interval, women")


def test_how_contours_are_drawn_is_said_where_the_card_says_it() -> None:
    analysis = brief()
    for convention, expected in (("as in ACDC", ["Contours as in ACDC."]), (None, [])):
        stated = replace(analysis, model=replace(analysis.model, convention=convention))
        message = written_of(stated)
        assert [
            t for s in message.segments("NTE") if (t := said(message, s[3])).startswith("Contours")
        ] == expected
    rejected = written_of(replace(analysis, verification=SIGNED), rejected_because="gating failed")
    assert not any("Contours" in str(note[3]) for note in rejected.segments("NTE"))


def test_findings_and_who_measured_are_text() -> None:
    analysis = brief()
    message = written_of(analysis)
    remark, *findings = observations(message, "TX")
    assert said(message, remark[5]).startswith("Not for clinical use. Measured by cvai")
    assert said(message, remark[5]).endswith("not verified by a reader.")
    assert [said(message, s[5]) for s in findings] == [f.message for f in analysis.findings]
    assert [str(s[3][0][3]) for s in findings] == [f.code for f in analysis.findings]


@pytest.mark.parametrize("kind", ["cine", "echo"])
def test_signed_results_are_final_and_name_the_reader(kind: str, echo: Analysed) -> None:
    analysis = replace(brief() if kind == "cine" else echo, verification=SIGNED)
    message = written_of(analysis)
    check_values(message, analysis, "F")
    assert str(message.segment("OBR")[25]) == "F"
    assert str(message.segment("OBR")[32]) == "&Hart&Ada&&&Dr."
    assert str(message.segment("OBR")[22]) == "20240302090000+0000"
    assert "corrected and signed by Hart, Ada, Clinic." in said(message, next(observations(message, "TX"))[5])


def test_rejected_results_have_no_values_but_the_reason() -> None:
    analysis = replace(brief(), verification=SIGNED)
    message = written_of(analysis, "gating failed | see ^ image")
    assert str(message.segment("OBR")[25]) == "X"
    assert set(by_own_name(message)) == {m.name for m in analysis.measurements}
    assert {(str(s[5]), str(s[11])) for s in observations(message, "NM")} == {("", "X")}
    (remark,) = observations(message, "TX")
    assert said(message, remark[5]).endswith("rejected by Hart, Ada, Clinic: gating failed | see ^ image")


def test_a_control_id_follows_from_what_is_said_alone() -> None:
    analysis = brief()
    context = context_of(analysis)
    later = replace(context, created=context.created + timedelta(hours=3))
    others = (
        context_of(replace(analysis, patient=replace(analysis.patient, patient_id="P-0043"))),
        context_of(replace(analysis, measurements=analysis.measurements[1:])),
        context_of(replace(analysis, verification=SIGNED)),
        context_of(replace(analysis, content="ef" * 32)),
    )
    ids = [str(read(oru_message(c)).segment("MSH")[10]) for c in (context, later, *others)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 1 + len(others)
    assert {len(control_id) for control_id in ids} == {20}


NAMES = {
    "Müller^Änne^Maria^Dr.^jr.": ["Müller^Änne^Maria^jr.^Dr.^^L"],
    "Yamada^Tarou=山田^太郎=やまだ^たろう": [
        "Yamada^Tarou^^^^^L^A",
        "山田^太郎^^^^^L^I",
        "やまだ^たろう^^^^^L^P",
    ],
    "=山田^太郎": ["山田^太郎^^^^^L^I"],
    "Иванов^Иван": ["Иванов^Иван^^^^^L"],
    "محمد^أحمد": ["محمد^أحمد^^^^^L"],
    "O|Neil&Sons~^a\\b": ["O\\F\\Neil\\T\\Sons\\R\\^a\\E\\b^^^^^L"],
    "": ["", "^^^^^^U"],
    "^^": ["", "^^^^^^U"],
}


@pytest.mark.parametrize("name", NAMES)
def test_names_keep_their_script_and_their_groups(name: str) -> None:
    analysis = brief()
    text = oru_message(context_of(replace(analysis, patient=replace(analysis.patient, name=name))))
    assert str(read(text).segment("PID")[5]).split("~") == NAMES[name]
    parse_message(text).validate()


def test_the_patient_is_identified_with_the_issuer() -> None:
    patient = Patient("P^1", "Clinic & Co", "1.2.3", "ISO", "Doe", "19700101", "O")
    message = written_of(replace(brief(), patient=patient))
    assert str(message.segment("PID")[3]) == "P\\S\\1^^^Clinic \\T\\ Co&1.2.3&ISO^PI"
    assert [str(message.segment("PID")[n]) for n in (7, 8)] == ["19700101", "O"]


def test_a_patient_without_an_identifier_is_given_none() -> None:
    message = written_of(replace(brief(), patient=Patient(name="Doe")))
    assert str(message.segment("PID")[3]) == ""


def test_order_numbers_and_procedure_are_those_of_the_request() -> None:
    placer = item(LocalNamespaceEntityID="RIS", UniversalEntityID="1.2", UniversalEntityIDType="ISO")
    code = item(CodeValue="24534-0", CodingSchemeDesignator="LN", CodeMeaning="MR Heart")
    request = item(PlacerOrderNumberImagingServiceRequest="P|7", FillerOrderNumberImagingServiceRequest="F7")
    request.OrderPlacerIdentifierSequence = [placer]
    request.RequestedProcedureCodeSequence = [code]
    context = with_header(
        brief(), RequestAttributesSequence=[request, request], RequestingPhysician="Wolf^Eva"
    )
    message = read(oru_message(context))
    order, common = message.segment("OBR"), message.segment("ORC")
    assert str(order[2]) == str(common[2]) == "P\\F\\7^RIS^1.2^ISO"
    assert str(order[3]) == str(common[3]) == "F7"
    assert str(order[4]).startswith("24534-0^MR Heart^LN^cine_sax^")
    assert str(order[16]) == "^Wolf^Eva"
    assert not any("Not stated" in str(note[3]) for note in message.segments("NTE"))


def test_a_number_that_is_missing_or_ambiguous_is_left_out_and_said_to_be() -> None:
    requests = [item(AccessionNumber="A1", FillerOrderNumberImagingServiceRequest=n) for n in ("F1", "F2")]
    message = read(oru_message(with_header(brief(), RequestAttributesSequence=requests)))
    assert [str(message.segment("OBR")[n]) for n in (2, 3, 18)] == ["", "", ""]
    note = str(message.segments("NTE")[0][3])
    assert note.endswith("accession number, placer order number, filler order number.")


def test_a_visit_is_said_where_it_is_known() -> None:
    header = with_header(brief(), AdmissionID="V1", ReferringPhysicianName="")
    assert str(read(oru_message(header)).segment("PV1")[19]) == "V1"
    bare = with_header(brief(), ReferringPhysicianName="")
    assert "PV1" not in oru_message(bare)


@pytest.mark.parametrize(
    ("day", "time", "stated"),
    [("20240229", "101112.5", "20240229101112"), ("20240229", "1011", "202402291011"), ("", "1011", "")],
)
def test_the_time_of_observation_is_as_exact_as_it_is_stated(day: str, time: str, stated: str) -> None:
    context = with_header(brief(), StudyDate=day, StudyTime=time)
    assert str(read(oru_message(context)).segment("OBR")[7]) == stated


@given(st.text())
def test_any_text_comes_back_as_it_was_but_for_controls(text: str) -> None:
    line = er7.segment("NTE", {1: "1", 3: er7.escaped(text), 4: "end"})
    message = hl7.parse(er7.message(["MSH|^~\\&|CVAI", line]))
    assert er7.split_message(line) == [["NTE", "1", "", er7.escaped(text), "end"]]
    assert said(message, message.segment("NTE")[3]) == one_line(text)


def test_a_number_has_no_more_decimals_than_are_shown() -> None:
    analysis = brief()
    numbers = tuple(Measurement(f"lv_{n}", v, "mL") for n, v in (("edv", 100.0), ("esv", 61.23456)))
    values = by_own_name(written_of(replace(analysis, measurements=numbers)))
    assert [str(values[name][5]) for name in ("lv_edv", "lv_esv")] == ["100", "61.23"]
