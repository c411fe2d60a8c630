"""The study page's own requests: numbers, pixels, labels, drafts and decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from cvai.engine.audit import Act, AuditEvent
from cvai.errors import RequestInvalid
from cvai.review.access import SIGNED_IN, Reviewer, SignedIn, ThePage
from cvai.review.cine import CinePack
from cvai.review.loops import LoopPack
from cvai.review.measured import ChangesBody, checked_edits
from cvai.review.page import Json, Page
from cvai.review.study import new_reading, prior_json, shared_json, study_json, wall_shown
from cvai.review.summary import Summary
from cvai.review.wording import render

api = APIRouter(prefix="/api/studies/{job_id}")


class DecisionBody(BaseModel):
    """What a reader decides, and which decision they knew of."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    after: int = Field(ge=0)
    changes: ChangesBody | None
    reason: Annotated[str, Field(max_length=1000)] = ""


@api.get("")
def study(job_id: str, page: ThePage, session: SignedIn) -> Json:
    """Everything about a study but pixels and labels."""
    summary = page.worklist.study(job_id)
    page.presence.tell(job_id, session.reader.name)
    return study_json(page, summary, session.reader)


@api.get("/priors", dependencies=[SIGNED_IN])
def priors(job_id: str, page: ThePage) -> list[Json]:
    """Ejection fractions of the same patient, oldest first."""
    summary = page.worklist.study(job_id)
    rows = page.worklist.priors(summary, page.worklist.rows())
    return [prior_json(row) for row in rows if row.summary.identity.study_date]


@api.get("/shared")
def shared(job_id: str, page: ThePage, session: SignedIn) -> Json:
    """What may have changed since; asking tells the others that this reader is here."""
    page.worklist.study(job_id)
    page.presence.tell(job_id, session.reader.name)
    return shared_json(page, job_id, session.reader)


@api.get("/pixels/{z}", dependencies=[SIGNED_IN])
def pixels(job_id: str, z: int, page: ThePage) -> Response:
    """One slice in every phase: (t, y, x) unsigned 16-bit little endian."""
    path = _pack(page, job_id).pixels(z)
    if path is None:
        raise RequestInvalid("study_unknown", f"There is no slice {z}.", "Load the study again.")
    return _bytes(path)


@api.get("/labels", dependencies=[SIGNED_IN])
def labels(job_id: str, page: ThePage) -> Response:
    """Labels of every frame as run lengths, see ``CinePack.labels``."""
    return _bytes(_pack(page, job_id).labels)


@api.get("/loops/{view}/frames/{part}", dependencies=[SIGNED_IN])
def loop_frames(job_id: str, view: str, part: int, page: ThePage) -> Response:
    """A part of a loop's frames, cut to the sector and black outside: (t, y, x) bytes."""
    frames = _loops(page, job_id).frames(view, part)
    if frames is None:
        raise RequestInvalid("study_unknown", "There are no such frames.", "Load the study again.")
    return Response(frames, media_type="application/octet-stream")


@api.get("/loops/{view}/labels", dependencies=[SIGNED_IN])
def loop_labels(job_id: str, view: str, page: ThePage) -> Response:
    """Labels of every frame of a loop as run lengths."""
    path = _loops(page, job_id).labels(view)
    if path is None:
        raise RequestInvalid("study_unknown", "There is no such view.", "Load the study again.")
    return _bytes(path)


@api.get("/wall", response_class=HTMLResponse)
def wall(job_id: str, page: ThePage, session: SignedIn) -> str:
    """The bullseyes as the reader's contours stand."""
    summary = page.worklist.study(job_id)
    if not summary.has_contours:
        raise _no_contours()
    shown, of_reader = wall_shown(page, summary, session.reader)
    return render("wall.html", wall=shown, of_reader=of_reader)


@api.put("/draft")
def save_draft(job_id: str, changes: ChangesBody, page: ThePage, session: Reviewer) -> Json:
    """Keep what the reader has changed."""
    pack = _pack(page, job_id)
    checked_edits(changes, pack.read_labels())
    saved_s = page.drafts.save(job_id, session.reader.name, changes.model_dump())
    return {"saved_s": saved_s}


@api.delete("/draft")
def discard_draft(job_id: str, page: ThePage, session: Reviewer) -> Json:
    """Forget what the reader has changed."""
    page.drafts.discard(job_id, session.reader.name)
    return {}


@api.post("/decision")
def decide(job_id: str, body: DecisionBody, request: Request, page: ThePage, session: Reviewer) -> Json:
    """Sign: recorded first, then queued for the archive, so that no crash can lose it."""
    summary = page.worklist.study(job_id)
    if body.changes is None and not body.reason.strip():
        raise RequestInvalid("reason_missing", "A rejection needs a reason.", "Say what is wrong.")
    reading, comparison = new_reading(page, summary, session.reader, body.changes, body.reason)
    page.record(_signed(summary, session.reader.name, request))
    decision = page.decisions.add(session.reader.name, reading, comparison, body.after)
    page.ledger.queue_reading(reading)
    page.decisions.mark_queued(decision)
    return shared_json(page, job_id, session.reader)


def _bytes(path: Path) -> Response:
    """A file in one piece: a few megabytes, which in the small chunks of a file response take far longer."""
    return Response(path.read_bytes(), media_type="application/octet-stream")


def _pack(page: Page, job_id: str) -> CinePack:
    summary = page.worklist.study(job_id)
    if not summary.has_contours:
        raise _no_contours()
    return page.cines.open(summary.record)


def _loops(page: Page, job_id: str) -> LoopPack:
    summary = page.worklist.study(job_id)
    if not summary.has_loops:
        raise RequestInvalid("study_unknown", "This study has no loops.", "Its numbers can be read.")
    return page.cines.open_loops(summary.record)


def _no_contours() -> RequestInvalid:
    return RequestInvalid("study_unknown", "This study has no contours.", "Its numbers can be read.")


def _signed(summary: Summary, reader: str, request: Request) -> AuditEvent:
    address = request.client.host if request.client else ""
    return AuditEvent(Act.SIGNED, reader, summary.record.job.study_uid, address=address)
