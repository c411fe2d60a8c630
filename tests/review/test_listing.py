"""The table behind the worklist: every study is found, counted and reached, and it follows the jobs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast, get_args

import pytest

from cvai.dicom.read.patient import Patient
from cvai.domain.message import say, translated
from cvai.jobs.job import JobState, Outcome, StudyJob
from cvai.jobs.ledger import JobRecord
from cvai.languages import translator
from cvai.review.database import Database
from cvai.review.decisions import Decisions, Drafts, Look, LookVerdict
from cvai.review.listing import PAGE_ROWS, Listing, Query, RowState, Sort
from cvai.review.summary import Identity, StudyFolders, Summary, read_summary
from cvai.review.worklist import Worklist
from tests.review.test_analyses import Jobs, record
from tests.review.test_priors import EF, VIEW
from tests.review.test_records import COMPARISON, READING, database  # noqa: F401 - a fixture
from tests.standin import write_study

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
N = 4 * PAGE_ROWS + 7
FAMILIES = ("Müller", "Doe", "Nguyễn", "O'Neil")


def study(number: int, state: JobState = JobState.ANALYSED) -> Summary:
    job = StudyJob(f"1.2.{number}", "ab", "cd", "cine_sax")
    queued_at = NOON + timedelta(minutes=number)
    ended = JobRecord(job, Outcome(state), queued_at, queued_at, "worker-1", 1)
    patient = Patient(f"P {number:05}", name=f"{FAMILIES[number % 4]}^Jörg {number}", birth_date="19610203")
    day = f"{date(2020, 1, 1) + timedelta(days=(7 * number) % N):%Y%m%d}"
    measured = {"view": VIEW, "measurements": [{**EF, "value": 30.0 + (13 * number) % 40}]}
    identity = Identity(patient, day, "Heart", f"ACC{number:05}")
    return Summary(ended, measured if state is JobState.ANALYSED else {}, identity)


@pytest.fixture
def listing(database: Database) -> Listing:  # noqa: F811
    made = Listing(database)
    made.put(map(study, range(N)))
    return made


def all_rows(listing: Listing, query: Query) -> list[str]:
    first = listing.page(query)
    pages = (listing.page(replace(query, page=number)) for number in range(1, first.n_pages + 1))
    return [row.job_id for page in pages for row in page.rows]


@pytest.mark.parametrize("sort", get_args(Sort))
@pytest.mark.parametrize("descending", [True, False])
def test_every_study_is_on_exactly_one_page_in_the_order_asked_for(
    listing: Listing, sort: Sort, descending: bool
) -> None:
    found = all_rows(listing, Query(sort=sort, descending=descending))
    assert len(found) == len(set(found)) == N
    by_id = {study(number).job_id: study(number) for number in range(N)}
    values = [sorted_by(by_id[job_id], sort) for job_id in found]
    assert values == sorted(values, reverse=descending)


def sorted_by(summary: Summary, sort: Sort) -> Any:
    assert summary.main is not None
    return {
        "arrived": summary.record.queued_at,
        "name": summary.identity.patient.name.casefold().replace("^", " "),
        "date": summary.identity.study_date,
        "value": summary.main.value,
    }[sort]


def test_a_page_beyond_the_last_is_the_last(listing: Listing) -> None:
    last = listing.page(Query(page=10_000))
    assert (last.page, last.n_pages, last.total) == (5, 5, N)
    assert (last.first, len(last.rows)) == (4 * PAGE_ROWS + 1, 7)


@pytest.mark.parametrize(
    ("search", "numbers"),
    [
        ("muller", range(0, N, 4)),
        ("MÜLL", range(0, N, 4)),
        ("jorg doe 197", [197]),
        ("doe^jörg 197", [197]),
        ("P 00042", [42]),
        ("acc00043", [43]),
        ("1.2.144", [144]),
        ("nguyen", range(2, N, 4)),
        ("doe roe", []),
        ("%", []),
        ("'; DROP TABLE listed", []),
    ],
)
def test_studies_are_found_by_name_and_numbers(listing: Listing, search: str, numbers: Any) -> None:
    found = all_rows(listing, Query(search=search))
    assert sorted(found) == sorted(study(number).job_id for number in numbers)
    assert listing.page(Query(search=search)).total == len(found)


def test_a_search_goes_with_the_other_filters(listing: Listing) -> None:
    assert listing.page(Query(search="doe", view=VIEW)).total == len(range(1, N, 4))
    assert listing.page(Query(search="doe", view="a4c")).total == 0
    assert listing.page(Query(search="doe", since=date(2026, 3, 2))).total == 0


def test_counts_are_of_all_pages_and_follow_drafts_and_decisions(
    listing: Listing,
    database: Database,  # noqa: F811
) -> None:
    listing.put([study(N, JobState.REFUSED), study(N + 1, JobState.FAILED), study(N + 2, JobState.QUEUED)])
    listing.put([study(N + 3, JobState.NOTHING_TO_DO)])
    nothing_signed = {"all": N + 3, "unread": N, "flagged": 0, "refused": 2, "signed": 0, "other": 1}
    assert listing.page(Query()).counts == nothing_signed
    job = study(3).record.job
    Drafts(database).save(job.job_id, "hart", {"ed": 1})
    assert row_of(listing, job.job_id).state is RowState.DRAFT
    Drafts(database).discard(job.job_id, "hart")
    assert row_of(listing, job.job_id).state is RowState.UNREVIEWED
    Drafts(database).save(job.job_id, "hart", {"ed": 1})
    Decisions(database).add("hart", replace(READING, job=job), COMPARISON, 0)
    signed = row_of(listing, job.job_id)
    assert (signed.state, signed.reader, signed.signed) == (RowState.CHANGED, "hart", 54.0)
    assert listing.page(Query()).counts == {**nothing_signed, "unread": N - 1, "signed": 1}


def test_a_draft_goes_with_its_reader(listing: Listing, database: Database) -> None:  # noqa: F811
    job_id = study(3).job_id
    Drafts(database).save(job_id, "hart", {"ed": 1})
    with database.transaction() as rows:
        rows.execute("DELETE FROM readers WHERE name = 'hart'")
    assert row_of(listing, job_id).state is RowState.UNREVIEWED


def test_what_was_looked_at_is_read_until_its_job_ends_anew(
    listing: Listing,
    database: Database,  # noqa: F811
) -> None:
    looked_at = study(3)
    decisions = Decisions(database)
    for verdict in LookVerdict:
        decisions.add_look(looked_at.job_id, looked_at.ended_ms or 0, Look("hart", verdict, "", NOON))
        assert row_of(listing, looked_at.job_id).state == verdict
        assert listing.page(Query()).counts["unread"] == N - 1
    again = Listing(database)
    again.remove([looked_at.job_id])
    again.put([looked_at])
    assert row_of(again, looked_at.job_id).state is RowState.DISMISSED
    record = replace(looked_at.record, ended_at=NOON + timedelta(days=1))
    again.put([replace(looked_at, record=record)])
    assert row_of(again, looked_at.job_id).state is RowState.UNREVIEWED
    assert decisions.look_of(looked_at.job_id, replace(looked_at, record=record).ended_ms) is None


def row_of(listing: Listing, job_id: str) -> Any:
    study_uid, _, _ = job_id.partition("-")
    (row,) = [row for row in listing.page(Query(search=study_uid)).rows if row.job_id == job_id]
    return row


def test_every_state_of_a_job_has_a_word_and_a_tab(listing: Listing) -> None:
    words = {}
    for number, state in enumerate(JobState, start=N):
        listing.put([study(number, state)])
        shows = "other" if state in (JobState.NOTHING_TO_DO, JobState.CANCELED) else "all"
        rows = listing.page(Query(shows, search=f"1.2.{number}")).rows
        words[state] = [row.state for row in rows]
    assert words == {
        JobState.QUEUED: [RowState.WAITING],
        JobState.RUNNING: [RowState.WAITING],
        JobState.ANALYSED: [RowState.UNREVIEWED],
        JobState.REFUSED: [RowState.REFUSED],
        JobState.SUPERSEDED: [],
        JobState.WITHHELD: [RowState.WITHHELD],
        JobState.CANCELED: [RowState.NOTHING],
        JobState.FAILED: [RowState.FAILED],
        JobState.NOTHING_TO_DO: [RowState.NOTHING],
        JobState.DEAD_LETTER: [RowState.FAILED],
    }


def test_whose_study_it_is_stays_when_its_results_are_gone(listing: Listing) -> None:
    again = study(5)
    listing.put([replace(again, result={}, identity=Identity())])
    assert row_of(listing, again.job_id).identity == again.identity


@pytest.fixture
def jobs() -> Jobs:
    return Jobs([record("cine", JobState.ANALYSED, minute, f"1.2.{minute}") for minute in range(300, 0, -1)])


@pytest.fixture
def worklist(jobs: Jobs, database: Database, tmp_path: Path) -> Worklist:  # noqa: F811
    made = Worklist(cast("Any", jobs), StudyFolders(tmp_path), Listing(database))
    made.look()
    return made


def test_more_jobs_than_any_page_holds_are_listed(worklist: Worklist) -> None:
    assert worklist.page(Query()).total == 300


def test_a_job_that_is_retried_is_shown_at_work_and_then_as_it_ends(worklist: Worklist, jobs: Jobs) -> None:
    retried = jobs.records[-1]
    for state, word in (
        (JobState.QUEUED, RowState.WAITING),
        (JobState.RUNNING, RowState.WAITING),
        (JobState.REFUSED, RowState.REFUSED),
    ):
        ended_at = NOON if state is JobState.REFUSED else None
        jobs.records[-1] = replace(retried, outcome=Outcome(state), ended_at=ended_at)
        (row,) = worklist.page(Query(descending=False)).rows[:1]
        assert (row.job_id, row.state) == (retried.job.job_id, word)


def test_a_restart_lists_what_came_and_forgets_what_there_is_no_more(
    jobs: Jobs,
    worklist: Worklist,
    database: Database,  # noqa: F811
    tmp_path: Path,
) -> None:
    del worklist
    jobs.records[:2] = [record("cine", JobState.ANALYSED, 400, "1.2.400")]
    again = Worklist(cast("Any", jobs), StudyFolders(tmp_path), Listing(database))
    assert not again.complete
    again.look()
    newest = [row.study_uid for row in again.page(Query()).rows[:2]]
    assert (newest, again.page(Query()).total) == (["1.2.400", "1.2.298"], 299)


def test_a_listing_of_another_version_is_made_again_and_decisions_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "review.sqlite"
    first = Database(path)
    listing, job = Listing(first), study(3).record.job
    listing.put([study(3)])
    Decisions(first).add("hart", replace(READING, job=job), COMPARISON, 0)
    first.close()
    same = Database(path)
    assert Listing(same).job_ids() == {job.job_id}
    with same.transaction() as rows:
        rows.execute("PRAGMA user_version = 7")
    same.close()
    other = Database(path)
    assert Listing(other).job_ids() == set()
    Listing(other).put([study(3)])
    assert row_of(Listing(other), job.job_id).state is RowState.CHANGED
    other.close()


def test_a_look_that_is_stopped_goes_on_at_the_next(
    jobs: Jobs,
    database: Database,  # noqa: F811
    tmp_path: Path,
) -> None:
    worklist = Worklist(cast("Any", jobs), StudyFolders(tmp_path), Listing(database))
    asked = iter([False, True])
    worklist.look(lambda: next(asked))
    assert (worklist.page(Query()).total, worklist.complete) == (200, False)
    worklist.look()
    assert (worklist.page(Query()).total, worklist.complete) == (300, True)


def at_work(state: JobState, outcome: Outcome | None = None) -> JobRecord:
    job = StudyJob("1.2.9", "ab" * 32, "cd" * 32, "cine_sax")
    ended_at = None if state in (JobState.QUEUED, JobState.RUNNING) else NOON
    return JobRecord(job, outcome or Outcome(state), NOON, ended_at, "worker-1", 1)


def test_a_running_job_shows_whose_study_it_is_and_what_is_being_done(
    database: Database,  # noqa: F811
    tmp_path: Path,
) -> None:
    running = at_work(JobState.RUNNING)
    write_study(tmp_path / "work" / "worker-1" / "studies" / running.job.job_id, "1.2.9")
    folders = StudyFolders(tmp_path / "results", tmp_path / "work")
    worklist = Worklist(cast("Any", Jobs([running])), folders, Listing(database))
    worklist.look()
    (row,) = worklist.page(Query(search="stand-in")).rows
    assert (row.identity.patient.patient_id, row.identity.study_date) == ("STAND-IN", "20260101")
    assert (row.state, row.step) == (RowState.WAITING, "being analysed")


@pytest.mark.parametrize("patient", [{"patient_id": "P-1", "name": "Doe^Jane"}, None])
def test_a_refused_study_has_its_date_and_the_patient_that_its_result_names(
    database: Database,  # noqa: F811
    tmp_path: Path,
    patient: dict[str, str] | None,
) -> None:
    write_study(tmp_path / "archive" / "1.2.9", "1.2.9")
    path = tmp_path / "results" / "job" / "result.json"
    path.parent.mkdir(parents=True)
    refused = {"code": "c", "message": "m"}
    told = {"schema": "cvai.result/2", "study_uid": "1.2.9", "patient": patient, "status": "refused"}
    path.write_text(json.dumps({**told, "refused": refused, "analyses": [], "unreadable": []}))
    folders = StudyFolders(tmp_path / "results", archive=tmp_path / "archive")
    jobs = Jobs([at_work(JobState.RUNNING)])
    worklist = Worklist(cast("Any", jobs), folders, Listing(database))
    worklist.look()
    outcome = Outcome(JobState.REFUSED, "c", "What was found.", "What to do.", "job/result.json")
    jobs.records[:] = [at_work(JobState.REFUSED, outcome)]
    (row,) = worklist.page(Query("refused")).rows
    assert row.identity.study_date == "20260101"
    assert row.identity.patient == Patient(**(patient or {}))
    assert (row.message, row.hint) == ("What was found.", "What to do.")


def test_a_withheld_study_has_its_reason_and_no_number(database: Database) -> None:  # noqa: F811
    made = Listing(database)
    withheld = study(1, JobState.WITHHELD)
    outcome = Outcome(JobState.WITHHELD, "analysis_stopped", "It was stopped.", "It is kept.")
    made.put([replace(withheld, record=replace(withheld.record, outcome=outcome))])
    (row,) = made.page(Query("refused")).rows
    assert (row.state, row.main, row.message) == (RowState.WITHHELD, None, "It was stopped.")


def test_rows_say_in_another_language_why_a_study_was_refused(database: Database) -> None:  # noqa: F811
    made = Listing(database)
    refused = study(1, JobState.REFUSED)
    hint = say("Nothing has to be done.")
    outcome = Outcome(JobState.REFUSED, "no_cine", say("The study holds no cine; {seen}.", seen="x"), hint)
    made.put([replace(refused, record=replace(refused.record, outcome=outcome))])
    (row,) = made.page(Query("refused")).rows
    assert (row.message, row.hint) == ("The study holds no cine; x.", "Nothing has to be done.")
    german = [translated(text, translator("de")) for text in (row.message, row.hint)]
    assert german == ["Die Untersuchung enthält kein Cine; x.", "Es ist nichts zu tun."]


def test_files_that_are_no_dicom_name_nobody(tmp_path: Path) -> None:
    record = at_work(JobState.RUNNING)
    folder = tmp_path / "work" / "worker-1" / "studies" / record.job.job_id
    folder.mkdir(parents=True)
    (folder / "1.dcm").write_bytes(b"\0" * 200)
    (folder / "2.dcm").mkdir()
    assert read_summary(record, StudyFolders(tmp_path, tmp_path / "work")).identity == Identity()
