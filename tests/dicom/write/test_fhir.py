"""The report for the health record: what it says, and under which names."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.dicom.read.patient import Patient
from cvai.dicom.write.analysis import Verification
from cvai.dicom.write.fhir import fhir_bundle
from cvai.dicom.write.write import FHIR_NAME
from cvai.domain.measurement import OF_MODEL, Measurement
from tests.dicom.write.echo_synthetic import echo_analysis
from tests.dicom.write.synthetic import FULLY_KNOWN, Written, context_of, make_analysis

Json = dict[str, Any]
SIGNED = Verification(
    "Hart^Ada", "Clinic", datetime(2024, 3, 2, 9, tzinfo=UTC), changed=True, digest="cd" * 32
)


def bundle_of(analysis: CineAnalysis) -> Json:
    return dict(json.loads(fhir_bundle(context_of(analysis))))


def resources(bundle: Json, kind: str) -> list[Json]:
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


@pytest.fixture(scope="module")
def known(written_of_known_subject: Written) -> Json:
    """The bundle of a woman of known age and size, as it was written beside result.json."""
    return dict(json.loads((written_of_known_subject.folder / FHIR_NAME).read_text("utf-8")))


def observation(bundle: Json, text: str) -> Json:
    (found,) = [o for o in resources(bundle, "Observation") if o["code"]["text"] == text]
    return found


def test_what_is_written_is_fhir_and_every_measurement_is_in_it(
    known: Json, written_of_known_subject: Written
) -> None:
    Bundle.model_validate(known)
    (report,) = resources(known, "DiagnosticReport")
    assert len(resources(known, "Observation")) == len(written_of_known_subject.analysis.measurements)
    full_urls = [e["fullUrl"] for e in known["entry"] if e["resource"]["resourceType"] == "Observation"]
    assert [result["reference"] for result in report["result"]] == full_urls
    assert len({e["fullUrl"] for e in known["entry"]}) == len(known["entry"])


def test_a_volume_has_its_loinc_code_unit_site_method_and_range(known: Json) -> None:
    volume = observation(known, "Left Ventricular ED Volume")
    assert volume["code"]["coding"] == [{"system": "http://loinc.org", "code": "8821-1"}]
    assert (volume["valueQuantity"]["unit"], volume["valueQuantity"]["code"]) == ("mL", "mL")
    assert volume["bodySite"]["coding"] == [{"system": "http://snomed.info/sct", "code": "87878005"}]
    assert volume["method"]["text"] == "Sum of segmented voxel method for volume"
    assert volume["note"] == [{"text": "Papillary Muscle Included"}]
    (normal,) = volume["referenceRange"]
    assert (normal["low"]["value"], normal["high"]["value"]) == (82.0, 166.0)
    assert "60 to 69 years" in normal["text"]
    assert volume["interpretation"][0]["coding"][0]["code"] == "L"


def test_an_index_is_not_said_with_the_code_of_its_volume(known: Json) -> None:
    index = observation(known, "Left Ventricular ED Volume / BSA")
    assert "coding" not in index["code"]
    assert index["valueQuantity"]["code"] == "mL/m2"


def test_how_contours_are_drawn_stands_with_the_device_where_the_card_says_it(known: Json) -> None:
    (device,) = resources(known, "Device")
    assert device["note"] == [{"text": "Contours as here: smooth endocardium."}]
    analysis = make_analysis((2, 3, 24, 40))
    silent = replace(analysis, model=replace(analysis.model, convention=None))
    assert "note" not in resources(bundle_of(silent), "Device")[0]


def test_an_interval_stands_beside_its_value() -> None:
    analysis = make_analysis((2, 3, 24, 40))
    fraction = Measurement("lv_ef", 55.123456, "%", interval=(49.0, 60.5), interval_from=OF_MODEL)
    (found,) = resources(bundle_of(replace(analysis, measurements=(fraction,))), "Observation")
    assert found["code"]["coding"][0]["code"] == "8811-2"
    assert found["valueQuantity"]["value"] == 55.12
    (interval,) = found["component"]
    assert (interval["valueRange"]["low"]["value"], interval["valueRange"]["high"]["value"]) == (49.0, 60.5)
    assert found["note"] == [{"text": "90 % intervals: of the model."}]
    assert "referenceRange" not in found
    assert "interpretation" not in found


def test_report_and_observations_name_patient_study_order_and_day(known: Json) -> None:
    (report,) = resources(known, "DiagnosticReport")
    for resource in (report, *resources(known, "Observation")):
        assert resource["subject"]["identifier"] == {"value": "P-0042"}
        assert resource["effectiveDateTime"] == "2024-02-29"
    study_uid = "1.2.826.0.1.3680043.10.999.1"
    assert report["imagingStudy"][0]["identifier"]["value"] == f"urn:oid:{study_uid}"
    assert report["basedOn"][0]["identifier"]["value"] == "A77"
    assert report["conclusion"].startswith("Not for clinical use.")


def test_a_finding_is_part_of_the_conclusion() -> None:
    analysis = make_analysis((2, 3, 24, 40))
    (report,) = resources(bundle_of(analysis), "DiagnosticReport")
    assert analysis.findings
    assert all(finding.message in report["conclusion"] for finding in analysis.findings)


def test_what_the_images_do_not_tell_is_left_out() -> None:
    analysis = make_analysis((2, 3, 24, 40))
    header = analysis.cine.planes[0][0].header
    header.AccessionNumber, header.StudyDate = "", ""
    bundle = bundle_of(replace(analysis, patient=Patient()))
    (report,) = resources(bundle, "DiagnosticReport")
    assert {"subject", "basedOn", "effectiveDateTime"}.isdisjoint(report)
    Bundle.model_validate(bundle)


def test_the_patient_is_named_by_identifier_and_issuer() -> None:
    named = Patient("P1", issuer="Clinic", issuer_uid="1.2.3", issuer_uid_type="ISO", name="Doe^Jane")
    (report,) = resources(
        bundle_of(replace(make_analysis((2, 3, 24, 40)), patient=named)), "DiagnosticReport"
    )
    identifier = {"system": "urn:oid:1.2.3", "value": "P1", "assigner": {"display": "Clinic"}}
    assert report["subject"] == {"type": "Patient", "identifier": identifier}


def test_what_the_model_found_is_preliminary_and_never_overwrites(known: Json) -> None:
    for entry in known["entry"]:
        request, resource = entry["request"], entry["resource"]
        assert request["method"] == "POST"
        if resource["resourceType"] == "Provenance":
            (tag,) = resource["meta"]["tag"]
            assert request["ifNoneExist"] == f"_tag={tag['system']}|{tag['code']}"
            continue
        identifier = resource["identifier"][0]
        assert request["ifNoneExist"] == f"identifier={identifier['system']}|{identifier['value']}"
    assert {o["status"] for o in resources(known, "Observation")} == {"preliminary"}


def test_what_a_reader_signed_is_final_and_takes_the_place_of_what_the_model_found() -> None:
    analysis = make_analysis(subject=FULLY_KNOWN)
    preliminary, final = bundle_of(analysis), bundle_of(replace(analysis, verification=SIGNED))
    named = [
        {
            e["fullUrl"]: e["request"]["method"]
            for e in bundle["entry"]
            if e["resource"]["resourceType"] != "Provenance"
        }
        for bundle in (preliminary, final)
    ]
    assert named[0].keys() == named[1].keys()
    assert sorted(named[1].values()) == ["POST", *["PUT"] * (len(named[1]) - 1)], "the device is the same"
    (report,) = resources(final, "DiagnosticReport")
    assert report["status"] == "final"
    assert report["resultsInterpreter"] == [{"display": "Hart, Ada, Clinic"}]


def test_the_same_analysis_has_the_same_names_and_another_model_has_others() -> None:
    analysis = make_analysis((2, 3, 24, 40))
    again = bundle_of(make_analysis((2, 3, 24, 40)))
    other = bundle_of(replace(analysis, model=replace(analysis.model, sha256="ef" * 32)))
    assert bundle_of(analysis) == again
    urls = {e["fullUrl"] for e in again["entry"]}
    assert urls.isdisjoint(e["fullUrl"] for e in other["entry"])


@pytest.mark.parametrize("kind", ["MR", "US"])
def test_what_a_model_made_is_marked_as_such(kind: str, tmp_path: Path) -> None:
    """As HL7's ballot AI Transparency on FHIR 1.0.0 has it: security label, Device and Provenance."""
    analysis = make_analysis((2, 3, 24, 40)) if kind == "MR" else echo_analysis(tmp_path, n_loops=1)
    bundle = dict(json.loads(fhir_bundle(context_of(analysis))))
    (device,), (report,) = resources(bundle, "Device"), resources(bundle, "DiagnosticReport")
    (provenance,) = resources(bundle, "Provenance")
    made = (report, *resources(bundle, "Observation"))
    for resource in (*made, provenance):
        (label,) = resource["meta"]["security"]
        assert label["system"] == "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
        assert label["code"] == "AIAST"
    assert device["type"]["coding"][0]["code"] == "Artificial-Intelligence"
    urls = {json.dumps(e["resource"], sort_keys=True): e["fullUrl"] for e in bundle["entry"]}
    assert {target["reference"] for target in provenance["target"]} == {
        urls[json.dumps(resource, sort_keys=True)] for resource in made
    }
    (agent,) = provenance["agent"]
    assert agent["type"]["coding"][0]["code"] == "assembler"
    assert agent["who"]["reference"] == urls[json.dumps(device, sort_keys=True)]
    assert provenance["entity"][0]["what"] == report["imagingStudy"][0]


def test_the_origin_of_signed_results_names_the_reader_and_is_another_one() -> None:
    analysis = make_analysis((2, 3, 24, 40))
    of_model, of_reader = (
        next(e for e in bundle_of(a)["entry"] if e["resource"]["resourceType"] == "Provenance")
        for a in (analysis, replace(analysis, verification=SIGNED))
    )
    assert of_model["fullUrl"] != of_reader["fullUrl"]
    assert of_reader["request"]["method"] == "POST"
    roles = [
        (a["type"]["coding"][0]["code"], a["who"].get("display")) for a in of_reader["resource"]["agent"]
    ]
    assert roles == [("assembler", None), ("verifier", "Hart, Ada, Clinic")]
