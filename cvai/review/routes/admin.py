"""What administrators do on the page: readers and their tokens, the queue, and the worklist as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi import Path as PathParameter
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from cvai.audit.messages import Act, AuditEvent
from cvai.errors import RequestInvalid
from cvai.jobs.job import JobState
from cvai.jobs.ledger import JobRecord
from cvai.review.access import Admin, ThePage, TheStudy
from cvai.review.audited import Audited, DeclaredRoute, NoPatientData, TheAccess, address_of, shows
from cvai.review.language import TheLanguage
from cvai.review.page import Json, Page
from cvai.review.sign_in.accounts import Role, Session
from cvai.review.uploads import Uploads
from cvai.review.wording import render

SHOWN_JOBS = 100
UPLOAD = shows(NoPatientData("what is uploaded is not shown; studies are recorded when they are stored"))
READERS_ONLY = shows(NoPatientData("readers and their roles; no study is named"))

admin_routes = APIRouter(route_class=DeclaredRoute)


class ReaderBody(BaseModel):
    """A reader to be added."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
    person: Annotated[str, Field(pattern=r"^[^\x00-\x1f\\=]{1,64}$")]
    role: Role


@dataclass(frozen=True, slots=True)
class Piece:
    """Where a piece of an upload belongs: file ``number``, after ``offset`` bytes."""

    upload: str
    number: Annotated[int, PathParameter(ge=0)]
    offset: Annotated[int, Query(ge=0)] = 0


@admin_routes.get("/admin", response_class=HTMLResponse)
@shows(Audited(Act.LISTED))
def admin_page(page: ThePage, session: Admin, access: TheAccess, language: TheLanguage) -> str:
    """Readers with their last sign-in, and the newest jobs with their steps."""
    jobs = page.ledger.jobs(limit=SHOWN_JOBS)
    access.shows(record.job.study_uid for record in jobs)
    return render(
        "admin.html",
        language,
        page=page,
        session=session,
        readers=page.accounts.with_last_sign_in(),
        jobs=[(record, _step(page, record)) for record in jobs],
        roles=list(Role),
    )


def _step(page: Page, record: JobRecord) -> str:
    return page.worklist.step(record.job.job_id) if record.outcome.state is JobState.RUNNING else ""


@admin_routes.post("/api/admin/readers")
@READERS_ONLY
def add_reader(page: ThePage, session: Admin, body: ReaderBody, request: Request) -> Json:
    """Let somebody in; their token is shown this once."""
    _record(page, session, request, f"{body.name} is added as {body.role}")
    return {"name": body.name, "token": page.accounts.add(body.name, body.role, body.person.strip())}


@admin_routes.post("/api/admin/readers/{name}/token")
@READERS_ONLY
def new_token(page: ThePage, session: Admin, name: str, request: Request) -> Json:
    """Give a reader a new token; the former one and their sessions end."""
    _require_known(page, name)
    _record(page, session, request, f"{name} is given a new token")
    return {"name": name, "token": page.accounts.renew(name)}


@admin_routes.delete("/api/admin/readers/{name}")
@READERS_ONLY
def remove_reader(page: ThePage, session: Admin, name: str, request: Request) -> Json:
    """Let somebody in no more."""
    if name == session.reader.name:
        raise RequestInvalid(
            "reader_is_yourself", "You cannot remove yourself.", "Ask another administrator to do it."
        )
    _require_known(page, name)
    _record(page, session, request, f"{name} is removed")
    page.accounts.remove(name)
    return {}


def _require_known(page: Page, name: str) -> None:
    """Names that are here can be written into the audit trail."""
    if name not in {reader.name for reader in page.accounts.all()}:
        raise RequestInvalid("reader_unknown", "There is no such reader.", "Load the page again.")


def _record(page: Page, session: Session, request: Request, what: str) -> None:
    page.record(
        AuditEvent(Act.READERS_CHANGED, session.reader.name, address=address_of(request), detail=what)
    )


@admin_routes.post("/api/admin/jobs/{job_id}/retry")
@shows(Audited(Act.CHANGED))
def retry(page: ThePage, session: Admin, summary: TheStudy, access: TheAccess) -> Json:
    """Have a job that has ended done again from its first step."""
    del session
    if summary.record.ended_at is None:
        raise RequestInvalid("job_not_ended", "This job has not ended yet.", "Wait for its end.")
    access.record()
    return {"queued": _ids(page.ledger.retry(summary.job_id))}


def _ids(records: Iterable[JobRecord]) -> list[str]:
    return [record.job.job_id for record in records]


@admin_routes.post("/api/admin/uploads")
@UPLOAD
def begin_upload(page: ThePage, session: Admin) -> Json:
    """Begin an upload into the inbox."""
    del session
    return {"upload": _uploads(page).begin()}


@admin_routes.put("/api/admin/uploads/{upload}/files/{number}")
@UPLOAD
async def upload_piece(
    page: ThePage, session: Admin, piece: Annotated[Piece, Depends()], request: Request
) -> Json:
    """Add a piece to a file of an upload."""
    del session
    content = await request.body()
    await run_in_threadpool(_uploads(page).append, piece.upload, piece.number, piece.offset, content)
    return {}


@admin_routes.post("/api/admin/uploads/{upload}/deliver")
@UPLOAD
def deliver_upload(page: ThePage, session: Admin, upload: str, request: Request) -> Json:
    """Hand an upload to the inbox."""
    uploads = _uploads(page)
    uploads.require(upload)
    who, address = session.reader.name, address_of(request)
    page.record(AuditEvent(Act.UPLOADED, who, address=address, detail=f"upload-{upload}"))
    delivered = uploads.deliver(upload)
    return {"files": delivered.n_files, "bytes": delivered.n_bytes}


@admin_routes.delete("/api/admin/uploads/{upload}")
@UPLOAD
def discard_upload(page: ThePage, session: Admin, upload: str) -> Json:
    """Remove what has arrived of an upload."""
    del session
    _uploads(page).discard(upload)
    return {}


def _uploads(page: Page) -> Uploads:
    if page.uploads is None:
        raise RequestInvalid(
            "upload_not_here", "This service has no inbox.", "Send studies to the archive that it watches."
        )
    return page.uploads
