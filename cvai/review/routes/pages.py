"""The pages a reader opens: worklist, study, report, agreement."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, HTMLResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from cvai.audit.messages import Act
from cvai.dicom.write.write import REPORT_NAME
from cvai.errors import RequestInvalid
from cvai.jobs.job import JobState
from cvai.jobs.shadow import shadow_records
from cvai.jobs.shadow_comparison import compared
from cvai.languages import LANGUAGES
from cvai.review.access import Admin, SignedIn, ThePage, TheStudy
from cvai.review.agreement import against_readers, agreement, by_headline
from cvai.review.audited import Access, Audited, DeclaredRoute, NoPatientData, TheAccess, shows
from cvai.review.compare import compared_studies, names_of
from cvai.review.coverage import coverage
from cvai.review.entered import entry_json, with_entered
from cvai.review.language import TheLanguage, words_of_scripts
from cvai.review.listing import Query, Row, Show, Sort
from cvai.review.page import Page
from cvai.review.series import may_be_read_by_hand, series_offer
from cvai.review.study import waiting_text
from cvai.review.wording import render
from cvai.review.worklist_table import worklist_csv

MOST_PAGES = 1_000_000
MOST_CSV_ROWS = 10_000


def wanted_query(
    show: Show = "all",
    model: str = "",
    view: str = "",
    since: str = "",
    *,
    sort: Sort = "arrived",
    order: Literal["down", "up"] = "down",
    page: Annotated[int, Field(ge=1, le=MOST_PAGES)] = 1,
) -> Query:
    """What the worklist is asked to show; a form sends empty fields too."""
    try:
        day = date.fromisoformat(since) if since else None
    except ValueError as error:
        raise RequestInvalid("changes_invalid", "This is not a day.", "Write it as 2026-03-01.") from error
    return Query(show, model, view, day, sort=sort, descending=order == "down", page=page)


Wanted = Annotated[Query, Depends(wanted_query)]

pages = APIRouter(default_response_class=HTMLResponse, route_class=DeclaredRoute)


class SearchBody(BaseModel):
    """What a reader looks for: no part of an address, since those are kept in logs and histories."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    search: Annotated[str, Field(max_length=200)]


@pages.get("/")
@shows(Audited(Act.LISTED))
def worklist(
    page: ThePage, session: SignedIn, wanted: Wanted, access: TheAccess, language: TheLanguage
) -> str:
    """Everything there is to read."""
    return render("worklist.html", language, session=session, **_listed(page, wanted, access))


@pages.get("/worklist")
@shows(Audited(Act.LISTED, repeated=True))
def worklist_rows(
    page: ThePage, session: SignedIn, wanted: Wanted, access: TheAccess, language: TheLanguage
) -> str:
    """The table alone, for a page that stays open."""
    return render("rows.html", language, session=session, **_listed(page, wanted, access))


@pages.post("/worklist")
@shows(Audited(Act.LISTED, repeated=True))
def worklist_found(
    page: ThePage,
    session: SignedIn,
    wanted: Wanted,
    body: SearchBody,
    access: TheAccess,
    *,
    language: TheLanguage,
) -> str:
    """The table of what a reader looks for."""
    wanted = replace(wanted, search=body.search)
    return render("rows.html", language, session=session, **_listed(page, wanted, access))


@pages.post("/worklist.csv", response_class=Response)
@shows(Audited(Act.LISTED))
def worklist_table(
    page: ThePage, session: SignedIn, wanted: Wanted, body: SearchBody, access: TheAccess
) -> Response:
    """All rows of what a reader looks for, the newest ``MOST_CSV_ROWS`` of them, as a file."""
    del session
    rows = _all_rows(page, replace(wanted, search=body.search, page=1))
    access.shows(row.study_uid for row in rows)
    named = {"Content-Disposition": 'attachment; filename="worklist.csv"'}
    return Response(
        worklist_csv(rows, page.accounts.names()), media_type="text/csv; charset=utf-8", headers=named
    )


def _all_rows(page: Page, wanted: Query) -> list[Row]:
    """Rows of every page of the worklist."""
    rows: list[Row] = []
    while len(rows) < MOST_CSV_ROWS:
        listed = page.worklist.page(wanted)
        rows += listed.rows
        if listed.page >= listed.n_pages:
            break
        wanted = replace(wanted, page=listed.page + 1)
    return rows[:MOST_CSV_ROWS]


