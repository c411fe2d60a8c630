"""The study page's own requests: numbers, pixels, labels, drafts and decisions."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from cvai.audit.messages import Act
from cvai.dicom.read.header.text import lines
from cvai.dicom.write.report.document import readable_time
from cvai.domain.impression import LONGEST
from cvai.domain.message import translated
from cvai.errors import RequestInvalid
from cvai.languages import translator
from cvai.review.access import Reviewer, SignedIn, ThePage, TheStudy
from cvai.review.audited import Audited, DeclaredRoute, TheAccess, shows
from cvai.review.carried import CarryBody, carried_json
from cvai.review.decisions import Look, LookVerdict
from cvai.review.entered import EntryBody, enter, entry_json, with_entered
from cvai.review.impression import impression_json, write_impression
from cvai.review.language import TheLanguage
from cvai.review.measured import ChangesBody, checked_edits
from cvai.review.page import Json, Page
from cvai.review.series import Wanted, choose_series, open_by_hand, still_png
from cvai.review.study import (
    measured_json,
    new_reading,
    pack_of,
    preview_json,
    prior_json,
    shared_json,
    study_json,
    waiting_text,
)
from cvai.review.summary import Summary
from cvai.review.viewers.cine import CinePack
from cvai.review.viewers.loops import LoopPack

LONGEST_SENT = LONGEST // 2
"""Of an impression: line ends double when it is kept."""

api = APIRouter(prefix="/api/studies/{job_id}", route_class=DeclaredRoute)


class DecisionBody(BaseModel):
    """What a reader decides, and which decision they knew of."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    after: int = Field(ge=0)
    changes: ChangesBody | None
    reason: Annotated[str, Field(max_length=1000)] = ""
    impression: Annotated[str, Field(max_length=LONGEST_SENT)] = ""


class ImpressionBody(BaseModel):
    """What a reader writes as impression, and which statement they knew of; empty for the proposal."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    after: int = Field(ge=0)
    text: Annotated[str, Field(max_length=LONGEST_SENT)]


class SeriesBody(BaseModel):
    """The series, the loop of it with the view that it shows, or the frame that a reader wants measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    series_uid: Annotated[str, Field(max_length=64)]
    sop_instance_uid: Annotated[str, Field(max_length=64)] = ""
    view: Annotated[str, Field(max_length=20)] = ""
    frame: Annotated[int, Field(ge=0)] | None = None


class ByHandBody(BaseModel):
    """Which view each loop shows that a reader wants to draw on; empty where a stack is drawn on."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    views: Annotated[
        dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=20)]], Field(max_length=2)
    ] = {}


class LookBody(BaseModel):
    """What a reader says of an analysis that is not signed here."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    verdict: LookVerdict
    reason: Annotated[str, Field(max_length=1000)] = ""


@api.get("")
@shows(Audited(Act.SEEN))
def study(summary: TheStudy, page: ThePage, session: SignedIn, language: TheLanguage) -> Json:
    """Everything about a study but pixels and labels."""
    page.presence.tell(summary.job_id, session.reader.name)
    summary = with_entered(page, summary)
    told = study_json(page, summary, session.reader, language)
    return {**told, "entry": entry_json(page, summary)}


@api.get("/priors")
@shows(Audited(Act.LISTED))
def priors(summary: TheStudy, page: ThePage, access: TheAccess) -> list[Json]:
    """The main measurement of the same patient over time, oldest first."""
    rows = [row for row in page.worklist.priors(summary) if row.identity.study_date]
    access.shows(row.study_uid for row in rows)
    return [prior_json(row) for row in rows]


@api.get("/shared")
@shows(Audited(Act.SEEN, repeated=True))
def shared(summary: TheStudy, page: ThePage, session: SignedIn, language: TheLanguage) -> Json:
    """What may have changed since; asking tells the others that this reader is here."""
    page.presence.tell(summary.job_id, session.reader.name)
    return shared_json(page, summary.job_id, session.reader, language)


@api.get("/waiting")
@shows(Audited(Act.SEEN, repeated=True))
def waiting(summary: TheStudy, page: ThePage, language: TheLanguage) -> Json:
    """How far the analysis is; without words once it has ended."""
    return {"waiting": translated(waiting_text(page, summary), translator(language))}


