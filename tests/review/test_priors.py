"""Which studies stand together in a trend: those that are surely of one patient, however many there are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cvai.analyses.former import FORMER_KINDS
from cvai.analyses.registry import analysis_of
from cvai.dicom.read.patient import Patient
from cvai.jobs.job import JobState, Outcome, StudyJob
from cvai.jobs.ledger import JobRecord
from cvai.review.listing import PAGE_ROWS, Listing
from cvai.review.summary import Identity, Summary
from tests.review.test_records import database  # noqa: F401 - a fixture

JANE = Patient("P-1", "Clinic", name="Doe^Jane", birth_date="19610203")
(VIEW,) = analysis_of(FORMER_KINDS[0]).views
EF = {"name": "lv_ef", "value": 55.0, "unit": "%", "interval": None, "normal": None}


def summary(patient: Patient, day: str) -> Summary:
    job = StudyJob(f"1.2.3.{day}", "ab", "cd")
    record = JobRecord(job, Outcome(JobState.ANALYSED), datetime(2026, 1, 1, tzinfo=UTC), None, "", 1)
    return Summary(record, {"view": VIEW, "measurements": [EF]}, Identity(patient, day))


def test_a_trend_holds_studies_of_this_patient_alone(database: Any) -> None:  # noqa: F811
    now = summary(JANE, "20260101")
    before = summary(replace(JANE, name="DOE^JANE^A", issuer=""), "20240101")
    others = [
        summary(replace(JANE, patient_id="P-2"), "20230101"),
        summary(replace(JANE, issuer="Elsewhere"), "20230102"),
        summary(replace(JANE, birth_date="19400101"), "20230103"),
        summary(replace(JANE, name="Roe^Mary"), "20230104"),
        summary(Patient("P-1"), "20230105"),
        summary(Patient(name="Doe^Jane", birth_date="19610203"), "20230106"),
    ]
    listing = Listing(database)
    listing.put([now, *others, before])
    assert [row.job_id for row in listing.of_patient(JANE, "lv_ef")] == [before.job_id, now.job_id]


def test_a_trend_holds_more_studies_than_a_page_of_the_worklist(database: Any) -> None:  # noqa: F811
    listing = Listing(database)
    days = [f"20{year:02}{month:02}01" for year in range(10, 26) for month in range(1, 13)]
    listing.put([summary(JANE, day) for day in days])
    assert len(days) > PAGE_ROWS
    assert [row.identity.study_date for row in listing.of_patient(JANE, "lv_ef")] == days
