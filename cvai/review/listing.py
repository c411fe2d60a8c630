"""The table behind the worklist: what is shown of every job, searched, sorted and counted by the database."""

from __future__ import annotations

import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any, Literal, get_args

from cvai.analyses.page import Headline
from cvai.analyses.registry import AnySpec, analysis_of_view
from cvai.dicom.read.patient import Patient
from cvai.dicom.write.result_json import stated_message
from cvai.domain.measurement import Measurement
from cvai.domain.message import stored_text, text_of
from cvai.jobs.job import JobState, standing
from cvai.jobs.ledger import JobRecord, spoken_for
from cvai.review.database import Database
from cvai.review.summary import Identity, Summary, range_without_sex

PAGE_ROWS = 50
SEARCHED_WORDS = 8
"""Of a search; more are left out."""

LAST_CHARACTER = "\U0010ffff"
"""Sorts after every other, so that a word's beginning is a range of an index."""

Show = Literal["all", "unread", "flagged", "refused", "signed", "other"]
Sort = Literal["arrived", "name", "date", "value"]
SHOWS: tuple[Show, ...] = get_args(Show)

_SORTED_BY: Mapping[str, str] = {
    "arrived": "queued_ms",
    "name": "patient_name",
    "date": "study_date",
    "value": "value",
}


class RowState(StrEnum):
    """What is to be done about an analysis, as the worklist words it; see ``listed.state``."""

    WAITING = "in progress"
    UNREVIEWED = "to read"
    DRAFT = "draft"
    ACCEPTED = "accepted"
    CHANGED = "changed"
    REJECTED = "rejected"
    LOOKED_AT = "looked at"
    DISMISSED = "dismissed"
    REFUSED = "refused"
    WITHHELD = "withheld"
    NOTHING = "nothing to read"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the worklist: an analysis of a study.

    Args:
        job_id: names its job.
        study_uid: StudyInstanceUID.
        kind: which analysis; empty in a job of an older version.
        job_state: where the job stands.
        queued_at: when the study was announced.
        code: of the error that ended the job; empty where there was none.
        message: what happened.
        hint: what to do.
        view: what was measured; empty where nothing was.
        model: name and version; empty where none ran.
        identity: whose study it is.
        main: the measurement that ``headline`` names.
        n_warnings: findings that are more than information.
        warning: the first of them.
        state: what is to be done.
        reader: who decided last; empty where nobody has.
        signed: value of the main measurement as it was signed.
        step: what is being done, in words; empty where the job does not run.
    """

    job_id: str
    study_uid: str
    kind: str
    job_state: JobState
    queued_at: datetime
    code: str
    message: str
    hint: str
    view: str
    model: str
    identity: Identity
    main: Measurement | None
    n_warnings: int
    warning: str
    state: RowState
    reader: str
    signed: float | None
    step: str = ""

    @property
    def spec(self) -> AnySpec | None:
        """The analysis that measured; None where nothing was, or it is not known here."""
        return analysis_of_view(self.view)

    @property
    def range_without_sex(self) -> tuple[float, float] | None:
        """See ``cvai.review.summary.range_without_sex``."""
        return range_without_sex(self.main, self.identity, self.spec)

    @property
    def headline(self) -> Headline | None:
        """By which measurement the analysis is listed."""
        return self.spec.headline if self.spec is not None else None


@dataclass(frozen=True, slots=True)
class Query:
    """What a reader wants to see; an empty field leaves everything in.

    Args:
        show: which rows; ``all`` leaves out studies that no analysis applies to, ``other`` has them alone.
        model: name and version.
        view: what was measured, such as ``sax_cine``.
        since: earliest day of arrival.
        search: beginnings of words of the patient's name, PatientID, AccessionNumber or StudyInstanceUID;
            every one of them must be there.
        sort: by what.
        descending: the largest, or latest, first.
        page: counted from 1.
    """

    show: Show = "all"
    model: str = ""
    view: str = ""
    since: date | None = None
    search: str = ""
    sort: Sort = "arrived"
    descending: bool = True
    page: int = 1

    @property
    def is_narrowed(self) -> bool:
        """Whether there is more to it than ``show``."""
        return bool(self.model or self.view or self.since or words_of(self.search))


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of rows.

    Args:
        rows: of this page.
        total: on all pages.
        page: which one it is, counted from 1; the last one where the query asked for one beyond it.
        counts: rows of each of ``SHOWS`` without any other filter.
        views: that occur.
        models: that occur.
    """

    rows: tuple[Row, ...]
    total: int
    page: int
    counts: Mapping[str, int]
    views: tuple[str, ...]
    models: tuple[str, ...]

    @property
    def n_pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // PAGE_ROWS))

    @property
    def first(self) -> int:
        """Number of the page's first row, counted from 1; 0 without a row."""
        return (self.page - 1) * PAGE_ROWS + 1 if self.rows else 0


