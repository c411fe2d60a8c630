"""The impression of a signed analysis in every result: structured report, PDF, FHIR, HL7 and result.json."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import hl7
import jsonschema
import pytest
from pydicom import dcmread

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.dicom.write.analysis import Verification
from cvai.dicom.write.plan import ResultKind
from cvai.dicom.write.report.impression import CONTINUED
from cvai.dicom.write.result_json import result_schema
from cvai.dicom.write.write import FHIR_NAME, HL7_NAME, REPORT_NAME, RESULT_NAME
from cvai.domain.impression import LONGEST, Impression
from tests.dicom.write.synthetic import CREATED, FILE_NAMES, make_analysis, write_results
from tests.dicom.write.test_dciodvfy import complaints
from tests.dicom.write.test_pdf import run

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
LINES = ("Moderately reduced function & dilated ventricle.", "No change of the right ventricle.")
WRITTEN = Impression("\r\n".join(LINES), "Lung^Ben", AT)


def signed_with(impression: Impression | None) -> CineAnalysis:
    signed = Verification("Hart^Ada", "St Elsewhere", AT, False, "ef" * 32, impression)
    return replace(make_analysis((4, 3, 24, 40)), verification=signed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("impression")
    write_results(signed_with(WRITTEN), made, created=CREATED)
    return made


def test_the_structured_report_has_a_section_of_its_own(folder: Path) -> None:
    report = dcmread(folder / FILE_NAMES[ResultKind.SR])
    section = report.ContentSequence[-1]
    assert section.ConceptNameCodeSequence[0].CodeValue == "121072"
    text, origin = section.ContentSequence
    assert text.ConceptNameCodeSequence[0].CodeValue == "121073"
    assert text.TextValue == WRITTEN.text
    assert str(text.ObservationDateTime) == "20260301093000+0000"
    assert origin.TextValue.startswith("Written by Lung, Ben, 2026-03-01")


@pytest.mark.dciodvfy
def test_its_document_has_no_errors_or_warnings(folder: Path, dciodvfy: str) -> None:
    assert complaints(dciodvfy, folder / FILE_NAMES[ResultKind.SR]) == []


def test_the_printed_report_shows_it_beside_the_findings(folder: Path) -> None:
    text = run("pdftotext", "-layout", folder / REPORT_NAME, "-")
    assert "Pages:           1" in run("pdfinfo", folder / REPORT_NAME)
    assert all(line in text for line in LINES)
    assert "Written by Lung, Ben, 2026-03-01" in text


def test_a_long_one_goes_on_with_a_page_of_its_own(tmp_path: Path) -> None:
    words = [f"word{n}" for n in range(400)]
    write_results(signed_with(replace(WRITTEN, text=" ".join(words))), tmp_path, created=CREATED)
    assert "Pages:           2" in run("pdfinfo", tmp_path / REPORT_NAME)
    first, second, *_ = run("pdftotext", "-layout", tmp_path / REPORT_NAME, "-").split("\f")
    assert CONTINUED in first
    assert all(word in second.split() for word in words)


def test_the_health_record_gets_it_as_conclusion(folder: Path) -> None:
    bundle = json.loads((folder / FHIR_NAME).read_text())
    reports = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "DiagnosticReport"]
    assert f"{LINES[0]} {LINES[1]} (Written by Lung, Ben, 2026-03-01" in reports[0]["conclusion"]


def test_the_message_has_its_lines_and_who_wrote_them(folder: Path) -> None:
    message = hl7.parse((folder / HL7_NAME).read_bytes().decode())
    (found,) = (s for s in message.segments("OBX") if str(s[3]) == "121073^Impression^DCM")
    assert message.unescape(str(found[5][0])) == LINES[0]
    assert str(found[5][1]) == LINES[1]
    note = message[message.index(found) + 1]
    assert "Written by Lung, Ben" in str(note[3])


def test_result_json_keeps_who_wrote_it_and_when(folder: Path) -> None:
    record = json.loads((folder / RESULT_NAME).read_text())
    jsonschema.validate(record, result_schema())
    (entry,) = record["analyses"]
    assert entry["impression"] == {"text": WRITTEN.text, "author": "Lung^Ben", "at": AT.isoformat()}


def test_a_proposal_signed_as_it_was_is_said_to_be_one(tmp_path: Path) -> None:
    write_results(signed_with(replace(WRITTEN, author="")), tmp_path, created=CREATED)
    text = run("pdftotext", "-layout", tmp_path / REPORT_NAME, "-")
    assert "Proposed by the software from the numbers, and signed unaltered." in text


def test_what_is_signed_without_one_has_none(tmp_path: Path) -> None:
    write_results(signed_with(None), tmp_path, created=CREATED)
    assert "Impression" not in run("pdftotext", tmp_path / REPORT_NAME, "-")
    assert b"121072" not in (tmp_path / FILE_NAMES[ResultKind.SR]).read_bytes()
    assert "121073" not in (tmp_path / HL7_NAME).read_text()


@pytest.mark.parametrize(
    "wrong", [{"text": " "}, {"text": "x" * (LONGEST + 1)}, {"at": AT.replace(tzinfo=None)}]
)
def test_an_impression_has_text_and_a_time_with_its_zone(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="impression"):
        replace(WRITTEN, **wrong)  # type: ignore[arg-type]
