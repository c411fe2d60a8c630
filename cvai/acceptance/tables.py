"""The tables of an acceptance test, as the terminal and the PDF report show them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cvai.acceptance.judge import AnalysisResult, Criterion, GroupResult, NumberResult, Outcome
from cvai.domain.shares import Share
from cvai.training.evaluation.agreement import Agreement
from cvai.training.evaluation.bootstrap import Estimate

NONE = "–"


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of text.

    Args:
        title: what it shows.
        header: of each column; the first names the rows.
        rows: as many cells as the header has.
        widths: of the columns, as shares of the whole.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[float, ...]


NUMBER_COLUMNS = ("n", "bias", "limits", "MAE", "in the interval")
NUMBER_WIDTHS = (0.04, 0.165, 0.125, 0.05, 0.165)


def tables(result: AnalysisResult) -> Iterator[Table]:
    """Every table of an analysis, the most important first."""
    yield Table(
        "Bounds, all studies",
        ("what", "statistic", "bound", "outcome"),
        tuple(_bound_rows(result.all)),
        (0.25, 0.25, 0.25, 0.25),
    )
    yield Table(
        "Numbers, all studies",
        ("number", *NUMBER_COLUMNS),
        tuple((_named(name, number), *_cells(number)) for name, number in result.all.numbers.items()),
        (0.25, *NUMBER_WIDTHS),
    )
    yield Table(
        "Studies without numbers that can be used",
        ("code", "studies"),
        (
            ("all", _share(result.all.refused)),
            *((code, str(n)) for code, n in result.all.refusals.items()),
        ),
        (0.5, 0.5),
    )
    if result.all.findings:
        yield Table(
            "Findings",
            ("code", "studies"),
            tuple((code, str(n)) for code, n in result.all.findings.items()),
            (0.5, 0.5),
        )
    for grouping, groups in result.groups.items():
        yield Table(
            f"By {grouping}",
            (grouping, "number", *NUMBER_COLUMNS, "bounds"),
            tuple(row for name, group in groups.items() for row in _group_rows(name, group)),
            (0.285, 0.08, *NUMBER_WIDTHS, 0.09),
        )


def _bound_rows(group: GroupResult) -> Iterator[tuple[str, ...]]:
    for name, criteria in (("studies", group.criteria), *((n, r.criteria) for n, r in group.numbers.items())):
        yield from ((name, c.statistic, f"{c.bound:g}", str(c.outcome)) for c in criteria)


def _group_rows(name: str, group: GroupResult) -> Iterator[tuple[str, ...]]:
    title = f"{name}: {group.n}"
    if group.refused.count:
        title += f", {group.refused.count} without"
    measured = {number: result for number, result in group.numbers.items() if result.n}
    for number, result in measured.items():
        judged = "small" if group.is_small else _worst(result.criteria)
        yield (title, number, *_cells(result), judged)
    if not measured:
        yield (title, NONE, "0", *[NONE] * len(NUMBER_COLUMNS))


def _named(name: str, number: NumberResult) -> str:
    return f"{name}, {number.unit}" if number.unit else name


def _cells(number: NumberResult) -> tuple[str, ...]:
    found = number.agreement
    if found is None:
        return (str(number.n), NONE, NONE, NONE, _share(number.coverage))
    return (
        str(number.n),
        _estimate(found.bias),
        _limits(found),
        NONE if found.mae.value is None else f"{found.mae.value:.1f}",
        _share(number.coverage),
    )


def _limits(found: Agreement) -> str:
    low, high = found.limit_low.value, found.limit_high.value
    return NONE if low is None or high is None else f"{low:+.1f} to {high:+.1f}"


def _estimate(estimate: Estimate) -> str:
    if estimate.value is None:
        return NONE
    if estimate.interval is None:
        return f"{estimate.value:+.1f}"
    low, high = estimate.interval
    return f"{estimate.value:+.1f} ({low:+.1f} to {high:+.1f})"


def _share(share: Share) -> str:
    if share.value is None or share.interval is None:
        return NONE
    low, high = (round(100 * bound) for bound in share.interval)
    return f"{share.count}/{share.of} ({low} to {high} %)"


def _worst(criteria: tuple[Criterion, ...]) -> str:
    found = {criterion.outcome for criterion in criteria}
    order = (Outcome.MISSED, Outcome.UNDECIDED, Outcome.MET)
    return next((str(outcome) for outcome in order if outcome in found), NONE)
