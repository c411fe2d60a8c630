"""Which studies stand together in a trend: those that are surely of one patient."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from cvai.analyses.former import FORMER_KINDS
from cvai.analyses.registry import analysis_of
from cvai.dicom.read.patient import Patient
from cvai.jobs.job import JobState, Outcome, StudyJob
from cvai.jobs.ledger import JobRecord, Ledger
from cvai.review.decisions import Decisions, Drafts
from cvai.review.summary import Identity, Summary
from cvai.review.worklist import Row, RowState, Worklist

JANE = Patient("P-1", "Clinic", name="Doe^Jane", birth_date="19610203")
(VIEW,) = analysis_of(FORMER_KINDS[0]).views
EF = {"name": "lv_ef", "value": 55.0, "unit": "%", "interval": None, "normal": None}


def row(patient: Patient, date: str) -> Row:
    job = StudyJob(f"1.2.3.{date}", "ab", "cd")
    record = JobRecord(job, Outcome(JobState.ANALYSED), datetime(2026, 1, 1, tzinfo=UTC), None, "", 1)
    return Row(
        Summary(record, {"view": VIEW, "measurements": [EF]}, Identity(patient, date)),
        RowState.UNREVIEWED,
        None,
    )


def test_a_trend_holds_studies_of_this_patient_alone(tmp_path: Path) -> None:
    now = row(JANE, "20260101")
    before = row(replace(JANE, name="DOE^JANE^A", issuer=""), "20240101")
    others = [
        row(replace(JANE, patient_id="P-2"), "20230101"),
        row(replace(JANE, issuer="Elsewhere"), "20230102"),
        row(replace(JANE, birth_date="19400101"), "20230103"),
        row(replace(JANE, name="Roe^Mary"), "20230104"),
        row(Patient("P-1"), "20230105"),
        row(Patient(name="Doe^Jane", birth_date="19610203"), "20230106"),
    ]
    worklist = Worklist(cast("Ledger", None), tmp_path, cast("Decisions", None), cast("Drafts", None))
    assert worklist.priors(now.summary, [now, *others, before]) == [before, now]