@dataclass(frozen=True, slots=True)
class KnownJob:
    """Where a job stood when it was listed."""

    state: JobState
    ended_ms: int | None


class Listing:
    """The table ``listed`` of the page's database.

    Args:
        database: of the page.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, summaries: Iterable[Summary]) -> None:
        """List jobs as they stand now; an identity that is not stated again stays as it was."""
        with self._database.transaction() as rows:
            studies = {_put(rows, summary) for summary in summaries}
            for study_uid in studies:
                _choose_speakers(rows, study_uid)

    def remove(self, job_ids: Iterable[str]) -> None:
        """Forget jobs that there are no more."""
        with self._database.transaction() as rows:
            for job_id in job_ids:
                found = rows.execute(
                    "DELETE FROM listed WHERE job_id = ? RETURNING study_uid", (job_id,)
                ).fetchall()
                for row in found:
                    _choose_speakers(rows, row["study_uid"])

    def known(self, job_ids: Sequence[str]) -> dict[str, KnownJob]:
        """Where those of the jobs that are listed stood; of at most some hundred jobs."""
        # One text for any number: the connection keeps every text that it prepared.
        return self._known("job_id IN (SELECT value FROM json_each(?))", (json.dumps(list(job_ids)),))

    def unended(self) -> dict[str, KnownJob]:
        """Listed jobs that had not ended."""
        return self._known("job_state IN ('queued', 'running')", ())

    def _known(self, where: str, values: Sequence[str]) -> dict[str, KnownJob]:
        with self._database.transaction() as rows:
            found = rows.execute(f"SELECT job_id, job_state, ended_ms FROM listed WHERE {where}", values)  # noqa: S608 - ours
            return {row["job_id"]: KnownJob(JobState(row["job_state"]), row["ended_ms"]) for row in found}

    def job_ids(self) -> set[str]:
        """Every listed job."""
        with self._database.transaction() as rows:
            return {row["job_id"] for row in rows.execute("SELECT job_id FROM listed")}

    def newest(self) -> datetime | None:
        """When the newest listed job was queued; None without any."""
        with self._database.transaction() as rows:
            (queued_ms,) = rows.execute("SELECT max(queued_ms) FROM listed").fetchone()
        return None if queued_ms is None else _moment(queued_ms)

    def page(self, query: Query) -> Listed:
        """A page of rows with the counts of all."""
        with self._database.transaction() as rows:
            counts = _counts(rows)
            where, values = _conditions(query)
            total = counts[query.show]
            if query.is_narrowed:
                (total,) = rows.execute(f"SELECT count(*) FROM listed WHERE {where}", values).fetchone()  # noqa: S608
            page = min(max(1, query.page), max(1, -(-total // PAGE_ROWS)))
            found = rows.execute(_page_sql(query, where), (*values, PAGE_ROWS, (page - 1) * PAGE_ROWS))
            shown = tuple(map(_row, found))
            kinds = rows.execute("SELECT DISTINCT view, model FROM listed WHERE is_row = 1").fetchall()
        views = tuple(sorted({kind["view"] for kind in kinds} - {""}))
        models = tuple(sorted({kind["model"] for kind in kinds} - {""}))
        return Listed(shown, total, page, counts, views, models)

    def of_patient(self, patient: Patient, main_name: str) -> tuple[Row, ...]:
        """Rows with this main measurement that are surely of the patient, oldest first."""
        # The plus keeps SQLite from the index of all rows by date.
        with self._database.transaction() as rows:
            found = rows.execute(
                "SELECT * FROM listed WHERE patient_id = ? AND main_name = ? AND +is_row = 1 "
                "ORDER BY study_date",
                (_normal_id(patient.patient_id), main_name),
            ).fetchall()
        return tuple(row for row in map(_row, found) if row.identity.patient.is_surely(patient))


def words_of(*texts: str) -> set[str]:
    """Words by which texts are found: in lower case, without accents.

    >>> sorted(words_of("Müller^Jörg", "P-1 "))
    ['jorg', 'muller', 'p-1']
    """
    decomposed = unicodedata.normalize("NFKD", " ".join(texts).casefold())
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return set(re.split(r"[\s^=,;\x00-\x1f]+", plain)) - {""}


def speakers(newest_first: Iterable[tuple[str, JobState]]) -> list[int]:
    """Places of those of a study's jobs, by kind and state, that speak for an analysis of it.

    The newest of each kind; what has been superseded is left out, and so is an analysis that found nothing to
    do in a study in which another did, or does, or has been refused. One job says so
    where nothing is to be done.
    """
    states: list[JobState] = []
    places: dict[str, int] = {}
    for place, (kind, state) in enumerate(newest_first):
        states.append(state)
        if state is not JobState.SUPERSEDED and not spoken_for(kind, places):
            places[kind] = place
    chosen = list(places.values())
    return [place for place in chosen if states[place] is not JobState.NOTHING_TO_DO] or chosen[:1]


def known_as(record: JobRecord) -> KnownJob:
    """How a job that stands as the record says is listed."""
    return KnownJob(record.outcome.state, None if record.ended_at is None else _ms(record.ended_at))


def _put(rows: sqlite3.Connection, summary: Summary) -> str:
    """List one job; returns its study."""
    job = summary.record.job
    values = _values(summary, _identity(rows, summary))
    names = ", ".join(values)
    updates = ", ".join(f"{name} = excluded.{name}" for name in values)
    (number,) = rows.execute(
        f"INSERT INTO listed ({names}) VALUES ({', '.join('?' * len(values))}) "  # noqa: S608 - names are ours
        f"ON CONFLICT (job_id) DO UPDATE SET {updates} RETURNING number",
        tuple(values.values()),
    ).fetchone()
    identity = Identity(Patient(**json.loads(values["patient"])), accession=values["accession"])
    words = words_of(
        identity.patient.name, identity.patient.patient_id, identity.accession, summary.record.job.study_uid
    )
    rows.execute("DELETE FROM listed_words WHERE number = ?", (number,))
    rows.executemany("INSERT INTO listed_words VALUES (?, ?)", [(word, number) for word in words])
    return job.study_uid


def _identity(rows: sqlite3.Connection, summary: Summary) -> Identity:
    """Whose study it is, as fully as a job of it has told; the patient as its result names it."""
    told = rows.execute(
        "SELECT patient, study_date, description, accession FROM listed WHERE study_uid = ? "
        "ORDER BY job_id = ? DESC, study_date DESC LIMIT 1",
        (summary.record.job.study_uid, summary.job_id),
    ).fetchone()
    if told is None:
        return summary.identity
    completed = summary.identity.completed_by(_identity_of(told))
    return replace(completed, patient=summary.identity.patient) if summary.result else completed


def _values(summary: Summary, identity: Identity) -> dict[str, Any]:
    record, main = summary.record, summary.main
    known = known_as(record)
    return {
        "job_id": summary.job_id,
        "study_uid": record.job.study_uid,
        "kind": summary.kind,
        "job_state": str(known.state),
        "queued_ms": _ms(record.queued_at),
        "ended_ms": known.ended_ms,
        "code": record.outcome.code,
        "message": json.dumps(stored_text(record.outcome.message)),
        "hint": json.dumps(stored_text(record.outcome.hint)),
        "view": summary.view,
        "model": summary.model,
        "patient": json.dumps(asdict(identity.patient)),
        "patient_id": _normal_id(identity.patient.patient_id),
        "patient_name": " ".join(re.split(r"[\s^=]+", identity.patient.name.casefold())),
        "study_date": identity.study_date,
        "description": identity.description,
        "accession": identity.accession,
        "main": ""
        if main is None
        else json.dumps([main.name, main.value, main.unit, main.interval, main.normal]),
        "main_name": _main_name(summary),
        "value": None if main is None else main.value,
        "warnings": len(summary.warnings),
        "warning": json.dumps(stored_text(stated_message(summary.warnings[0]) if summary.warnings else "")),
    }


def _main_name(summary: Summary) -> str:
    """Of the main measurement; also where it will be a reader's alone."""
    if summary.main is not None:
        return summary.main.name
    return summary.headline.name if summary.is_by_hand and summary.headline is not None else ""


