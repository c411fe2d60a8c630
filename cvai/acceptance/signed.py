"""Cases of what readers have signed on the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from cvai.acceptance.cases import Case, Cases, ComparedNumber
from cvai.dicom.read.acquired import Acquired
from cvai.jobs.job import JobState
from cvai.jobs.ledger import JobRecord, Ledger
from cvai.jobs.reading import Verdict
from cvai.jobs.result_file import read_result
from cvai.review.decisions import Decision

RefusedJob = tuple[JobRecord, Acquired | None]
"""A job that was refused, and how its images were acquired, as far as that is on record."""

REJECTED = "rejected_by_reader"
"""In place of the code of a refusal: the reader found no number that can be used."""

ANCHORED = (
    "Readers began with the contours of the model, so that agreement and coverage are better than with "
    "contours drawn from nothing. Accepted as they were: {unchanged} of {signed}."
)


def signed_cases(
    decisions: Iterable[Decision], refused: Sequence[RefusedJob], kind: str, since: date | None = None
) -> Cases:
    """The decisions that hold on one analysis, of the model that was signed last, and what it refused.

    What no model drew is no case of one.

    Args:
        decisions: oldest first.
        refused: jobs that were refused and that no newer job replaces, see ``refused_jobs``.
        kind: of the analysis.
        since: leaves out what was signed, or queued, before this day.
    """
    last = {
        d.reading.job.job_id: d
        for d in decisions
        if d.spec is not None
        and d.spec.kind == kind
        and not d.reading.model.is_hand
        and (since is None or d.reading.signed_at.date() >= since)
    }
    if not last:
        return Cases(kind, "", (), ("No study of this analysis was signed.",))
    newest = list(last.values())[-1].reading.model
    held = [d for d in last.values() if d.reading.model.sha256 == newest.sha256]
    unchanged = sum(d.reading.verdict is Verdict.ACCEPTED for d in held)
    notes = [ANCHORED.format(unchanged=unchanged, signed=len(held))]
    if others := len(last) - len(held):
        notes.append(f"Studies signed on results of other models, which are left out: {others}.")
    refusals = [
        Case(record.job.study_uid, acquired, record.outcome.code)
        for record, acquired in refused
        if (record.job.kind, record.job.model_sha256) == (kind, newest.sha256)
        and (since is None or record.queued_at.date() >= since)
    ]
    cases = (*map(_case, held), *refusals)
    return Cases(kind, f"{newest.name} {newest.version}", cases, tuple(notes))


def refused_jobs(ledger: Ledger, results_folder: Path) -> Iterator[RefusedJob]:
    """Refused jobs that are the newest of their study and analysis, with what result.json says of the images.

    Args:
        ledger: of the service.
        results_folder: where its results lie.
    """
    for record in ledger.jobs(JobState.REFUSED):
        if any(newest.job == record.job for newest in ledger.of_study(record.job.study_uid)):
            stated = read_result(results_folder / record.outcome.result) if record.outcome.result else {}
            yield record, _stated(stated.get("acquired"))


def _case(decision: Decision) -> Case:
    comparison = decision.comparison
    intervals, units, factors = (comparison.get(name, {}) for name in ("intervals", "units", "factors"))
    return Case(
        decision.reading.job.study_uid,
        _acquired(decision),
        REJECTED if decision.reading.verdict is Verdict.REJECTED else "",
        tuple(dict.fromkeys(comparison["findings"])),
        {
            name: ComparedNumber(
                measured,
                signed,
                units.get(name, ""),
                _interval(intervals.get(name)),
                factors.get(name, 1.0),
            )
            for name, (measured, signed) in comparison["measured"].items()
        },
    )


def _interval(stated: Sequence[float] | None) -> tuple[float, float] | None:
    return None if stated is None else (stated[0], stated[1])


def _acquired(decision: Decision) -> Acquired:
    """As recorded when it was signed; older versions recorded the scanner alone."""
    stated = _stated(decision.comparison.get("acquired"))
    return stated or Acquired(manufacturer=decision.comparison["scanner"])


def _stated(values: Mapping[str, Any] | None) -> Acquired | None:
    return None if values is None else Acquired(**values)
