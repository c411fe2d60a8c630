"""Intervals, warnings, subgroups and comparison with another model: what reports of all tasks share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from matplotlib.figure import Figure

from cvai.training.evaluation.case_grids import (
    comparison_grid,
    coverage_grid,
    flags_grid,
    risk_grid,
    subgroup_grid,
)
from cvai.training.evaluation.coverage import Coverage, Fifth, Risk, coverage_of
from cvai.training.evaluation.gross import Flags, flags_of
from cvai.training.evaluation.paired import Comparison, compared_with
from cvai.training.evaluation.report import Grid, Report
from cvai.training.evaluation.risk_figure import risk_figure
from cvai.training.evaluation.subgroups import Subgroups, subgroups_of

_LEADING_GRIDS = 2
"""Tables of the task's own that come first: what a reader looks for before anything else."""

_DEFINITIONS = (
    ("Difficulty", "half-width of the stated interval: the model's own doubt about a patient."),
    ("p", "of a Wilcoxon signed-rank test over the same patients; not corrected for several comparisons."),
)


@dataclass(frozen=True, slots=True, eq=False)
class Sections:
    """Parts of a report that follow from its patients.

    Args:
        report: the evaluation.
        coverage: of its intervals; without rows where none is stated.
        flags: gross errors beside findings, None where they were not looked for.
        subgroups: by what the data state.
        comparison: with another model, None where none was asked for.
    """

    report: Report
    coverage: Coverage
    flags: Flags | None
    subgroups: Subgroups
    comparison: Comparison | None

    def record(self) -> dict[str, Any]:
        """Keys of evaluation.json."""
        coverage = self.coverage
        return {
            "flags": None if self.flags is None else self.flags.record(),
            "coverage": coverage.held or None,
            "coverage_by_difficulty": _listed(coverage.by_difficulty) or None,
            "risk_coverage": _listed(coverage.risk) or None,
            "subgroups": {
                fact: {value: group.record() for value, group in groups.items()}
                for fact, groups in self.subgroups.items()
            },
            "compared_with": None if self.comparison is None else self.comparison.record(),
            "cases": [asdict(case) for case in self.report.cases],
        }

    def grids(self) -> Iterator[Grid]:
        """Tables that have rows."""
        quantities = self.report.quantities
        if self.comparison is not None:
            yield comparison_grid(self.comparison, quantities)
        if self.flags is not None:
            yield flags_grid(self.flags, quantities)
        if self.coverage.rows:
            yield coverage_grid(self.coverage, quantities)
        if self.coverage.graded:
            yield risk_grid(self.coverage, quantities)
        for fact, groups in self.subgroups.items():
            yield subgroup_grid(fact, groups, quantities)

    def pictures(self) -> dict[str, Figure]:
        """The risk-coverage curve, where intervals differ between patients."""
        figure = risk_figure(self.coverage, self.report.quantities)
        return {} if figure is None else {"risk_coverage": figure}


def with_sections(report: Report, other: Report | None = None) -> Report:
    """The report with all that follows from its patients; as it is where its task states none.

    Args:
        report: of one evaluation.
        other: of another model on the same patients.
    """
    cases, quantities = report.cases, report.quantities
    if not cases:
        return report
    sections = Sections(
        report,
        coverage_of(cases, tuple(quantities)),
        flags_of(cases, quantities),
        subgroups_of(cases, quantities),
        None if other is None else compared_with(cases, other.cases, other.model, tuple(quantities)),
    )

    def pictures() -> Mapping[str, Figure]:
        return {**sections.pictures(), **report.pictures()}

    return replace(
        report,
        record={**report.record, **sections.record()},
        grids=(*report.grids[:_LEADING_GRIDS], *sections.grids(), *report.grids[_LEADING_GRIDS:]),
        definitions=(*report.definitions, *_DEFINITIONS),
        pictures=pictures,
    )


def _listed(by_quantity: Mapping[str, tuple[Fifth, ...] | tuple[Risk, ...]]) -> dict[str, Any]:
    return {name: [asdict(part) for part in parts] for name, parts in by_quantity.items()}
