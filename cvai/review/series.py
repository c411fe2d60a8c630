"""Another series of a study, measured since a reader chose it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cvai.analyses.registry import ANALYSES
from cvai.domain.series_choice import SeriesChoice
from cvai.errors import RequestInvalid
from cvai.jobs.ledger import JobRecord
from cvai.review.page import Page
from cvai.review.sign_in.accounts import Reader
from cvai.review.summary import Summary


@dataclass(frozen=True, slots=True)
class SeriesOffer:
    """What the page shows of the series that were left out.

    Args:
        series_uids: that a reader may have measured.
        chosen: jobs of series that were chosen before, newest first, but the one that is shown.
    """

    series_uids: frozenset[str]
    chosen: Sequence[JobRecord]


def series_offer(page: Page, summary: Summary) -> SeriesOffer:
    """The series that may be chosen instead, and what became of those that were."""
    if not _takes_choice(summary) or summary.record.ended_at is None:
        return SeriesOffer(frozenset(), ())
    left_out = {left["series_uid"] for left in summary.result.get("excluded") or []}
    chosen = [r for r in page.ledger.choices(summary.record.job) if r.job != summary.record.job]
    return SeriesOffer(frozenset(left_out - {summary.result.get("series_uid")}), chosen)


def choose_series(page: Page, summary: Summary, reader: Reader, series_uid: str) -> str:
    """Queue a job that measures another series; returns its id. The result there is stays until that has one.

    Raises:
        RequestInvalid: ``series_not_offered``.
    """
    if series_uid not in series_offer(page, summary).series_uids:
        raise RequestInvalid(
            "series_not_offered",
            "This series cannot be measured instead.",
            "Load the page again; it lists the series that can.",
        )
    choice = SeriesChoice(series_uid, reader.person_name, datetime.now(UTC).replace(microsecond=0))
    return page.ledger.choose(summary.record.job, choice).job_id


def _takes_choice(summary: Summary) -> bool:
    return any(spec.kind == summary.kind and spec.takes_choice for spec in ANALYSES)