def _choose_speakers(rows: sqlite3.Connection, study_uid: str) -> None:
    jobs = rows.execute(
        "SELECT number, kind, job_id, job_state FROM listed WHERE study_uid = ? "
        "ORDER BY queued_ms DESC, number DESC",
        (study_uid,),
    ).fetchall()
    chosen = {
        jobs[place]["number"]
        for place in speakers((j["kind"], standing(j["job_id"], JobState(j["job_state"]))) for j in jobs)
    }
    rows.executemany(
        "UPDATE listed SET speaks = ? WHERE number = ?",
        [(int(job["number"] in chosen), job["number"]) for job in jobs],
    )


def _counts(rows: sqlite3.Connection) -> dict[str, int]:
    found = rows.execute(
        "SELECT tab, is_flagged, count(*) AS n FROM listed GROUP BY tab, is_flagged"
    ).fetchall()
    by_tab = {tab: sum(row["n"] for row in found if row["tab"] == tab) for tab in ("", "other", *SHOWS)}
    everything = sum(row["n"] for row in found)
    return {
        **{show: by_tab[show] for show in SHOWS},
        "all": everything - by_tab[""] - by_tab["other"],
        "flagged": sum(row["n"] for row in found if row["is_flagged"]),
    }


def _conditions(query: Query) -> tuple[str, tuple[Any, ...]]:
    """What rows must be, as SQL and its values."""
    conditions: list[tuple[str, tuple[Any, ...]]] = [_SHOWN.get(query.show, ("tab = ?", (query.show,)))]
    if query.model:
        conditions.append(("model = ?", (query.model,)))
    if query.view:
        conditions.append(("view = ?", (query.view,)))
    if query.since is not None:
        conditions.append(("queued_ms >= ?", (_ms(datetime.combine(query.since, time(), UTC)),)))
    for word in sorted(words_of(query.search))[:SEARCHED_WORDS]:
        within = "number IN (SELECT number FROM listed_words WHERE word >= ? AND word < ?)"
        conditions.append((within, (word, word + LAST_CHARACTER)))
    where = " AND ".join(condition for condition, _ in conditions)
    return where, tuple(value for _, values in conditions for value in values)


