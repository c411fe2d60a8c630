from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import highdicom
import jsonschema
import numpy as np
import pytest
from pydicom import Dataset, dcmread

from cvai.analyses.echo_apical.analysis import EchoAnalysis
from cvai.analyses.echo_apical.codes import echo_coding
from cvai.dicom.write.codes import indexed_coding
from cvai.dicom.write.result_json import read_entry, result_schema
from cvai.domain.anatomy import ECHO_LABELS
from cvai.domain.subject import Subject
from tests.dicom.write.echo_synthetic import echo_analysis
from tests.dicom.write.synthetic import write_results
from tests.dicom.write.test_dciodvfy import complaints
from tests.dicom.write.test_pdf import run

CREATED = datetime(2026, 11, 24, 12, 0, 0)


@pytest.fixture(scope="module")
def biplane(tmp_path_factory: pytest.TempPathFactory) -> tuple[EchoAnalysis, Path]:
    folder = tmp_path_factory.mktemp("biplane")
    analysis = echo_analysis(folder / "study")
    write_results(analysis, folder / "results", created=CREATED)
    return analysis, folder / "results"


@pytest.fixture(scope="module")
def uncalibrated(tmp_path_factory: pytest.TempPathFactory) -> tuple[EchoAnalysis, Path]:
    folder = tmp_path_factory.mktemp("uncalibrated")
    analysis = echo_analysis(folder / "study", calibrated=False, n_loops=1)
    write_results(analysis, folder / "results", created=CREATED)
    return analysis, folder / "results"


def numbers(document: Dataset) -> dict[str, tuple[float, str]]:
    """Value and unit of every measurement in a document, by code value."""
    found = {}
    stack = list(document.ContentSequence)
    while stack:
        item = stack.pop()
        stack += list(item.get("ContentSequence", ()))
        if item.ValueType == "NUM" and item.RelationshipType == "CONTAINS":
            measured = item.MeasuredValueSequence[0]
            unit = measured.MeasurementUnitsCodeSequence[0].CodeValue
            found[item.ConceptNameCodeSequence[0].CodeValue] = (float(measured.FloatingPointValue), unit)
    return found


def test_volumes_of_the_drawn_ventricle_are_those_of_its_ellipsoid(
    biplane: tuple[EchoAnalysis, Path],
) -> None:
    analysis, _ = biplane
    edv, ef = analysis.measurement("lv_edv"), analysis.measurement("lv_ef")
    true_ml = 2 / 3 * math.pi * (24 * 0.8) * (20 * 0.8) * (60 * 0.9) / 1000  # pixels of 0.9 x 0.8 mm
    assert edv is not None
    assert ef is not None
    assert edv.value == pytest.approx(true_ml, rel=0.04)
    assert ef.value == pytest.approx(100 * (1 - 0.6**2), abs=2.0)


MAN = Subject("M", 60, 1.8, 80.0)


@pytest.mark.parametrize("calibrated", [True, False])
def test_an_ejection_fraction_comes_with_the_range_of_ultrasound_even_without_volumes(
    tmp_path: Path, calibrated: bool
) -> None:
    analysis = echo_analysis(tmp_path / "study", calibrated=calibrated, subject=MAN)
    write_results(analysis, tmp_path / "results", created=CREATED)
    result = read_entry(tmp_path / "results" / "result.json")
    ranges = {m["name"]: m["normal"] for m in result["measurements"] if m["normal"] is not None}
    assert ranges == {"lv_ef": [52, 72]} | (
        {"lv_edv_index": [34, 74], "la_max_index": [16, 34]} if calibrated else {}
    )
    document = json.dumps(dcmread(tmp_path / "results" / "sr.dcm").to_json_dict())
    assert "10.1016/j.echo.2014.10.003" in document
    assert "about 8 points lower" in document
    page = run("pdftotext", "-layout", tmp_path / "results" / "report.pdf", "-")
    assert "N 52–72" in page
    assert "10.1016/j.echo.2014.10.003" in page


def test_a_corrected_volume_says_so_in_the_report_and_on_the_page(tmp_path: Path) -> None:
    plain = echo_analysis(tmp_path / "study", n_loops=1)
    assert plain.correction is None
    write_results(replace(plain, esv_factor=0.96), tmp_path / "results", created=CREATED)
    document = json.dumps(dcmread(tmp_path / "results" / "sr.dcm").to_json_dict())
    assert "discs drawn times 0.960" in document
    page = run("pdftotext", "-layout", tmp_path / "results" / "report.pdf", "-")
    assert "discs drawn times 0.960" in " ".join(page.split())


def test_a_result_keeps_the_schema_and_says_which_views(
    biplane: tuple[EchoAnalysis, Path], uncalibrated: tuple[EchoAnalysis, Path]
) -> None:
    for (_, folder), view, kinds in (
        (biplane, "biplane", ["seg_a4c", "seg_a2c", "sr", "pdf"]),
        (uncalibrated, "a4c", ["seg_a4c", "sr", "pdf"]),
    ):
        jsonschema.validate(json.loads((folder / "result.json").read_text()), result_schema())
        result = read_entry(folder / "result.json")
        assert result["view"] == view
        assert [entry["kind"] for entry in result["objects"]] == kinds


