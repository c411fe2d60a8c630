"""Strain and timing in SR, FHIR and report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.dicom.write.fhir import fhir_bundle
from cvai.dicom.write.objects.sr import measurement_document
from cvai.domain.measurement import Measurement
from cvai.domain.ventricles.circumferential import CircumferentialStrain, Layer
from tests.dicom.write.synthetic import context_of, make_analysis
from tests.dicom.write.test_pdf import printed

NUMBERS = (
    Measurement("lv_per", 417.3, "mL/s"),
    Measurement("lv_per_by_edv", 2.9, "/s"),
    Measurement("lv_time_to_per", 193.0, "ms"),
    Measurement("lv_time_to_es", 343.0, "ms"),
    Measurement("lv_pfr", 508.1, "mL/s"),
    Measurement("lv_pfr_by_edv", 3.5, "/s"),
    Measurement("lv_time_to_pfr", 79.0, "ms"),
    Measurement("lv_dvr80", 62.0, "%"),
    Measurement("lv_gcs_endo", -26.1, "%"),
    Measurement("lv_time_to_gcs_endo", 343.0, "ms"),
    Measurement("lv_gcs_rate_early_endo", 171.7, "%/s"),
    Measurement("lv_gcs_mid", -16.2, "%"),
    Measurement("lv_time_to_gcs_mid", 343.0, "ms"),
    Measurement("lv_gcs_rate_early_mid", 112.4, "%/s"),
    Measurement("lv_thickening_mid_anterior", 38.0, "%"),
    Measurement("lv_time_to_thickening_mid_anterior", 351.0, "ms"),
    Measurement("lv_dyssynchrony", 12.2, "ms"),
    Measurement("lv_wall_motion_basal_anterior", 1.0, "{score}"),
    Measurement("lv_wall_motion_mid_anterior", 3.0, "{score}", (2.0, 4.0)),
    Measurement("lv_wmsi", 1.44, "{score}", (1.04, 1.84)),
)


@pytest.fixture(scope="module")
def analysis() -> CineAnalysis:
    made = make_analysis((6, 4, 30, 46))
    endo = np.array([0.0, -10.0, -26.1, -20.0, -8.0, -2.0])
    curves = {Layer.ENDOCARDIUM: endo, Layer.MID_WALL: 0.62 * endo}
    by_slice = {layer: np.stack([curve, curve], axis=1) for layer, curve in curves.items()}
    strain = CircumferentialStrain((1, 2), by_slice, curves)
    return replace(made, measurements=(*made.measurements, *NUMBERS), strain=strain)


def numbers_in(item: Dataset) -> list[Dataset]:
    found = [item] if item.get("ValueType") == "NUM" else []
    return found + [number for child in item.get("ContentSequence", []) for number in numbers_in(child)]


def test_the_document_has_every_number_under_its_code(analysis: CineAnalysis) -> None:
    stated = [
        (n.ConceptNameCodeSequence[0].CodeValue, float(n.MeasuredValueSequence[0].NumericValue))
        for n in numbers_in(measurement_document(context_of(analysis)))
    ]
    for number in NUMBERS:
        assert (analysis.coding(number.name).name.value, number.value) in stated, number.name
    assert {"122616", "122617", "122618", "122619"} <= {code for code, _ in stated}


def test_strain_says_of_which_layer_and_that_it_is_the_lowest(analysis: CineAnalysis) -> None:
    strain = [
        {
            child.ConceptCodeSequence[0].CodeValue
            for child in n.ContentSequence
            if "ConceptCodeSequence" in child
        }
        for n in numbers_in(measurement_document(context_of(analysis)))
        if n.ConceptNameCodeSequence[0].CodeValue == "130677"
    ]
    assert ["130683" in said for said in strain] == [True, False]
    assert ["130685" in said for said in strain] == [False, True]
    assert all("255605001" in said for said in strain)


def codes_in(item: Dataset) -> list[tuple[str, str]]:
    """Name and value of every coded item below this one."""
    found = [
        (child.ConceptNameCodeSequence[0].CodeValue, child.ConceptCodeSequence[0].CodeValue)
        for child in item.get("ContentSequence", [])
        if child.ValueType == "CODE"
    ]
    return found + [code for child in item.get("ContentSequence", []) for code in codes_in(child)]


def test_a_grade_of_wall_motion_is_a_score_with_its_range_and_a_finding(analysis: CineAnalysis) -> None:
    document = measurement_document(context_of(analysis))
    motion = [n for n in numbers_in(document) if n.ConceptNameCodeSequence[0].CodeValue == "60797005"]
    assert [float(n.MeasuredValueSequence[0].NumericValue) for n in motion] == [1.0, 3.0]
    bounds = [float(n.MeasuredValueSequence[0].NumericValue) for n in numbers_in(motion[1])[1:]]
    assert bounds == [1.0, 1.0], "one score above and one below"
    found = codes_in(document)
    assert ("60797005", "373122000") in found
    assert ("60797005", "195675009") in found, "akinesis"
    assert document.VerificationFlag == "UNVERIFIED"


def test_a_grade_of_wall_motion_is_a_coded_value_in_the_health_record(analysis: CineAnalysis) -> None:
    entries = json.loads(fhir_bundle(context_of(analysis)))["entry"]
    resources = [e["resource"] for e in entries if "valueCodeableConcept" in e["resource"]]
    normal, still = resources
    assert normal["valueCodeableConcept"]["coding"][0]["code"] == "373122000"
    assert still["valueCodeableConcept"]["text"] == "Akinesis"
    assert still["bodySite"]["coding"][0]["code"] == "264848000"
    assert still["status"] == "preliminary"
    assert still["component"][0]["valueRange"]["high"]["value"] == 4.0


def test_a_rate_by_end_diastolic_volume_has_no_code_of_the_rate_in_the_health_record(
    analysis: CineAnalysis,
) -> None:
    entries = json.loads(fhir_bundle(context_of(analysis)))["entry"]
    observed = {
        e["resource"]["code"]["text"]: e["resource"] for e in entries if "valueQuantity" in e["resource"]
    }
    assert observed["Peak Ejection Rate"]["code"]["coding"][0]["code"] == "122616"
    assert "coding" not in observed["Peak Ejection Rate / EDV"]["code"]
    assert observed["Peak Ejection Rate / EDV"]["valueQuantity"]["code"] == "/s"
    strain = observed["Circumferential Lagrangian Strain, peak, mid-wall"]
    assert strain["method"]["coding"][0]["code"] == "130685"


def test_the_report_prints_them_beside_the_table_on_one_page(analysis: CineAnalysis, tmp_path: Path) -> None:
    text = printed(analysis, tmp_path)
    assert "peak 417 mL/s (2.9 EDV/s), 193 ms after ED; ES 343 ms after ED" in text
    assert "peak 508 mL/s (3.5 EDV/s), 79 ms after ES; 80 % of SV recovered in 62 % of diastole" in text
    assert "endocardial -26.1 % at 343 ms; mid-wall -16.2 % at 343 ms; early diastolic 172, 112 %/s" in text
    assert "SD of times to peak of 16 segments 12 ms" in text
    assert "Circumferential strain" in text
    assert "score index 1.44; akinetic 7" in text


def test_curves_of_all_slices_and_of_each_are_recorded(analysis: CineAnalysis) -> None:
    curves = analysis.curves
    assert curves["gcs_endo_percent"] == [0.0, -10.0, -26.1, -20.0, -8.0, -2.0]
    assert {"gcs_mid_percent", "cs_endo_slice_2_percent", "cs_mid_slice_3_percent"} <= set(curves)