@api.get("/pixels/{z}")
@shows(Audited(Act.SEEN))
def pixels(summary: TheStudy, z: int, page: ThePage) -> Response:
    """One slice in every phase: (t, y, x) unsigned 16-bit little endian."""
    path = _pack(page, summary).pixels(z)
    if path is None:
        raise RequestInvalid("study_unknown", f"There is no slice {z}.", "Load the study again.")
    return _bytes(path)


@api.get("/crossings/{index}")
@shows(Audited(Act.SEEN))
def crossing(summary: TheStudy, index: int, page: ThePage) -> Response:
    """A cine that cuts through the stack: (t, y, x) unsigned 16-bit little endian."""
    path = _pack(page, summary).crossing(index)
    if path is None:
        raise RequestInvalid("study_unknown", f"There is no such cine {index}.", "Load the study again.")
    return _bytes(path)


@api.get("/labels")
@shows(Audited(Act.SEEN))
def labels(summary: TheStudy, page: ThePage) -> Response:
    """Labels of every frame as run lengths, see ``CinePack.labels``."""
    return _bytes(_pack(page, summary).labels)


@api.get("/loops/{view}/frames/{part}")
@shows(Audited(Act.SEEN))
def loop_frames(summary: TheStudy, view: str, part: int, page: ThePage) -> Response:
    """A part of a loop's frames, cut to the sector and black outside: (t, y, x) bytes."""
    frames = _loops(page, summary).frames(view, part)
    if frames is None:
        raise RequestInvalid("study_unknown", "There are no such frames.", "Load the study again.")
    return Response(frames, media_type="application/octet-stream")


@api.get("/loops/{view}/labels")
@shows(Audited(Act.SEEN))
def loop_labels(summary: TheStudy, view: str, page: ThePage) -> Response:
    """Labels of every frame of a loop as run lengths."""
    drawn = _loops(page, summary).labels(view)
    if drawn is None:
        raise RequestInvalid("study_unknown", "There is no such view.", "Load the study again.")
    return Response(drawn, media_type="application/octet-stream")


@api.get("/measured")
@shows(Audited(Act.SEEN))
def measured(summary: TheStudy, page: ThePage, session: SignedIn, language: TheLanguage) -> Json:
    """Every number as the reader's contours stand."""
    return measured_json(page, with_entered(page, summary), session.reader, language)


@api.put("/draft")
@shows(Audited(Act.CHANGED, repeated=True))
def save_draft(session: Reviewer, summary: TheStudy, changes: ChangesBody, page: ThePage) -> Json:
    """Keep what the reader has changed."""
    if summary.editing is None:
        raise _no_contours()
    checked_edits(changes, pack_of(page, summary), summary.editing)
    saved_s = page.drafts.save(summary.job_id, session.reader.name, changes.model_dump())
    return {"saved": readable_time(datetime.fromtimestamp(saved_s, UTC))}


@api.post("/preview")
@shows(Audited(Act.SEEN, repeated=True))
def preview(
    session: Reviewer, summary: TheStudy, changes: ChangesBody, page: ThePage, language: TheLanguage
) -> Json:
    """What is known at once of frames that a reader is drawing; nothing is kept."""
    del session  # reviewers alone draw
    return preview_json(page, summary, changes, language)


@api.post("/carried")
@shows(Audited(Act.SEEN, repeated=True))
def carry(session: Reviewer, summary: TheStudy, body: CarryBody, page: ThePage) -> Json:
    """Other frames with the correction of one of them; nothing is kept."""
    del session  # reviewers alone draw
    return carried_json(page, summary, body)


@api.delete("/draft")
@shows(Audited(Act.CHANGED))
def discard_draft(session: Reviewer, summary: TheStudy, page: ThePage) -> Json:
    """Forget what the reader has changed."""
    page.drafts.discard(summary.job_id, session.reader.name)
    return {}


@api.put("/impression")
@shows(Audited(Act.CHANGED))
def save_impression(
    session: Reviewer, summary: TheStudy, body: ImpressionBody, page: ThePage, access: TheAccess
) -> Json:
    """Keep what a reader concludes, with who wrote it and when; it is signed with the analysis."""
    if summary.editing is None:
        raise _no_contours()
    access.record()
    write_impression(page, summary, session.reader, body.text, body.after)
    return impression_json(page, summary)


