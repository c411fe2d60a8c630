"""Statistics of cases, and what they are beside the bounds.

A statistic meets its bound where its whole 95 % interval does, misses it where the whole interval lies
beyond, and is undecided otherwise: more studies are needed. The same holds for the numbers of a group that is
not too small to be judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cvai.acceptance.bounds import AnalysisBounds, Bounds, NumberBounds
from cvai.acceptance.cases import Case, Cases, ComparedNumber
from cvai.acceptance.groups import GROUPINGS, grouped
from cvai.domain.shares import Share
from cvai.training.evaluation.agreement import Agreement, Pairs, agreement

Interval = tuple[float, float]


class Outcome(StrEnum):
    """What a statistic is beside its bound, and a test as a whole."""

    MET = "met"
    MISSED = "missed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Criterion:
    """A bound that was set beforehand, and whether it is met.

    Args:
        statistic: ``bias``, ``limits``, ``mae``, ``coverage`` or ``refused``.
        bound: as set.
        outcome: of the comparison.
    """

    statistic: str
    bound: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class NumberResult:
    """One number in a group of studies.

    Args:
        n: studies in which cvai and the site have it.
        unit: UCUM; empty where none is known.
        agreement: cvai minus the site; None without a study.
        coverage: of studies with an interval, those whose reference lies within.
        criteria: empty in a group that is too small to be judged.
    """

    n: int
    unit: str
    agreement: Agreement | None
    coverage: Share
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class GroupResult:
    """A group of studies.

    Args:
        n: studies.
        is_small: too small to be judged.
        refused: of all studies, those without numbers that can be used.
        refusals: their number by code.
        findings: number of studies by code.
        numbers: by name.
        criteria: of the analysis as a whole.
    """

    n: int
    is_small: bool
    refused: Share
    refusals: Mapping[str, int]
    findings: Mapping[str, int]
    numbers: Mapping[str, NumberResult]
    criteria: tuple[Criterion, ...]

    @property
    def outcomes(self) -> Iterator[Outcome]:
        """Of all its criteria."""
        for criterion in self.criteria:
            yield criterion.outcome
        for number in self.numbers.values():
            yield from (criterion.outcome for criterion in number.criteria)


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """One analysis.

    Args:
        kind: of the analysis.
        model: name and version.
        notes: see ``Cases``.
        all: all studies.
        groups: by grouping, then by group.
        outcome: missed where a bound is, of all studies or of a group that is judged; met where all studies
            together meet every bound; undecided otherwise.
    """

    kind: str
    model: str
    notes: tuple[str, ...]
    all: GroupResult
    groups: Mapping[str, Mapping[str, GroupResult]]
    outcome: Outcome


def judged(cases: Cases, bounds: Bounds) -> AnalysisResult:
    """Compare the cases of an analysis with its bounds."""
    limits = bounds.analyses[cases.kind]
    everything = _group(cases.cases, limits, fewest=bounds.fewest_studies)
    groups = {
        grouping: {
            name: _group(members, limits, fewest=bounds.smallest_group, smallest=bounds.smallest_group)
            for name, members in grouped(cases.cases, grouping).items()
        }
        for grouping in GROUPINGS
    }
    of_groups = (o for found in groups.values() for group in found.values() for o in group.outcomes)
    outcome = overall(everything.outcomes)
    if Outcome.MISSED in of_groups:
        outcome = Outcome.MISSED
    return AnalysisResult(cases.kind, cases.model, cases.notes, everything, groups, outcome)


def overall(outcomes: Iterator[Outcome]) -> Outcome:
    """Missed where one is, met where all are; nothing to be judged is undecided."""
    found = set(outcomes)
    if Outcome.MISSED in found:
        return Outcome.MISSED
    return Outcome.MET if found == {Outcome.MET} else Outcome.UNDECIDED


def _group(cases: Sequence[Case], bounds: AnalysisBounds, fewest: int, smallest: int = 0) -> GroupResult:
    refused = [case for case in cases if case.refused]
    measured = [case for case in cases if not case.refused]
    share = Share(len(refused), len(cases))
    is_small = len(cases) < smallest
    reported = dict.fromkeys([*bounds.numbers, *(name for case in measured for name in case.numbers)])
    return GroupResult(
        n=len(cases),
        is_small=is_small,
        refused=share,
        refusals=_counted(case.refused for case in refused),
        findings=_counted(code for case in measured for code in case.findings),
        numbers={
            name: _number(measured, name, bounds.numbers.get(name, NumberBounds()), fewest, is_small=is_small)
            for name in reported
        },
        criteria=() if is_small else _refusal_criteria(share, bounds.refused, fewest),
    )


def _counted(codes: Iterator[str]) -> Mapping[str, int]:
    """The most frequent first."""
    return dict(sorted(Counter(codes).items(), key=lambda item: (-item[1], item[0])))


def _number(
    cases: Sequence[Case], name: str, bounds: NumberBounds, fewest: int, *, is_small: bool
) -> NumberResult:
    compared = {case.study_uid: case.numbers[name] for case in cases if name in case.numbers}
    inside = [number.is_inside for number in compared.values() if number.is_inside is not None]
    coverage = Share(sum(inside), len(inside))
    found = agreement(_pairs(compared)) if compared else None
    criteria = () if is_small else _number_criteria(found, coverage, bounds, fewest)
    unit = next((number.unit for number in compared.values()), "")
    return NumberResult(len(compared), unit, found, coverage, tuple(criteria))


def _pairs(compared: Mapping[str, ComparedNumber]) -> Pairs:
    studies = tuple(sorted(compared))
    return Pairs(
        studies,
        ("",) * len(studies),
        np.array([compared[study].measured for study in studies]),
        np.array([compared[study].reference for study in studies]),
    )


def _refusal_criteria(share: Share, bound: float | None, fewest: int) -> tuple[Criterion, ...]:
    if bound is None:
        return ()
    enough = share.interval if share.of >= fewest else None
    return (Criterion("refused", bound, _beside(enough, (0.0, bound))),)


def _number_criteria(
    found: Agreement | None, coverage: Share, bounds: NumberBounds, fewest: int
) -> Iterator[Criterion]:
    enough = found if found is not None and found.n >= fewest else None
    if bounds.bias is not None:
        interval = None if enough is None else enough.bias.interval
        yield Criterion("bias", bounds.bias, _beside(interval, (-bounds.bias, bounds.bias)))
    if bounds.limits is not None:
        yield Criterion("limits", bounds.limits, _limits_beside(enough, bounds.limits))
    if bounds.mae is not None:
        interval = None if enough is None else enough.mae.interval
        yield Criterion("mae", bounds.mae, _beside(interval, (0.0, bounds.mae)))
    if bounds.coverage is not None:
        interval = coverage.interval if coverage.of >= fewest else None
        yield Criterion("coverage", bounds.coverage, _beside(interval, (bounds.coverage, 1.0)))


def _limits_beside(found: Agreement | None, bound: float) -> Outcome:
    """Both limits of agreement beside the bound, each with its interval."""
    if found is None:
        return Outcome.UNDECIDED
    within = (-bound, bound)
    return overall(
        _beside(interval, within) for interval in (found.limit_low.interval, found.limit_high.interval)
    )


def _beside(interval: Interval | None, within: Interval) -> Outcome:
    """An interval beside the range that it has to lie in; None where there is too little for one."""
    if interval is None:
        return Outcome.UNDECIDED
    if within[0] <= interval[0] and interval[1] <= within[1]:
        return Outcome.MET
    return Outcome.MISSED if interval[1] < within[0] or interval[0] > within[1] else Outcome.UNDECIDED
