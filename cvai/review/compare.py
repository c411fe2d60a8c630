"""A study beside earlier ones of the same patient: values, and how they differ from one study to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cvai.domain.change import Change, change_between
from cvai.domain.measurement import Measurement
from cvai.jobs.reading import Verdict
from cvai.review.listing import Row
from cvai.review.page import Page
from cvai.review.summary import Summary

MOST_STUDIES = 4
"""Side by side on one page."""


@dataclass(frozen=True)
class Compared:
    """One study of the comparison.

    Args:
        summary: of the analysis.
        values: by name, of what readers and models are compared by; signed values where there are any, with
            the interval that the model's value had.
        changes: by name, since the study before it of the same modality; empty in the first.
        state: what was decided, as the worklist words it.
    """

    summary: Summary
    values: Mapping[str, Measurement]
    changes: Mapping[str, Change]
    state: str


def compared_studies(page: Page, summary: Summary) -> tuple[Compared, ...]:
    """The study and those of the same patient that were read before it, the oldest first."""
    rows = [row for row in page.worklist.priors(summary) if row.identity.study_date]
    earlier = [row for row in rows if row.job_id != summary.job_id and _is_before(row, summary)]
    shown = [page.worklist.study(row.job_id) for row in earlier[1 - MOST_STUDIES :]]
    states = {row.job_id: str(row.state) for row in rows}
    made: list[Compared] = []
    for study in (*shown, summary):
        values = _values(page, study)
        state = states.get(study.job_id, "")
        made.append(Compared(study, values, _changes(made, study, values), state))
    return tuple(made)


def names_of(studies: Sequence[Compared]) -> tuple[str, ...]:
    """Names of all measurements that a study of the comparison has, in the order of the last one."""
    return tuple(dict.fromkeys(name for study in reversed(studies) for name in study.values))


def _is_before(row: Row, summary: Summary) -> bool:
    return row.identity.study_date <= (summary.identity.study_date or row.identity.study_date)


def _values(page: Page, summary: Summary) -> dict[str, Measurement]:
    compared = () if summary.spec is None else summary.spec.compared
    found = {name: summary.measurements[name] for name in compared if name in summary.measurements}
    decisions = page.decisions.of_job(summary.job_id)
    if not decisions or decisions[-1].reading.verdict is Verdict.REJECTED:
        return found
    signed, units = (decisions[-1].comparison.get(name, {}) for name in ("measured", "units"))
    if summary.is_by_hand:
        return {name: Measurement(name, value, units[name]) for name, (_, value) in signed.items()}
    return {
        name: _signed(value, signed[name][1]) if name in signed else value for name, value in found.items()
    }


def _signed(measurement: Measurement, value: float) -> Measurement:
    """The signed value, with an interval as wide as that of the model around it."""
    interval = measurement.interval
    shift = value - measurement.value
    moved = None if interval is None else (interval[0] + shift, interval[1] + shift)
    return replace(measurement, value=value, interval=moved)


def _changes(
    before: Sequence[Compared], summary: Summary, values: Mapping[str, Measurement]
) -> dict[str, Change]:
    """Differences from the last study before that was made by the same modality."""
    same = [study for study in before if _modality(study.summary) == _modality(summary)]
    if not same:
        return {}
    last = same[-1].values
    return {name: change_between(last[name], value) for name, value in values.items() if name in last}


def _modality(summary: Summary) -> str:
    return "" if summary.spec is None else summary.spec.modality
