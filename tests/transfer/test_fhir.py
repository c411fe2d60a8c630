"""Reports in a FHIR server: once, whole, and replaced by what is signed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.dicom.write.analysis import Verification
from cvai.dicom.write.fhir import fhir_bundle
from cvai.errors import ArchiveRejected, CvaiError, TemporarilyUnavailable
from cvai.transfer.fhir import FhirServer
from tests.dicom.write.synthetic import context_of, make_analysis
from tests.fhir_server import FhirStore, running_fhir_server
from tests.orthanc import free_port


def report(analysis: CineAnalysis, folder: Path) -> Path:
    path = folder / "fhir.json"
    path.write_text(fhir_bundle(context_of(analysis)), "utf-8")
    return path


def server_at(url: str) -> FhirServer:
    return FhirServer(url, "do-not-tell", timeout_s=10, patient_system="urn:oid:1.2.3")


def test_a_report_is_taken_once_however_often_it_is_posted(tmp_path: Path) -> None:
    analysis = make_analysis((2, 3, 24, 40))
    store = FhirStore()
    with running_fhir_server(store) as url:
        for _ in range(3):
            server_at(url).deliver([report(analysis, tmp_path)])
    assert len(store.of("DiagnosticReport")) == len(store.of("Device")) == len(store.of("Provenance")) == 1
    assert len(store.of("Observation")) == len(analysis.measurements)
    (kept,) = store.of("DiagnosticReport")
    ids = {f"Observation/{o['id']}" for o in store.of("Observation")}
    assert {result["reference"] for result in kept["result"]} == ids
    assert {o["device"]["reference"] for o in store.of("Observation")} == {
        f"Device/{store.of('Device')[0]['id']}"
    }
    assert kept["subject"]["identifier"] == {"value": "P-0042", "system": "urn:oid:1.2.3"}
    assert set(store.authorizations) == {"Bearer do-not-tell"}


def test_a_signed_report_takes_the_place_of_the_preliminary_one_and_stays(tmp_path: Path) -> None:
    analysis = make_analysis((2, 3, 24, 40))
    verification = Verification("Hart^Ada", "Clinic", datetime(2024, 3, 2, tzinfo=UTC), True, "cd" * 32)
    store = FhirStore()
    with running_fhir_server(store) as url:
        for signed in (None, verification, None):
            server_at(url).deliver([report(replace(analysis, verification=signed), tmp_path)])
    assert [kept["status"] for kept in store.of("DiagnosticReport")] == ["final"]
    assert {kept["status"] for kept in store.of("Observation")} == {"final"}
    assert len(store.of("Observation")) == len(analysis.measurements)
    of_model, of_reader = store.of("Provenance")
    assert of_model["target"] == of_reader["target"]
    assert [len(origin["agent"]) for origin in (of_model, of_reader)] == [1, 2]


OUTCOME = json.dumps(
    {"resourceType": "OperationOutcome", "issue": [{"code": "duplicate", "diagnostics": "Müller^Änne"}]}
).encode()


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        ((401, b""), ArchiveRejected, "fhir_denied"),
        ((403, OUTCOME), ArchiveRejected, "fhir_denied"),
        ((400, OUTCOME), ArchiveRejected, "fhir_rejected"),
        ((412, OUTCOME), ArchiveRejected, "fhir_rejected"),
        ((409, OUTCOME), TemporarilyUnavailable, "fhir_busy"),
        ((429, b""), TemporarilyUnavailable, "fhir_busy"),
        ((503, b"<html>"), TemporarilyUnavailable, "fhir_busy"),
        ((200, b"<html>a login page</html>"), TemporarilyUnavailable, "fhir_unreachable"),
        ((200, b'{"resourceType": "Bundle", "type": "batch-response"}'), ArchiveRejected, "fhir_rejected"),
        ((200, b"[]"), ArchiveRejected, "fhir_rejected"),
        ((200, b"null"), ArchiveRejected, "fhir_rejected"),
        ((200, b'{"entry": null}'), ArchiveRejected, "fhir_rejected"),
        ((200, b'{"entry": [null, 7, [], {"response": 200}]}'), ArchiveRejected, "fhir_rejected"),
        ((200, b'{"entry": {"response": {"status": "201"}}}'), ArchiveRejected, "fhir_rejected"),
        ((200, b"[" * 100_000), TemporarilyUnavailable, "fhir_unreachable"),
        ((400, b"[" * 100_000), ArchiveRejected, "fhir_rejected"),
        ((400, b'{"issue": [null, {"code": "M\\u00fcller"}]}'), ArchiveRejected, "fhir_rejected"),
        ((400, b'{"issue": {"code": "invalid"}}'), ArchiveRejected, "fhir_rejected"),
        ((400, b'["M\xfcller"'), ArchiveRejected, "fhir_rejected"),
    ],
)
def test_the_answer_decides_between_later_and_no_and_quotes_no_patient(
    tmp_path: Path, answer: tuple[int, bytes], kind: type[CvaiError], code: str
) -> None:
    path = report(make_analysis((2, 3, 24, 40)), tmp_path)
    with running_fhir_server(FhirStore(answer=answer)) as url, pytest.raises(kind) as caught:
        server_at(url).deliver([path])
    assert caught.value.code == code
    assert "Müller" not in str(caught.value)
    assert "do-not-tell" not in str(caught.value)


def test_a_status_may_be_a_number(tmp_path: Path) -> None:
    path = report(make_analysis((2, 3, 24, 40)), tmp_path)
    n_entries = len(json.loads(path.read_text())["entry"])
    answer = json.dumps({"entry": [{"response": {"status": 201}}] * n_entries}).encode()
    with running_fhir_server(FhirStore(answer=(200, answer))) as url:
        server_at(url).deliver([path])


def test_an_answer_without_end_is_given_up(tmp_path: Path) -> None:
    path = report(make_analysis((2, 3, 24, 40)), tmp_path)
    with (
        running_fhir_server(FhirStore(answer=(200, b" " * 3_000_000))) as url,
        pytest.raises(TemporarilyUnavailable) as caught,
    ):
        FhirServer(url, None, 10, None, largest_json_bytes=1000).deliver([path])
    assert caught.value.code == "fhir_unreachable"


def test_nobody_there_is_unavailable(tmp_path: Path) -> None:
    path = report(make_analysis((2, 3, 24, 40)), tmp_path)
    with pytest.raises(TemporarilyUnavailable) as caught:
        server_at(f"http://127.0.0.1:{free_port()}").deliver([path])
    assert caught.value.code == "fhir_unreachable"