def _listed(page: Page, wanted: Query, access: Access) -> dict[str, object]:
    listed = page.worklist.page(wanted)
    access.shows(row.study_uid for row in listed.rows)
    return {
        "page": page,
        "query": wanted,
        "listed": listed,
        "complete": page.worklist.complete,
        "names": page.accounts.names(),
    }


@pages.get("/studies/{job_id}")
@shows(Audited(Act.SEEN))
def study(summary: TheStudy, page: ThePage, session: SignedIn, language: TheLanguage) -> str:
    """One analysis of a study; links lead to the others."""
    others, entry = page.worklist.others(summary), None
    if summary.editing is not None:
        summary = with_entered(page, summary)
        entry = entry_json(page, summary)
    offer = series_offer(page, summary)
    by_hand = may_be_read_by_hand(summary, offer)
    shown = {"summary": summary, "others": others, "entry": entry, "series": offer, "by_hand": by_hand}
    waits = waiting_text(page, summary)
    return render("study.html", language, page=page, session=session, waits=waits, **shown)


@pages.get("/studies/{job_id}/compare")
@shows(Audited(Act.LISTED))
def compare(summary: TheStudy, page: ThePage, access: TheAccess, language: TheLanguage) -> str:
    """The study beside earlier ones of the same patient."""
    if summary.spec is None:
        raise RequestInvalid(
            "study_unknown",
            "This study has no result to compare.",
            "The worklist says why it was not measured.",
        )
    studies = compared_studies(page, summary)
    access.shows(study.summary.record.job.study_uid for study in studies)
    names = names_of(studies)
    meanings = {name: next(s.summary.meaning(name) for s in studies if name in s.values) for name in names}
    return render("compare.html", language, page=page, studies=studies, names=names, meanings=meanings)


@pages.get("/studies/{job_id}/report.pdf", response_class=FileResponse)
@shows(Audited(Act.SEEN))
def report(summary: TheStudy, page: ThePage) -> FileResponse:
    """The report, of what was signed or rejected where something was."""
    folder = _folder_of_decision(page, summary.job_id)
    if folder is None and summary.record.outcome.result:
        folder = (page.results_folder / summary.record.outcome.result).parent
    if folder is None or summary.state is JobState.WITHHELD or not (folder / REPORT_NAME).is_file():
        raise RequestInvalid("report_missing", "There is no report of this study here.", "See the archive.")
    return FileResponse(folder / REPORT_NAME, media_type="application/pdf", content_disposition_type="inline")


def _folder_of_decision(page: Page, job_id: str) -> Path | None:
    """Where the newest decision that has been written left its files."""
    for decision in reversed(page.decisions.of_job(job_id)):
        outcome = page.ledger.reading_outcome(decision.reading.reading_id)
        if outcome is not None and outcome.objects:
            return (page.results_folder / outcome.objects[0].path).parent
    return None


@pages.get("/agreement")
@shows(Audited(Act.LISTED))
def agreement_page(
    page: ThePage, session: Admin, access: TheAccess, language: TheLanguage, since: date | None = None
) -> str:
    """How readers and models agree."""
    decisions = [d for d in page.decisions.all() if since is None or d.reading.signed_at.date() >= since]
    records = shadow_records(page.results_folder)
    listed = [d.reading.job.study_uid for d in decisions] + [record.study_uid for record in records]
    access.shows(dict.fromkeys(listed))
    return render(
        "agreement.html",
        language,
        page=page,
        session=session,
        found=[
            (headline, agreement(of_it, headline.name), against_readers(records, of_it, headline.name))
            for headline, of_it in by_headline(decisions).items()
        ],
        shadows=compared(records),
        intervals=coverage(decisions),
        scanners=page.scanners(),
        since=since,
    )


@pages.get("/languages/{language}", response_class=Response)
@shows(NoPatientData("the words of the page's scripts, the same for every reader"))
def words(language: str) -> Response:
    """What the page's scripts say, in a language; their address changes with them, so browsers keep them."""
    if language not in LANGUAGES:
        raise RequestInvalid(
            "address_unknown", "There is no page at this address.", "The worklist leads to every study."
        )
    kept = {"Cache-Control": "private, max-age=31536000, immutable"}
    return Response(words_of_scripts(language), media_type="application/json", headers=kept)
