from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from cvai.dicom.read.acquired import Acquired
from cvai.dicom.read.patient import Patient
from cvai.dicom.write.result_json import (
    Record,
    Status,
    StudyStatement,
    analysed_record,
    ended_record,
    read_entry,
    result_schema,
    stated_message,
    study_record,
)
from cvai.dicom.write.write import RESULT_NAME
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.message import say, term, translated
from cvai.errors import CvaiError, GeometryRefused, StudyRefused
from tests.dicom.write.synthetic import MODEL, Written, excluded, make_analysis

TIMINGS_MS = {"read": 12.54, "select": 1.0, "assemble": 3.0, "infer": 400.0, "measure": 5.0, "write": 70.0}
OBJECT = {"kind": "sr", "sop_instance_uid": "2.25.1", "path": "sr.dcm"}


def validate(record: Record) -> None:
    Draft202012Validator(result_schema()).validate(record)


def analysed(**changes: object) -> Record:
    """Entry of an analysis that measured."""
    analysis = replace(make_analysis((2, 3, 24, 40)), **changes)
    return analysed_record(analysis, [dict(OBJECT)], TIMINGS_MS)


REFUSAL = GeometryRefused("slice_missing", "One slice is missing.", "Send the study again.")
PATIENT = Patient(name="Hart^Ada", patient_id="P1", issuer="A", birth_date="19610203", sex="F")


def refused() -> Record:
    """Entry of an analysis that did not measure."""
    return ended_record("cine_sax", Status.REFUSED, REFUSAL, excluded(), {"read": 3.0, "write": 1.0})


def study_of(*entries: Record, error: CvaiError | None = None) -> Record:
    status = Status.REFUSED if error else Status.ANALYSED
    return study_record(StudyStatement("1.2.3", PATIENT, error=error), status, entries)


def validate_entry(entry: Record) -> None:
    measured = entry["status"] == "analysed"
    validate(study_of(entry) if measured else study_of(entry, error=REFUSAL))


def test_the_schema_is_a_valid_schema() -> None:
    Draft202012Validator.check_schema(result_schema())


def test_written_records_keep_the_schema(written: Written) -> None:
    validate(json.loads((written.folder / RESULT_NAME).read_text("utf-8")))


def test_a_refusal_keeps_the_schema_and_says_what_to_do() -> None:
    entry = refused()
    validate_entry(entry)
    assert entry["refused"] == {
        "code": "slice_missing",
        "message": "One slice is missing. Send the study again.",
        "text": None,
    }
    (left_out,) = entry["excluded"]
    series_uid = excluded()[0].series_uid
    assert left_out == {
        "series_uid": series_uid,
        "reason": "localiser",
        "text": None,
        "loop": None,
        "series": None,
    }


@pytest.mark.parametrize("status", [Status.REFUSED, Status.FAILED, Status.NOTHING_TO_DO])
def test_a_study_of_which_nothing_was_measured_says_why(status: Status) -> None:
    validate(study_record(StudyStatement(None, None, error=REFUSAL), status))
    with pytest.raises(ValidationError):
        validate(study_record(StudyStatement(None, None), status))


def test_a_study_is_analysed_where_one_analysis_was() -> None:
    validate(study_of(analysed(), refused()))
    with pytest.raises(ValidationError):
        validate(study_of(refused()))


def test_an_entry_says_how_the_images_were_acquired() -> None:
    acquired = analysed()["acquired"]
    assert sorted(acquired) == ["age_years", "field_strength_t", "manufacturer", "model", "sex"]
    assert refused()["acquired"] is None
    entry = ended_record("cine_sax", Status.REFUSED, REFUSAL, (), {}, acquired=Acquired("Imaginary"))
    validate_entry(entry)
    assert entry["acquired"]["manufacturer"] == "Imaginary"


def test_the_patient_is_named() -> None:
    assert study_of(analysed())["patient"] == {
        "name": "Hart^Ada",
        "patient_id": "P1",
        "issuer": "A",
        "birth_date": "19610203",
        "sex": "F",
    }


def test_the_model_says_how_it_draws_contours_or_that_nobody_stated_it() -> None:
    assert analysed()["model"]["convention"] == "as here: smooth endocardium"
    silent = analysed(model=replace(MODEL, convention=None))
    assert silent["model"]["convention"] is None
    validate(study_of(silent))


FORMER = {
    "schema": "cvai.result/1", "study_uid": "1.2.3", "status": "analysed", "refused": None,
    "series_uid": "1.2", "view": "biplane", "model": {"name": "echo", "version": "1"},
    "frames": {"ed": 0, "es": 3}, "measurements": [{"name": "lv_ef", "value": 50.0}], "curves": {},
    "findings": [], "objects": [], "passed_over": [{"series_uid": "1.9", "reason": "localiser"}],
    "timings_ms": {},
}  # fmt: skip


def test_an_entry_is_read_from_results_of_both_versions(tmp_path: Path) -> None:
    (tmp_path / "former.json").write_text(json.dumps(FORMER))
    former = read_entry(tmp_path / "former.json")
    assert (former["kind"], former["view"]) == ("", "biplane")
    assert former["key_frames"] == {"ed": 0, "es": 3}
    assert former["excluded"] == FORMER["passed_over"]
    (tmp_path / "now.json").write_text(json.dumps(study_of(analysed())))
    now = read_entry(tmp_path / "now.json")
    assert (now["kind"], now["view"], now["unreadable"]) == ("cine_sax", "sax_cine", [])
    assert former.keys() - now.keys() <= {"schema", "frames", "passed_over"}


