from __future__ import annotations

import json
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from cvai.errors import GeometryRefused, StudyRefused
from cvai.results.analysis import RefusedAnalysis
from cvai.results.record import Record, analysed_record, refused_record, result_schema
from cvai.results.write import RESULT_NAME
from tests.results.synthetic import Written, make_analysis, passed_over

TIMINGS_MS = {"read": 12.54, "select": 1.0, "assemble": 3.0, "infer": 400.0, "measure": 5.0, "write": 70.0}
OBJECT = {"kind": "sr", "sop_instance_uid": "2.25.1", "path": "sr.dcm"}


def validate(record: Record) -> None:
    Draft202012Validator(result_schema()).validate(record)


def analysed(**changes: object) -> Record:
    analysis = replace(make_analysis((2, 3, 24, 40)), **changes)
    return analysed_record(analysis, [OBJECT], TIMINGS_MS)


def refused(study_uid: str | None = "1.2.3") -> Record:
    refusal = GeometryRefused("slice_missing", "One slice is missing.", "Send the study again.")
    outcome = RefusedAnalysis(study_uid, refusal, passed_over(), "0.1.0", {})
    return refused_record(outcome, {"read": 3.0, "write": 1.0})


def test_the_schema_is_a_valid_schema() -> None:
    Draft202012Validator.check_schema(result_schema())


def test_written_records_keep_the_schema(written: Written) -> None:
    validate(json.loads((written.folder / RESULT_NAME).read_text("utf-8")))


@pytest.mark.parametrize("study_uid", ["1.2.3", None])
def test_a_refusal_keeps_the_schema_and_says_what_to_do(study_uid: str | None) -> None:
    record = refused(study_uid)
    validate(record)
    assert record["refused"] == {
        "code": "slice_missing",
        "message": "One slice is missing. Send the study again.",
    }
    assert record["passed_over"] == [{"series_uid": passed_over()[0].series_uid, "reason": "localiser"}]


def test_every_number_is_recorded_in_full() -> None:
    analysis = make_analysis((2, 3, 24, 40))
    record = analysed()
    validate(record)
    values = {entry["name"]: (entry["value"], entry["unit"]) for entry in record["measurements"]}
    assert values == {m.name: (m.value, m.unit) for m in analysis.measurements}
    assert record["frames"] == {"ed": analysis.phases.end_diastole, "es": analysis.phases.end_systole}
    assert record["curves"] == {
        "time_ms": analysis.cine.stack.phase_times_ms.tolist(),
        "lv_ml": analysis.lv_curve_ml.tolist(),
        "rv_ml": analysis.rv_curve_ml.tolist(),
    }


def test_intervals_and_normal_ranges_are_recorded() -> None:
    volume = replace(
        make_analysis().measurements[0], value=100.0, interval=(90.0, 115.0), normal=(50.0, 70.0)
    )
    record = analysed(measurements=(volume,))
    validate(record)
    assert record["measurements"][0]["interval"] == [90.0, 115.0]
    assert record["measurements"][0]["normal"] == [50.0, 70.0]


def test_indices_and_ranges_of_a_known_subject_are_recorded(written_of_known_subject: Written) -> None:
    record = json.loads((written_of_known_subject.folder / RESULT_NAME).read_text("utf-8"))
    validate(record)
    entries = {entry["name"]: entry for entry in record["measurements"]}
    surface_m2 = entries["bsa"]["value"]
    for name in ("lv_edv", "rv_esv", "lv_mass", "lv_co"):
        assert entries[f"{name}_index"]["value"] == pytest.approx(entries[name]["value"] / surface_m2)
    assert entries["lv_edv"]["normal"] == [82.0, 166.0]
    assert entries["lv_edv_index"]["normal"] == [48.0, 90.0]
    assert entries["lv_edv_index"]["meaning"] == "Left Ventricular ED Volume / BSA"
    assert entries["lv_co"]["normal"] is None


def test_a_study_that_does_not_tell_time_has_no_times() -> None:
    cine = make_analysis((2, 3, 24, 40)).cine
    record = analysed(cine=replace(cine, stack=replace(cine.stack, trigger_times_ms=None)))
    validate(record)
    assert record["curves"]["time_ms"] is None


def test_the_total_is_the_sum_of_the_stages_and_an_unreached_stage_is_null() -> None:
    assert analysed()["timings_ms"] == {**TIMINGS_MS, "read": 12.5, "total": 491.5}
    assert refused()["timings_ms"] == {
        "read": 3.0,
        "select": None,
        "assemble": None,
        "infer": None,
        "measure": None,
        "write": 1.0,
        "total": 4.0,
    }


ADDED_LATER = {"unreadable"}
"""Results that were written before it have no such key and are results still."""


@pytest.mark.parametrize("key", sorted(analysed().keys() - ADDED_LATER))
def test_no_key_may_be_missing(key: str) -> None:
    record = analysed()
    del record[key]
    with pytest.raises(ValidationError, match=key):
        validate(record)


@pytest.mark.parametrize(
    "place", [(), ("model",), ("frames",), ("curves",), ("timings_ms",), ("measurements", 0), ("objects", 0)]
)
def test_no_key_may_be_added(place: tuple[str | int, ...]) -> None:
    record = analysed()
    inner: Record = record
    for step in place:
        inner = inner[step]  # type: ignore[index]
    inner["surprise"] = 1
    with pytest.raises(ValidationError, match="surprise"):
        validate(record)


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        ("analysed", {"refused": {"code": "x", "message": "y"}}),
        ("analysed", {"objects": []}),
        ("analysed", {"frames": None}),
        ("refused", {"refused": None}),
        ("refused", {"objects": [OBJECT]}),
        ("refused", {"view": "sax_cine"}),
    ],
)
def test_status_and_content_must_agree(status: str, changes: Record) -> None:
    record = {**(analysed() if status == "analysed" else refused()), **changes}
    with pytest.raises(ValidationError):
        validate(record)


def test_no_patient_data_is_recorded(written: Written) -> None:
    text = (written.folder / RESULT_NAME).read_text("utf-8")
    assert not any(word in text for word in ("Müller", "Änne", "P-0042", "19610203", "A77"))


def test_a_refusal_without_a_hint_is_its_message() -> None:
    outcome = RefusedAnalysis("1.2", StudyRefused("no_cine", "No cine."), (), "0.1.0", {})
    assert refused_record(outcome, {})["refused"]["message"] == "No cine."
