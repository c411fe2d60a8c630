"""Another series, loop or frame, measured since a reader chose it; or a refused study, read by hand."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from PIL import Image

from cvai.analyses.registry import ANALYSES
from cvai.analyses.spec import Choosable
from cvai.domain.series_choice import SeriesChoice
from cvai.errors import RequestInvalid
from cvai.jobs.ledger import JobRecord
from cvai.review.page import Page
from cvai.review.sign_in.accounts import Reader
from cvai.review.summary import Summary

STILL_PX = 160
"""Longer side of the picture of a loop."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader wants measured.

    Args:
        series_uid: SeriesInstanceUID.
        loop_uid: SOPInstanceUID where a single loop is wanted, or a frame of a run; else empty.
        view: that the reader states the loop to show; empty where the model tells.
        frame: 0-based, of the run; None where no single frame is wanted.
    """

    series_uid: str
    loop_uid: str = ""
    view: str = ""
    frame: int | None = None


@dataclass(frozen=True, slots=True)
class SeriesOffer:
    """What the page shows of the images that were left out.

    Args:
        series_uids: of whole series that a reader may have measured.
        loops: entries of ``excluded`` whose loop a reader may have measured.
        drawable: entries whose loop a reader may draw on, where the study is one to be read by hand.
        views: titles of the views of loops.
        stated: titles of views that a reader may state, by view.
        frames: how many frames there are to choose from, by the UIDs of a run and its series.
        chosen: jobs of what was chosen before, newest first, but the one that is shown.
    """

    series_uids: frozenset[str] = frozenset()
    loops: Sequence[Mapping[str, Any]] = ()
    drawable: Sequence[Mapping[str, Any]] = ()
    views: Mapping[str, str] = field(default_factory=dict)
    stated: Mapping[str, str] = field(default_factory=dict)
    frames: Mapping[tuple[str, str], int] = field(default_factory=dict)
    chosen: Sequence[JobRecord] = ()

    @property
    def loop_uids(self) -> frozenset[str]:
        """SOPInstanceUIDs of the loops that may be measured."""
        return _loop_uids(self.loops)

    @property
    def seen_uids(self) -> frozenset[str]:
        """What may be looked at before it is chosen."""
        return self.series_uids | self.loop_uids | _loop_uids(self.drawable)

    def has(self, wanted: Wanted) -> bool:
        """Whether it may be measured."""
        if wanted.frame is not None:
            n_frames = self.frames.get((wanted.series_uid, wanted.loop_uid), 0)
            return wanted.frame < n_frames and not wanted.view
        if not wanted.loop_uid:
            return wanted.series_uid in self.series_uids and not wanted.view
        return wanted.loop_uid in self.loop_uids and (not wanted.view or wanted.view in self.stated)


def series_offer(page: Page, summary: Summary) -> SeriesOffer:
    """What may be chosen instead, and what became of that which was."""
    choosable = _choosable(summary)
    if choosable is None or summary.record.ended_at is None:
        return SeriesOffer()
    left_out = summary.result.get("excluded") or []
    chosen = [r for r in page.ledger.choices(summary.record.job) if r.job != summary.record.job]
    if choosable.what == "frame":
        return SeriesOffer(frames=_frames(page, summary), chosen=chosen)
    if choosable.what == "loop":
        views = next(spec.views for spec in ANALYSES if spec.kind == summary.kind)
        loops = [left for left in left_out if left.get("loop")]
        return SeriesOffer(
            loops=[left for left in loops if not left["loop"].get("refused")],
            drawable=loops if _is_to_be_drawn(summary, choosable) else (),
            views=views,
            stated=choosable.views,
            chosen=chosen,
        )
    others = {left["series_uid"] for left in left_out} - {summary.result.get("series_uid")}
    return SeriesOffer(frozenset(others), chosen=chosen)


def _frames(page: Page, summary: Summary) -> Mapping[tuple[str, str], int]:
    """How many frames each measured run has, by the UIDs of its series and its own."""
    loops = page.cines.open(summary.record).meta["loops"] if summary.has_loops else ()
    return {(source[0], source[1]): loop["n_phases"] for loop in loops if (source := loop.get("chosen_from"))}


def choose_series(page: Page, summary: Summary, reader: Reader, wanted: Wanted) -> str:
    """Queue a job that measures something else; returns its id. The result there is stays until that has one.

    Args:
        page: of the service.
        summary: of the analysis.
        reader: who chooses.
        wanted: what.

    Raises:
        RequestInvalid: ``series_not_offered``.
    """
    if not series_offer(page, summary).has(wanted):
        raise RequestInvalid(
            "series_not_offered",
            "This series cannot be measured instead.",
            "Load the page again; it lists the series that can.",
        )
    uid, frame, before = wanted.loop_uid, wanted.frame, summary.record.job.choice
    choice = SeriesChoice(
        wanted.series_uid,
        reader.person_name,
        datetime.now(UTC).replace(microsecond=0),
        loops=(uid,) if uid and frame is None else (),
        views=((uid, wanted.view),) if wanted.view else (),
        frames=() if frame is None else ((uid, frame),),
        by_hand="" if frame is None or before is None else before.by_hand,
    )
    return page.ledger.choose(summary.record.job, choice.after(before)).job_id


def may_be_read_by_hand(summary: Summary, offer: SeriesOffer) -> bool:
    """Whether the study was refused, and its images can be drawn on; of one that is drawn on, more loops."""
    choosable = _choosable(summary)
    if choosable is None or not _is_to_be_drawn(summary, choosable):
        return False
    return bool(offer.drawable) if choosable.what == "loop" else not summary.record.job.is_read_by_hand


def _is_to_be_drawn(summary: Summary, choosable: Choosable) -> bool:
    return summary.record.job.is_read_by_hand or summary.record.outcome.code in choosable.by_hand


def open_by_hand(page: Page, summary: Summary, reader: Reader, views: Mapping[str, str]) -> str:
    """Queue a job that opens a refused study for readers to draw on; returns its id.

    Args:
        page: of the service.
        summary: of the analysis.
        reader: who draws.
        views: that they state, by SOPInstanceUID of a loop; empty where a stack is drawn on. Loops stated
            before stay for their views.

    Raises:
        RequestInvalid: ``not_read_by_hand``, ``views_not_stated``.
    """
    offer = series_offer(page, summary)
    if not may_be_read_by_hand(summary, offer):
        raise RequestInvalid(
            "not_read_by_hand",
            "This study cannot be drawn on here.",
            "It may be measured already; or its images do not form what is measured.",
        )
    series = {left["loop"]["sop_instance_uid"]: left["series_uid"] for left in offer.drawable}
    known, stated = set(views) <= set(series), list(views.values())
    if not known or len(set(stated)) < len(stated) or not set(stated) <= set(offer.stated):
        raise _views_not_stated()
    if offer.drawable and not views:
        raise _views_not_stated()
    before = summary.record.job.choice
    choice = SeriesChoice(
        series_uid=next((series[uid] for uid in views), "" if before is None else before.series_uid),
        by=reader.person_name,
        at=datetime.now(UTC).replace(microsecond=0),
        loops=tuple(views),
        views=tuple(views.items()),
        by_hand=summary.record.outcome.code or (before.by_hand if before is not None else ""),
    )
    return page.ledger.choose(summary.record.job, choice.after(before)).job_id


def _views_not_stated() -> RequestInvalid:
    return RequestInvalid(
        "views_not_stated",
        "It is not stated which loop shows which view.",
        "State the view of one loop, or of two that show different views.",
    )


def still_png(page: Page, summary: Summary, uid: str) -> bytes:
    """A small picture of a series or loop that was left out.

    Raises:
        RequestInvalid: ``series_not_offered``.
        Refused: it shows none.
    """
    choosable, offer = _choosable(summary), series_offer(page, summary)
    if choosable is None or choosable.still is None or uid not in offer.seen_uids:
        raise RequestInvalid("series_not_offered", "There is no such series.", "Load the page again.")
    still = Image.fromarray(choosable.still(page.cines.study(summary.record), uid))
    still.thumbnail((STILL_PX, STILL_PX))
    png = io.BytesIO()
    still.save(png, "PNG")
    return png.getvalue()


def _loop_uids(left_out: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(left["loop"]["sop_instance_uid"] for left in left_out)


def _choosable(summary: Summary) -> Choosable | None:
    return next((spec.choosable for spec in ANALYSES if spec.kind == summary.kind), None)