_SHOWN: Mapping[str, tuple[str, tuple[Any, ...]]] = {
    "all": ("is_row = 1", ()),
    "flagged": ("is_flagged = 1", ()),
}


def _page_sql(query: Query, where: str) -> str:
    """Numbers of the rows first, from an index where there is one: only those of the page are read whole."""
    direction = "DESC" if query.descending else "ASC"
    by = _SORTED_BY[query.sort]
    order = f"{by} {direction}, number {direction}"
    numbers = f"SELECT number FROM listed WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608 - ours
    return f"SELECT * FROM listed WHERE number IN ({numbers}) ORDER BY {order}"  # noqa: S608


def _row(row: sqlite3.Row) -> Row:
    return Row(
        job_id=row["job_id"],
        study_uid=row["study_uid"],
        kind=row["kind"],
        job_state=JobState(row["job_state"]),
        queued_at=_moment(row["queued_ms"]),
        code=row["code"],
        message=text_of(json.loads(row["message"])),
        hint=text_of(json.loads(row["hint"])),
        view=row["view"],
        model=row["model"],
        identity=_identity_of(row),
        main=_main(row["main"]),
        n_warnings=row["warnings"],
        warning=text_of(json.loads(row["warning"])),
        state=RowState(row["state"]),
        reader=row["reader"],
        signed=row["signed"],
    )


def _identity_of(row: sqlite3.Row) -> Identity:
    patient = Patient(**json.loads(row["patient"]))
    return Identity(patient, row["study_date"], row["description"], row["accession"])


def _main(text: str) -> Measurement | None:
    if not text:
        return None
    name, value, unit, interval, normal = json.loads(text)
    return Measurement(name, value, unit, interval and tuple(interval), normal and tuple(normal))


def _normal_id(patient_id: str) -> str:
    return unicodedata.normalize("NFC", patient_id)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _moment(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)