def test_without_a_size_of_the_pixels_no_millilitre_leaves(uncalibrated: tuple[EchoAnalysis, Path]) -> None:
    _, folder = uncalibrated
    result = read_entry(folder / "result.json")
    ratios = ["lv_gls_endo_a4c", "lv_gls_mid_a4c", "lv_gls_time_a4c"]
    assert [m["name"] for m in result["measurements"]] == [
        *("lv_ef", "heart_rate", "lv_ef_own_length", "la_ef"),
        *ratios,
    ]
    assert result["curves"]["lv_ml"] is result["curves"]["la_ml"] is None
    units = {unit for _, unit in numbers(dcmread(folder / "sr.dcm")).values()}
    assert units == {"%", "/min", "ms"}


def test_atrium_and_strain_carry_the_codes_of_their_view_and_method(
    biplane: tuple[EchoAnalysis, Path], uncalibrated: tuple[EchoAnalysis, Path]
) -> None:
    codes = {m["name"]: m["code"] for m in read_entry(biplane[1] / "result.json")["measurements"]}
    assert (codes["la_max"], codes["la_max_area_length"]) == ("79983-3", "79981-7")
    assert [codes[f"lv_gls_endo{view}"] for view in ("", "_a4c", "_a2c")] == ["130694", "130695", "130696"]
    coding = uncalibrated[0].coding("lv_gls_mid_a4c")
    assert coding.method is not None
    assert coding.method.meaning == "Myocardial Midlayer Method"
    assert {value.meaning for _, value in coding.qualifiers} == {"Apical four chamber"}
    assert uncalibrated[0].coding("la_max").name.value == "79986-6"


def test_the_volume_of_the_drawn_atrium_is_that_of_an_ellipsoid(biplane: tuple[EchoAnalysis, Path]) -> None:
    largest, fraction = (biplane[0].measurement(name) for name in ("la_max", "la_ef"))
    assert largest is not None
    assert fraction is not None
    true_ml = 4 / 3 * math.pi * (13 * 0.9) * (13 * 0.8) ** 2 / 1000  # pixels of 0.9 x 0.8 mm
    assert largest.value == pytest.approx(true_ml, rel=0.06)
    assert fraction.value == pytest.approx(100 * (1 - (10 / 13) ** 3), abs=4)


def test_strain_has_a_curve_for_each_view_with_its_own_times(biplane: tuple[EchoAnalysis, Path]) -> None:
    curves = read_entry(biplane[1] / "result.json")["curves"]
    for view in ("a4c", "a2c"):
        assert len(curves[f"time_{view}_ms"]) == len(curves[f"strain_endo_{view}_percent"]) == 20
        assert min(curves[f"strain_mid_{view}_percent"]) < -2


@pytest.mark.parametrize("name", ["seg_a4c.dcm", "seg_a2c.dcm", "sr.dcm", "report.dcm"])
def test_no_object_has_errors_or_warnings(
    biplane: tuple[EchoAnalysis, Path], dciodvfy: str, name: str
) -> None:
    assert complaints(dciodvfy, biplane[1] / name) == []


def test_the_segmentation_without_a_size_has_no_errors_either(
    uncalibrated: tuple[EchoAnalysis, Path], dciodvfy: str
) -> None:
    assert complaints(dciodvfy, uncalibrated[1] / "seg_a4c.dcm") == []


@pytest.mark.slow
@pytest.mark.parametrize("place", [0, 1])
def test_labels_are_read_back_voxel_by_voxel_by_the_frame_they_lie_on(
    biplane: tuple[EchoAnalysis, Path], place: int
) -> None:
    analysis, folder = biplane
    loop = analysis.loops[place]
    segmentation = highdicom.seg.segread(folder / f"seg_{loop.view}.dcm")
    labels = segmentation.get_pixels_by_source_frame(
        loop.source.images[0].sop_instance_uid,
        list(range(1, loop.segmentation.n_frames + 1)),
        combine_segments=True,
    )
    np.testing.assert_array_equal(labels, loop.segmentation.labels)
    assert [s.SegmentNumber for s in segmentation.SegmentSequence] == list(ECHO_LABELS.values())


@pytest.mark.parametrize("view", ["biplane", "a4c", "a2c"])
@pytest.mark.parametrize("name", ["lv_edv", "lv_esv"])
def test_an_index_is_coded_by_the_method_of_its_volume(view: str, name: str) -> None:
    """Discs, not voxels that are counted."""
    coded = echo_coding(view)
    assert coded(f"{name}_index") == indexed_coding(coded(name))


def test_the_document_has_the_codes_of_the_method(biplane: tuple[EchoAnalysis, Path]) -> None:
    analysis, folder = biplane
    found = numbers(dcmread(folder / "sr.dcm"))
    coded = echo_coding("biplane")
    for name in ("lv_ef", "lv_edv", "lv_esv", "lv_sv", "heart_rate"):
        measurement = analysis.measurement(name)
        assert measurement is not None
        value, unit = found[coded(name).name.value]
        assert (value, unit) == (pytest.approx(measurement.value), measurement.unit)
    assert {"79991-6", "79996-5", "80001-1"} <= set(found)


def test_the_same_analysis_gives_the_same_bytes(biplane: tuple[EchoAnalysis, Path], tmp_path: Path) -> None:
    analysis, folder = biplane
    write_results(analysis, tmp_path, created=CREATED)
    for name in ("seg_a4c.dcm", "seg_a2c.dcm", "sr.dcm", "report.dcm", "report.pdf"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_the_page_names_views_and_method(biplane: tuple[EchoAnalysis, Path]) -> None:
    text = run("pdftotext", "-layout", biplane[1] / "report.pdf", "-")
    for part in ("apical four-chamber", "two-chamber", "Ejection fraction", "NOT FOR CLINICAL USE", "discs"):
        assert part in text