def test_a_study_refused_before_its_analyses_is_an_entry_too(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps(study_of(error=REFUSAL)))
    entry = read_entry(tmp_path / "result.json")
    assert (entry["status"], entry["refused"]["code"]) == ("refused", "slice_missing")
    assert entry.keys() >= analysed().keys()


def test_every_number_is_recorded_in_full() -> None:
    analysis = make_analysis((2, 3, 24, 40))
    record = analysed()
    validate_entry(record)
    values = {entry["name"]: (entry["value"], entry["unit"]) for entry in record["measurements"]}
    assert values == {m.name: (m.value, m.unit) for m in analysis.measurements}
    assert record["key_frames"] == {"ed": analysis.phases.end_diastole, "es": analysis.phases.end_systole}
    assert record["curves"] == {
        "time_ms": analysis.cine.stack.phase_times_ms.tolist(),
        "lv_ml": analysis.lv_curve_ml.tolist(),
        "rv_ml": analysis.rv_curve_ml.tolist(),
        "gcs_endo_percent": None,
        "gcs_mid_percent": None,
    }


def test_findings_say_where_they_can_be_looked_at() -> None:
    where = (Place(phase=4, slice=2), Place(slice=0))
    record = analysed(findings=(Finding("ragged_contour", Severity.WARNING, "It is ragged.", where),))
    validate_entry(record)
    assert record["findings"][0]["where"] == [
        {"phase": 4, "slice": 2, "view": None},
        {"phase": None, "slice": 0, "view": None},
    ]


def test_a_finding_can_be_said_in_another_language_once_it_was_read_again() -> None:
    message = say("The {structure} is torn.", structure=term("left ventricle"))
    record = analysed(findings=(Finding("torn", Severity.WARNING, message),))
    validate_entry(record)
    german = {"The {structure} is torn.": "{structure} zerrissen.", "left ventricle": "Linker Ventrikel"}
    stated = stated_message(json.loads(json.dumps(record))["findings"][0])
    assert translated(stated, german.__getitem__) == "Linker Ventrikel zerrissen."


def test_a_finding_of_an_older_result_is_its_english_message() -> None:
    assert stated_message({"code": "torn", "severity": "warning", "message": "It is torn."}) == "It is torn."


def test_a_refusal_can_be_said_in_another_language_with_what_to_do() -> None:
    refusal = GeometryRefused("slice_missing", say("{count} slices are missing.", count=2), say("Send them."))
    entry = ended_record("cine_sax", Status.REFUSED, refusal, excluded(), {})
    validate_entry(entry)
    german = {"{count} slices are missing.": "{count} Schichten fehlen.", "Send them.": "Senden Sie sie."}
    stated = stated_message(entry["refused"])
    assert stated == entry["refused"]["message"] == "2 slices are missing. Send them."
    assert translated(stated, german.__getitem__) == "2 Schichten fehlen. Senden Sie sie."


def test_intervals_and_normal_ranges_are_recorded() -> None:
    volume = replace(
        make_analysis().measurements[0], value=100.0, interval=(90.0, 115.0), normal=(50.0, 70.0)
    )
    record = analysed(measurements=(volume,))
    validate_entry(record)
    assert record["measurements"][0]["interval"] == [90.0, 115.0]
    assert record["measurements"][0]["normal"] == [50.0, 70.0]


def test_indices_and_ranges_of_a_known_subject_are_recorded(written_of_known_subject: Written) -> None:
    record = json.loads((written_of_known_subject.folder / RESULT_NAME).read_text("utf-8"))
    validate(record)
    entries = {entry["name"]: entry for entry in record["analyses"][0]["measurements"]}
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
    validate_entry(record)
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


@pytest.mark.parametrize("key", sorted(analysed().keys()))
def test_no_key_may_be_missing(key: str) -> None:
    record = analysed()
    del record[key]
    with pytest.raises(ValidationError, match=key):
        validate(study_of(record))


@pytest.mark.parametrize("key", sorted(study_of().keys()))
def test_no_key_of_a_study_may_be_missing(key: str) -> None:
    record = study_of(analysed())
    del record[key]
    with pytest.raises(ValidationError, match=key):
        validate(record)


@pytest.mark.parametrize("place", [(), ("model",), ("timings_ms",), ("measurements", 0), ("objects", 0)])
def test_no_key_may_be_added(place: tuple[str | int, ...]) -> None:
    record = analysed()
    inner: Record = record
    for step in place:
        inner = inner[step]  # type: ignore[index]
    inner["surprise"] = 1
    with pytest.raises(ValidationError, match="surprise"):
        validate(study_of(record))


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        ("analysed", {"refused": {"code": "x", "message": "y"}}),
        ("analysed", {"objects": []}),
        ("analysed", {"key_frames": None}),
        ("refused", {"refused": None}),
        ("refused", {"objects": [OBJECT]}),
        ("refused", {"view": "sax_cine"}),
    ],
)
def test_status_and_content_must_agree(status: str, changes: Record) -> None:
    record = {**(analysed() if status == "analysed" else refused()), **changes}
    with pytest.raises(ValidationError):
        validate_entry(record)


def test_a_refusal_without_a_hint_is_its_message() -> None:
    refusal = StudyRefused("no_cine", "No cine.")
    assert ended_record("cine_sax", Status.REFUSED, refusal, (), {})["refused"]["message"] == "No cine."
