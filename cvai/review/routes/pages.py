"""The pages a reader opens: worklist, study, report, agreement."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, HTMLResponse

from cvai.audit.messages import Act
from cvai.dicom.write.write import REPORT_NAME
from cvai.errors import RequestInvalid
from cvai.jobs.shadow import shadow_records
from cvai.jobs.shadow_comparison import compared
from cvai.review.access import Admin, SignedIn, ThePage, TheStudy
from cvai.review.agreement import against_readers, agreement, by_headline
from cvai.review.audited import Access, Audited, DeclaredRoute, TheAccess, shows
from cvai.review.page import Page
from cvai.review.wording import render
from cvai.review.worklist import Filter, Row


def wanted_filter(
    show: Literal["all", "unread", "flagged", "refused", "signed"] = "all",
    model: str = "",
    view: str = "",
    since: str = "",
) -> Filter:
    """What the worklist is asked to show; a form sends empty fields too."""
    try:
        return Filter(show, model, view, date.fromisoformat(since) if since else None)
    except ValueError as error:
        raise RequestInvalid("changes_invalid", "This is not a day.", "Write it as 2026-03-01.") from error


Wanted = Annotated[Filter, Depends(wanted_filter)]

pages = APIRouter(default_response_class=HTMLResponse, route_class=DeclaredRoute)


@pages.get("/")
@shows(Audited(Act.LISTED))
def worklist(page: ThePage, session: SignedIn, wanted: Wanted, access: TheAccess) -> str:
    """Everything there is to read."""
    listed = _listed(page.worklist.rows(), wanted, access)
    return render("worklist.html", page=page, session=session, filter=wanted, **listed)


@pages.get("/worklist")
@shows(Audited(Act.LISTED, repeated=True))
def worklist_rows(page: ThePage, session: SignedIn, wanted: Wanted, access: TheAccess) -> str:
    """The table alone, for a page that stays open."""
    listed = _listed(page.worklist.rows(), wanted, access)
    return render("rows.html", page=page, session=session, filter=wanted, **listed)


def _listed(rows: list[Row], wanted: Filter, access: Access) -> dict[str, object]:
    shown = [row for row in rows if wanted.takes(row)]
    access.shows(row.summary.record.job.study_uid for row in shown)
    return {
        "rows": shown,
        "all_rows": rows,
        "models": sorted({row.summary.model for row in rows} - {""}),
        "views": sorted({row.summary.view for row in rows} - {""}),
        "counts": {
            show: sum(Filter(show).takes(row) for row in rows)
            for show in ("all", "unread", "flagged", "refused", "signed")
        },
    }


@pages.get("/studies/{job_id}")
@shows(Audited(Act.SEEN))
def study(summary: TheStudy, page: ThePage, session: SignedIn) -> str:
    """One analysis of a study; links lead to the others."""
    others = page.worklist.others(summary)
    return render("study.html", page=page, session=session, summary=summary, others=others)


@pages.get("/studies/{job_id}/report.pdf", response_class=FileResponse)
@shows(Audited(Act.SEEN))
def report(summary: TheStudy, page: ThePage) -> FileResponse:
    """The report, of what was signed where something was."""
    path = _report_of(page, summary.job_id) or page.results_folder / summary.record.outcome.result
    path = path.with_name(REPORT_NAME)
    if not summary.record.outcome.result or not path.is_file():
        raise RequestInvalid("report_missing", "There is no report of this study here.", "See the archive.")
    return FileResponse(path, media_type="application/pdf", content_disposition_type="inline")


def _report_of(page: Page, job_id: str) -> Path | None:
    """result.json of the newest signed reading that has been written."""
    for decision in reversed(page.decisions.of_job(job_id)):
        outcome = page.ledger.reading_outcome(decision.reading.reading_id)
        if outcome is not None and outcome.result:
            return page.results_folder / outcome.result
    return None


@pages.get("/agreement")
@shows(Audited(Act.LISTED))
def agreement_page(page: ThePage, session: Admin, access: TheAccess, since: date | None = None) -> str:
    """How readers and models agree."""
    decisions = [d for d in page.decisions.all() if since is None or d.reading.signed_at.date() >= since]
    records = shadow_records(page.results_folder)
    listed = [d.reading.job.study_uid for d in decisions] + [record.study_uid for record in records]
    access.shows(dict.fromkeys(listed))
    return render(
        "agreement.html",
        page=page,
        session=session,
        found=[
            (headline, agreement(of_it, headline.name), against_readers(records, of_it, headline.name))
            for headline, of_it in by_headline(decisions).items()
        ],
        shadows=compared(records),
        since=since,
    )
