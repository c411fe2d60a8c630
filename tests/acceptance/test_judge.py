"""What decides: statistics of known differences beside bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cvai.acceptance.groups import NOT_STATED
from cvai.acceptance.judge import Criterion, Outcome, judged
from tests.acceptance.made import SITE, bounds, case, cases, differing, refused

AROUND_ONE = [-1.0, 0.0, 1.0, 2.0, 3.0] * 6
"""Bias 1, largest 3."""


def test_statistics_are_those_of_the_differences() -> None:
    found = judged(cases(*differing(AROUND_ONE)), bounds()).all.numbers["lv_ef"]
    assert found.agreement is not None
    assert (found.n, found.unit) == (30, "%")
    assert found.agreement.bias.value == pytest.approx(1.0)
    assert found.agreement.mae.value == pytest.approx(1.4)
    assert found.agreement.limit_high.value == pytest.approx(1 + 1.96 * found.agreement.sd.value)
    assert (found.coverage.count, found.coverage.of) == (30, 30)


@pytest.mark.parametrize(
    ("statistic", "met", "missed", "undecided"),
    [("bias", 2.0, 0.3, 1.0), ("limits", 5.0, 1.0, 3.8), ("mae", 2.0, 0.8, 1.4)],
)
def test_a_bound_is_met_missed_or_undecided_by_the_whole_interval(
    statistic: str, met: float, missed: float, undecided: float
) -> None:
    made = cases(*differing(AROUND_ONE))
    for bound, outcome in ((met, Outcome.MET), (missed, Outcome.MISSED), (undecided, Outcome.UNDECIDED)):
        found = judged(made, bounds(**{statistic: bound}))
        assert found.all.numbers["lv_ef"].criteria == (Criterion(statistic, bound, outcome),)
        assert found.outcome is outcome


def test_a_bias_below_zero_counts_as_much_as_one_above() -> None:
    made = cases(*differing([-difference for difference in AROUND_ONE]))
    assert judged(made, bounds(bias=0.3)).outcome is Outcome.MISSED


def test_coverage_is_that_of_studies_with_an_interval() -> None:
    outside = [case(n, 8.0) for n in range(10)]
    inside = [case(n, 4.0) for n in range(10, 100)]
    without = [case(n, 4.0, half_width=None) for n in range(100, 110)]
    found = judged(cases(*outside, *inside, *without), bounds(coverage=0.8)).all.numbers["lv_ef"]
    assert (found.n, found.coverage.count, found.coverage.of) == (110, 90, 100)
    assert found.criteria == (Criterion("coverage", 0.8, Outcome.MET),)
    few = judged(cases(*outside, *inside[:20]), bounds(coverage=0.95)).all.numbers["lv_ef"]
    assert few.criteria == (Criterion("coverage", 0.95, Outcome.MISSED),)


def test_refusals_count_by_code_and_are_judged() -> None:
    made = cases(*differing(AROUND_ONE), *(refused(100 + n, "slice_missing") for n in range(9)))
    made = replace(made, cases=(*made.cases, refused(200, "rejected_by_reader")))
    found = judged(made, bounds(refused=0.05))
    assert found.all.refusals == {"slice_missing": 9, "rejected_by_reader": 1}
    assert (found.all.refused.count, found.all.refused.of) == (10, 40)
    assert found.outcome is Outcome.MISSED
    assert judged(made, bounds(refused=0.5)).outcome is Outcome.MET


def test_too_few_studies_are_undecided() -> None:
    assert judged(cases(*differing(AROUND_ONE[:15])), bounds(bias=5.0)).outcome is Outcome.UNDECIDED
    assert judged(cases(), bounds(bias=5.0)).outcome is Outcome.UNDECIDED
    assert judged(cases(refused(1, "slice_missing")), bounds(bias=5.0, refused=0.9)).outcome is (
        Outcome.UNDECIDED
    )


def test_nothing_to_be_judged_is_not_accepted() -> None:
    assert judged(cases(*differing(AROUND_ONE)), bounds()).outcome is Outcome.UNDECIDED


def test_a_group_that_misses_a_bound_is_enough_and_a_small_one_is_only_reported() -> None:
    low = replace(SITE, field_strength_t=1.494, sex="M")
    high = differing(AROUND_ONE * 3)
    worse = differing([9.0, 10.0, 11.0, 9.5, 10.5], low, first=100)
    small = judged(cases(*high, *worse), bounds(bias=4.0))
    assert small.outcome is Outcome.MET
    group = small.groups["field strength"]["1.5 T"]
    assert (group.n, group.is_small, group.numbers["lv_ef"].criteria) == (5, True, ())
    assert group.numbers["lv_ef"].agreement is not None
    assert group.numbers["lv_ef"].agreement.bias.interval is not None
    large = judged(cases(*high, *worse), bounds(bias=4.0, smallest_group=5))
    assert large.all.numbers["lv_ef"].criteria[0].outcome is Outcome.MET
    assert large.groups["sex"]["M"].numbers["lv_ef"].criteria[0].outcome is Outcome.MISSED
    assert large.outcome is Outcome.MISSED


def test_studies_are_grouped_by_what_they_state() -> None:
    made = cases(case(1, 0.0), case(2, 1.0, acquired=None), case(3, 2.0, findings=("rough_contour",)))
    found = judged(made, bounds())
    assert {grouping: list(groups) for grouping, groups in found.groups.items()} == {
        "scanner": ["Imaginary Ring 3", NOT_STATED],
        "field strength": ["3 T", NOT_STATED],
        "sex": ["F", NOT_STATED],
        "age": ["40 to 64", NOT_STATED],
    }
    assert found.all.findings == {"rough_contour": 1}
