"""What readers signed, as an acceptance test takes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from cvai.acceptance.cases import ComparedNumber
from cvai.acceptance.signed import RefusedJob, signed_cases
from cvai.dicom.read.acquired import Acquired
from cvai.domain.segmentation import ModelIdentity
from cvai.jobs.job import JobState, Outcome, StudyJob
from cvai.jobs.ledger import JobRecord
from cvai.jobs.reading import Verdict
from cvai.review.decisions import Decision
from tests.review.test_records import READING, decision

AT = datetime(2026, 3, 2, tzinfo=UTC)


def recorded(made: Decision) -> Decision:
    """The decision as this version records it."""
    more = {
        "intervals": {"lv_ef": [45.0, 55.0]},
        "units": {"lv_ef": "%"},
        "acquired": {
            "manufacturer": "Imaginary",
            "model": "Ring",
            "field_strength_t": 1.5,
            "sex": "F",
            "age_years": 61,
        },
    }
    return replace(made, comparison={**made.comparison, **more})


def rejected(number: int) -> Decision:
    made = decision(number, 50, 50)
    reading = replace(made.reading, verdict=Verdict.REJECTED, reason="motion")
    return replace(made, reading=reading, comparison={**made.comparison, "measured": {}})


def refused_job(number: int, sha256: str = READING.model.sha256) -> RefusedJob:
    job = StudyJob(f"1.2.{number}", "ab" * 32, sha256, "cine_sax")
    record = JobRecord(job, Outcome(JobState.REFUSED, "slice_missing"), AT, AT, "worker-1", 1)
    return record, Acquired("Imaginary", "Ring")


def test_signed_rejected_and_refused_studies_are_cases() -> None:
    found = signed_cases([recorded(decision(1, 50, 53)), rejected(2)], [refused_job(3)], "cine_sax")
    signed, rejection, refusal = found.cases
    assert found.model == "sax 0.1.0"
    assert signed.numbers == {"lv_ef": ComparedNumber(50.0, 53.0, "%", (45.0, 55.0))}
    assert signed.acquired == Acquired("Imaginary", "Ring", 1.5, "F", 61)
    assert (rejection.refused, rejection.numbers) == ("rejected_by_reader", {})
    assert (refusal.study_uid, refusal.refused) == ("1.2.3", "slice_missing")
    assert refusal.acquired == Acquired("Imaginary", "Ring")


def test_what_older_versions_recorded_has_no_interval_and_a_scanner_alone() -> None:
    made = decision(1, 50, 53)
    made = replace(made, comparison={**made.comparison, "scanner": "Imaginary Ring"})
    (found,) = signed_cases([made], [], "cine_sax").cases
    assert found.numbers == {"lv_ef": ComparedNumber(50.0, 53.0, "", None)}
    assert found.acquired == Acquired("Imaginary Ring")


def test_the_last_decision_and_the_last_model_count_and_the_report_says_what_is_left_out() -> None:
    other = decision(2, 50, 50)
    model = replace(other.reading.model, version="0.0.9", sha256="ef" * 32)
    other = replace(other, reading=replace(other.reading, model=model))
    made = [other, decision(1, 50, 60), decision(1, 50, 50)]
    found = signed_cases(made, [refused_job(9, sha256="ef" * 32)], "cine_sax")
    assert [case.numbers["lv_ef"].reference for case in found.cases] == [50.0]
    assert "Accepted as they were: 1 of 1." in found.notes[0]
    assert found.notes[1] == "Studies signed on results of other models, which are left out: 1."


def test_what_was_read_by_hand_is_no_case_of_a_model() -> None:
    other = decision(2, 50, 50)
    by_hand = replace(other, reading=replace(other.reading, model=ModelIdentity.of_hand("1.0")))
    found = signed_cases([decision(1, 50, 53), by_hand], [], "cine_sax")
    assert (found.model, [case.study_uid for case in found.cases]) == ("sax 0.1.0", ["1.2.1"])


def test_a_day_leaves_out_what_was_before_it() -> None:
    made, jobs = [decision(1, 50, 53)], [refused_job(3)]
    assert len(signed_cases(made, jobs, "cine_sax", date(2026, 3, 1)).cases) == 2
    assert signed_cases(made, jobs, "cine_sax", date(2026, 3, 2)).cases == ()


def test_an_analysis_that_nobody_signed_says_so() -> None:
    found = signed_cases([decision(1, 50, 53)], [refused_job(3)], "echo_apical")
    assert (found.cases, found.notes) == ((), ("No study of this analysis was signed.",))
