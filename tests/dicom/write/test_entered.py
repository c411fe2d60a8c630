"""What a reader has entered by hand in every result: marked as such, with who entered it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import hl7
import jsonschema
import pytest
from pydicom import dcmread

from cvai.dicom.read.values import Study
from cvai.dicom.write.analysis import Verification
from cvai.dicom.write.entered import ENTERED_CODINGS
from cvai.dicom.write.plan import ResultKind
from cvai.dicom.write.reported import with_reports
from cvai.dicom.write.result_json import result_schema
from cvai.dicom.write.write import FHIR_NAME, HL7_NAME, REPORT_NAME, RESULT_NAME
from cvai.domain.subject import ENTERED, Entered, Subject
from tests.dicom.write.synthetic import CREATED, FILE_NAMES, make_analysis, write_results
from tests.dicom.write.test_dciodvfy import complaints
from tests.dicom.write.test_pdf import run

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
ENTRY = Entered(
    "Lung^Ben",
    AT,
    height_m=1.75,
    weight_kg=81.5,
    systolic_mmhg=121.0,
    diastolic_mmhg=79.0,
    haematocrit_percent=41.5,
)
STATED = "height 1.75 m, weight 81.5 kg, systolic blood pressure 121 mmHg, diastolic blood pressure 79 mmHg"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("entered")
    analysis = make_analysis((4, 3, 24, 40))
    known = replace(analysis, subject=Subject("F", 63).completed_by(ENTRY))
    signed = Verification("Hart^Ada", "St Elsewhere", AT, False, "ef" * 32)
    known = with_reports(known, Study(known.study_uid, ()))
    write_results(replace(known, verification=signed), made, created=CREATED)
    return made


def test_the_structured_report_marks_each_value(folder: Path) -> None:
    report = dcmread(folder / FILE_NAMES[ResultKind.SR])
    (section,) = (i for i in report.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "121118")
    found = {
        item.ConceptNameCodeSequence[0].CodeValue: (
            float(item.MeasuredValueSequence[0].NumericValue),
            item.ContentSequence[0].ConceptCodeSequence[0].CodeMeaning,
        )
        for item in section.ContentSequence
    }
    assert found == {
        ENTERED_CODINGS[name].code.value: (value, "Manual Entry") for name, value in ENTRY.values.items()
    }


@pytest.mark.dciodvfy
def test_its_document_has_no_errors_or_warnings(folder: Path, dciodvfy: str) -> None:
    assert complaints(dciodvfy, folder / FILE_NAMES[ResultKind.SR]) == []


def test_the_printed_report_says_who_entered_what(folder: Path) -> None:
    text = " ".join(run("pdftotext", folder / REPORT_NAME, "-").split())
    assert "1.75 m, 82 kg (by hand)" in text
    assert "Entered by hand by Lung, Ben, 2026-03-01" in text
    assert STATED in text


def test_the_health_record_gets_observations_that_no_model_asserts(folder: Path) -> None:
    bundle = json.loads((folder / FHIR_NAME).read_text())
    entered = [r for e in bundle["entry"] if "performer" in (r := e["resource"])]
    assert {o["code"]["coding"][0]["code"]: o["valueQuantity"]["value"] for o in entered} == {
        ENTERED_CODINGS[name].code.value: value for name, value in ENTRY.values.items()
    }
    assert all("meta" not in o and o["performer"] == [{"display": "Lung, Ben"}] for o in entered)
    assert entered[0]["note"][0]["text"].startswith("Entered by hand by Lung, Ben")


def test_the_message_tells_them_from_what_was_measured(folder: Path) -> None:
    message = hl7.parse((folder / HL7_NAME).read_bytes().decode())
    entered = [s for s in message.segments("OBX") if str(s[4]) == "by hand"]
    assert [float(str(s[5])) for s in entered] == list(ENTRY.values.values())


def test_result_json_keeps_who_entered_them_and_when(folder: Path) -> None:
    record = json.loads((folder / RESULT_NAME).read_text())
    jsonschema.validate(record, result_schema())
    body = record["analyses"][0]["body"]
    assert (body["height_m"], body["haematocrit_percent"]) == (1.75, 41.5)
    assert body["entered"] == {"by": "Lung^Ben", "at": AT.isoformat(), "values": ENTRY.values}


def test_what_the_study_states_is_not_replaced() -> None:
    stated = Subject(height_m=1.6, systolic_mmhg=130.0, diastolic_mmhg=80.0)
    known = stated.completed_by(ENTRY)
    assert (known.height_m, known.weight_kg, known.systolic_mmhg) == (1.6, 81.5, 130.0)
    assert known.entered is not None
    assert set(known.entered.values) == {"weight_kg", "haematocrit_percent"}


def test_sizes_that_do_not_match_what_is_stated_are_left_out() -> None:
    known = Subject(height_m=1.9).completed_by(Entered("Lung^Ben", AT, weight_kg=5.0))
    assert known == Subject(height_m=1.9)


@pytest.mark.parametrize(
    "wrong",
    [
        {"height_m": 175.0},
        {"weight_kg": 8.0},
        {"haematocrit_percent": 0.42},
        {"systolic_mmhg": 70.0},
        {"systolic_mmhg": None},
        {"heart_rate_bpm": 0.0},
        {"at": AT.replace(tzinfo=None)},
    ],
)
def test_what_no_person_has_cannot_be_entered(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|not those|is a systolic"):
        replace(ENTRY, **wrong)  # type: ignore[arg-type]


def test_every_field_that_may_be_entered_has_a_code() -> None:
    assert set(ENTERED_CODINGS) == set(ENTERED)