@api.put("/entered")
@shows(Audited(Act.CHANGED))
def save_entry(
    session: Reviewer, summary: TheStudy, body: EntryBody, page: ThePage, access: TheAccess
) -> Json:
    """Keep what a reader enters by hand about the patient; numbers that need it are measured at once."""
    access.record()
    enter(page, summary, session.reader, body)
    return entry_json(page, with_entered(page, summary))


@api.post("/decision")
@shows(Audited(Act.SIGNED))
def decide(
    session: Reviewer,
    summary: TheStudy,
    body: DecisionBody,
    page: ThePage,
    access: TheAccess,
    *,
    language: TheLanguage,
) -> Json:
    """Sign: recorded first, then queued for the archive, so that no crash can lose it."""
    if body.changes is None and not lines(body.reason).strip():
        raise RequestInvalid("reason_missing", "A rejection needs a reason.", "Say what is wrong.")
    reading, comparison = new_reading(
        page,
        with_entered(page, summary),
        session.reader,
        body.changes,
        reason=body.reason,
        impression=body.impression,
        language=language,
    )
    access.record()
    decision = page.decisions.add(session.reader.name, reading, comparison, body.after)
    page.ledger.queue_reading(reading)
    page.decisions.mark_queued(decision)
    return shared_json(page, summary.job_id, session.reader, language)


@api.post("/series")
@shows(Audited(Act.CHANGED))
def measure_series(
    session: Reviewer, summary: TheStudy, body: SeriesBody, page: ThePage, access: TheAccess
) -> Json:
    """Have another series, loop or frame of the study measured in a new job."""
    access.record()
    wanted = Wanted(body.series_uid, body.sop_instance_uid, body.view, body.frame)
    return {"job_id": choose_series(page, summary, session.reader, wanted)}


@api.post("/by-hand")
@shows(Audited(Act.CHANGED))
def by_hand(
    session: Reviewer, summary: TheStudy, page: ThePage, access: TheAccess, body: ByHandBody | None = None
) -> Json:
    """Open a refused study to be drawn on, in a new job."""
    access.record()
    views = {} if body is None else body.views
    return {"job_id": open_by_hand(page, summary, session.reader, views)}


@api.get("/left-out/{uid}")
@shows(Audited(Act.SEEN))
def left_out(summary: TheStudy, uid: str, page: ThePage) -> Response:
    """A small picture of a series or loop that was not measured, a loop cut to its sector: PNG."""
    return Response(still_png(page, summary, uid), media_type="image/png")


@api.post("/look")
@shows(Audited(Act.CHANGED))
def look(session: Reviewer, summary: TheStudy, body: LookBody, page: ThePage, access: TheAccess) -> Json:
    """Say that an analysis that cannot be signed was looked at, or is dismissed: it is read then."""
    if not summary.is_looked_at or summary.ended_ms is None:
        raise RequestInvalid(
            "not_to_be_looked_at",
            "This study is signed, or has not been analysed yet.",
            "Load the page again.",
        )
    reason = lines(body.reason).strip()
    if body.verdict is LookVerdict.DISMISSED and not reason:
        raise RequestInvalid("reason_missing", "A dismissal needs a reason.", "Say what is wrong.")
    access.record()
    said = Look(session.reader.name, body.verdict, reason, datetime.now(UTC).replace(microsecond=0))
    page.decisions.add_look(summary.job_id, summary.ended_ms, said)
    return {}


def _bytes(path: Path) -> Response:
    """A file in one piece: a few megabytes, which in the small chunks of a file response take far longer."""
    return Response(path.read_bytes(), media_type="application/octet-stream")


def _pack(page: Page, summary: Summary) -> CinePack:
    if not summary.has_stack:
        raise _no_contours()
    return page.cines.open(summary.record)


def _loops(page: Page, summary: Summary) -> LoopPack:
    if not summary.has_loops:
        raise RequestInvalid("study_unknown", "This study has no loops.", "Its numbers can be read.")
    return page.cines.open_loops(summary.record)


def _no_contours() -> RequestInvalid:
    return RequestInvalid("study_unknown", "This study has no contours.", "Its numbers can be read.")
