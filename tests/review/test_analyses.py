"""Several analyses of one study in the worklist and on their pages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from cvai.analyses.former import FORMER_KINDS
from cvai.jobs.job import JobState, Outcome, StudyJob
from cvai.jobs.ledger import JobRecord
from cvai.review.decisions import Decisions, Drafts
from cvai.review.listing import Listing, Query, RowState, speakers
from cvai.review.page import PageOptions
from cvai.review.summary import StudyFolders
from cvai.review.wording import render
from cvai.review.worklist import JOB_ID, Worklist
from tests.review.light_page import light_page
from tests.review.test_records import COMPARISON, READING, database  # noqa: F401 - a fixture

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TITLES = {"cine": "Short-axis cine", "scar": "Late enhancement"}


def record(kind: str, state: JobState, minute: int = 0, study_uid: str = "1.2.3") -> JobRecord:
    code = "" if state is JobState.ANALYSED else f"{kind}_{state}"
    outcome = Outcome(state, code, f"what became of {kind}." if code else "")
    job = StudyJob(study_uid, "ab" * 32, "cd" * 32, kind)
    return JobRecord(job, outcome, NOON + timedelta(minutes=minute), NOON, "worker-1", 1)


@dataclass
class Jobs:
    """A ledger of these jobs, newest first."""

    records: list[JobRecord] = field(default_factory=list)

    def since(self, moment: datetime | None) -> Iterator[JobRecord]:
        return (r for r in self.records if moment is None or r.queued_at >= moment)

    def unended(self) -> dict[str, JobState]:
        return {
            r.job.job_id: r.outcome.state for r in self.records if r.outcome.state in (Q, JobState.RUNNING)
        }

    def by_id(self, job_ids: Iterable[str]) -> Iterator[JobRecord]:
        return (r for r in map(self.find, job_ids) if r is not None)

    def steps_done(self, job_id: str) -> tuple[str, ...]:  # noqa: ARG002 - names are the ledger's
        return ("fetch",)

    def of_study(self, study_uid: str) -> tuple[JobRecord, ...]:
        return tuple(r for r in self.records if r.job.study_uid == study_uid)

    def find(self, job_id: str) -> JobRecord | None:
        return next((r for r in self.records if r.job.job_id == job_id), None)


def kinds(*newest_first: JobRecord) -> list[tuple[str, JobState]]:
    jobs = [(r.job.kind, r.outcome.state) for r in newest_first]
    return [jobs[place] for place in speakers(jobs)]


A, R, F, N, S, Q = (
    JobState.ANALYSED,
    JobState.REFUSED,
    JobState.FAILED,
    JobState.NOTHING_TO_DO,
    JobState.SUPERSEDED,
    JobState.QUEUED,
)
CINE, LOOPS = FORMER_KINDS


@pytest.mark.parametrize(
    ("newest_first", "shown"),
    [
        ([("cine", A), ("scar", F)], [("cine", A), ("scar", F)]),
        ([("cine", Q), ("scar", A), ("cine", A)], [("cine", Q), ("scar", A)]),
        ([("cine", S), ("scar", A), ("cine", A)], [("scar", A), ("cine", A)]),
        ([("scar", N), ("cine", R)], [("cine", R)]),
        ([("scar", N), ("cine", N)], [("scar", N)]),
        ([(CINE, A), ("", A)], [(CINE, A)]),
        ([("scar", A), ("", A)], [("scar", A), ("", A)]),
    ],
    ids=[
        "a row each",
        "the newest of each",
        "superseded is left out",
        "nothing to do beside another",
        "nothing to do at all is said once",
        "a former job gives way",
        "but not to an analysis that did not exist then",
    ],
)
def test_a_study_has_a_row_for_each_analysis(
    newest_first: list[tuple[str, JobState]], shown: list[tuple[str, JobState]]
) -> None:
    numbered = enumerate(reversed(newest_first))
    assert kinds(*reversed([record(*job, minute) for minute, job in numbered])) == shown


@pytest.fixture
def worklist(database: Any, tmp_path: Path) -> Worklist:  # noqa: F811
    jobs = Jobs([record("scar", R, 1), record("cine", A, 0), record("cine", A, 0, "1.2.4")])
    made = Worklist(cast("Any", jobs), StudyFolders(tmp_path), Listing(database))
    made.look()
    return made


def test_drafts_and_decisions_are_of_one_analysis(worklist: Worklist, database: Any) -> None:  # noqa: F811
    job = record("cine", A).job
    Drafts(database).save(job.job_id, "hart", {"ed": 1})
    states = {(row.study_uid, row.kind): row.state for row in worklist.page(Query()).rows}
    assert states == {
        ("1.2.3", "scar"): RowState.REFUSED,
        ("1.2.3", "cine"): RowState.DRAFT,
        ("1.2.4", "cine"): RowState.UNREVIEWED,
    }
    values = {**READING.to_json(), "job": job.to_json()}
    Decisions(database).add("hart", type(READING).from_json(json.loads(json.dumps(values))), COMPARISON, 0)
    (decided,) = worklist.page(Query("signed")).rows
    assert (decided.job_id, decided.state, decided.reader) == (job.job_id, RowState.CHANGED, "hart")


def test_a_page_names_the_other_analyses_of_its_study_and_no_other_studys(worklist: Worklist) -> None:
    cine = worklist.study(record("cine", A).job.job_id)
    (other,) = worklist.others(cine)
    assert (other.kind, other.state) == ("scar", R)
    assert worklist.others(worklist.study(record("cine", A, 0, "1.2.4").job.job_id)) == []


def test_a_row_has_the_title_of_its_analysis_and_leads_to_it(worklist: Worklist) -> None:
    page = cast("Any", type("Shown", (), {"options": PageOptions("127.0.0.1", 1, titles=TITLES)}))
    html = render("rows.html", page=page, listed=worklist.page(Query()), query=Query(), complete=True)
    for job, title in (
        (record("scar", R).job, "Late enhancement"),
        (record("cine", A).job, "Short-axis cine"),
    ):
        (row,) = re.findall(rf'<tr data-job="{re.escape(job.job_id)}".*?</tr>', html, re.DOTALL)
        assert title in row
        assert f'href="/studies/{job.job_id}"' in row


def test_the_pages_of_both_analyses_are_linked_and_an_audit_message_names_the_study_once(
    tmp_path: Path,
) -> None:
    with light_page(tmp_path, titles=TITLES) as light:
        jobs = Jobs([record("scar", R, 1), record("cine", A, 0)])
        cast("Any", light.page.worklist)._ledger = jobs
        light.page.worklist.look()
        session = light.signed_in("hart")
        scar, cine = (r.job.job_id for r in jobs.records)
        light.events.clear()
        listed = session.get(light.url, timeout=30).text
        assert f"/studies/{scar}" in listed
        assert f"/studies/{cine}" in listed
        assert [event.listed for event in light.events] == [("1.2.3",)]
        page = session.get(f"{light.url}/studies/{cine}", timeout=30)
        assert page.status_code == 200
        assert f'href="/studies/{scar}"' in page.text
        assert "Late enhancement" in page.text


def test_every_job_id_is_known_as_one() -> None:
    for job in (record("cine", A).job, StudyJob("1.2.3", "unlisted", "cd" * 32, "cine_sax")):
        assert JOB_ID.fullmatch(job.job_id)
    assert not JOB_ID.fullmatch("1.2.3/../x")
