"""Another series or loop of a study, measured since a reader chose it; or a refused one, read by hand."""

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
class SeriesOffer:
    """What the page shows of the images that were left out.

    Args:
        series_uids: of whole series that a reader may have measured.
        loops: entries of ``excluded`` whose loop a reader may have measured.
        views: titles of the views of loops.
        stated: titles of views that a reader may state, by view.
        chosen: jobs of what was chosen before, newest first, but the one that is shown.
    """

    series_uids: frozenset[str] = frozenset()
    loops: Sequence[Mapping[str, Any]] = ()
    views: Mapping[str, str] = field(default_factory=dict)
    stated: Mapping[str, str] = field(default_factory=dict)
    chosen: Sequence[JobRecord] = ()

    @property
    def loop_uids(self) -> frozenset[str]:
        """SOPInstanceUIDs of the loops."""
        return frozenset(left["loop"]["sop_instance_uid"] for left in self.loops)

    def has(self, series_uid: str, loop_uid: str, view: str) -> bool:
        """Whether it may be chosen: a series, or a loop with the view that a reader states, if any."""
        if not loop_uid:
            return series_uid in self.series_uids and not view
        return loop_uid in self.loop_uids and (not view or view in self.stated)


def series_offer(page: Page, summary: Summary) -> SeriesOffer:
    """What may be chosen instead, and what became of that which was."""
    choosable = _choosable(summary)
    if choosable is None or summary.record.ended_at is None:
        return SeriesOffer()
    left_out = summary.result.get("excluded") or []
    chosen = [r for r in page.ledger.choices(summary.record.job) if r.job != summary.record.job]
    if choosable.of_loops:
        views = next(spec.views for spec in ANALYSES if spec.kind == summary.kind)
        loops = [left for left in left_out if left.get("loop")]
        return SeriesOffer(loops=loops, views=views, stated=choosable.views, chosen=chosen)
    others = {left["series_uid"] for left in left_out} - {summary.result.get("series_uid")}
    return SeriesOffer(frozenset(others), chosen=chosen)


def choose_series(
    page: Page, summary: Summary, reader: Reader, series_uid: str, loop_uid: str, *, view: str
) -> str:
    """Queue a job that measures something else; returns its id. The result there is stays until that has one.

    Args:
        page: of the service.
        summary: of the analysis.
        reader: who chooses.
        series_uid: SeriesInstanceUID.
        loop_uid: SOPInstanceUID where a single loop is chosen, else empty.
        view: that the reader states the loop to show; empty where the model tells.

    Raises:
        RequestInvalid: ``series_not_offered``.
    """
    if not series_offer(page, summary).has(series_uid, loop_uid, view):
        raise RequestInvalid(
            "series_not_offered",
            "This series cannot be measured instead.",
            "Load the page again; it lists the series that can.",
        )
    at = datetime.now(UTC).replace(microsecond=0)
    loops, views = (loop_uid,) if loop_uid else (), ((loop_uid, view),) if view else ()
    choice = SeriesChoice(series_uid, reader.person_name, at, loops, views).after(summary.record.job.choice)
    return page.ledger.choose(summary.record.job, choice).job_id


def may_be_read_by_hand(summary: Summary) -> bool:
    """Whether the study was refused, and its images can be drawn on."""
    choosable = _choosable(summary)
    return choosable is not None and summary.record.outcome.code in choosable.by_hand


def open_by_hand(page: Page, summary: Summary, reader: Reader) -> str:
    """Queue a job that opens a refused study for readers to draw on; returns its id.

    Raises:
        RequestInvalid: ``not_read_by_hand``.
    """
    if not may_be_read_by_hand(summary):
        raise RequestInvalid(
            "not_read_by_hand",
            "This study cannot be drawn on here.",
            "It may be measured already; or its images do not form what is measured.",
        )
    at, before = datetime.now(UTC).replace(microsecond=0), summary.record.job.choice
    choice = SeriesChoice(
        series_uid="" if before is None else before.series_uid,
        by=reader.person_name,
        at=at,
        by_hand=summary.record.outcome.code,
    )
    return page.ledger.choose(summary.record.job, choice).job_id


def still_png(page: Page, summary: Summary, uid: str) -> bytes:
    """A small picture of a series or loop that was left out.

    Raises:
        RequestInvalid: ``series_not_offered``.
        Refused: it shows none.
    """
    choosable, offer = _choosable(summary), series_offer(page, summary)
    if choosable is None or uid not in offer.series_uids | offer.loop_uids:
        raise RequestInvalid("series_not_offered", "There is no such series.", "Load the page again.")
    still = Image.fromarray(choosable.still(page.cines.reopen(summary.record).study, uid))
    still.thumbnail((STILL_PX, STILL_PX))
    png = io.BytesIO()
    still.save(png, "PNG")
    return png.getvalue()


def _choosable(summary: Summary) -> Choosable | None:
    return next((spec.choosable for spec in ANALYSES if spec.kind == summary.kind), None)
