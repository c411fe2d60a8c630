"""An acceptance test as JSON, with every study that was compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from cvai import __version__
from cvai.acceptance.bounds import Bounds
from cvai.acceptance.cases import Case, Cases
from cvai.acceptance.judge import AnalysisResult, GroupResult, NumberResult, Outcome, judged, overall
from cvai.domain.shares import Share

SCHEMA = "cvai.acceptance/1"

VERDICTS: Mapping[Outcome, str] = MappingProxyType(
    {Outcome.MET: "accepted", Outcome.MISSED: "not accepted", Outcome.UNDECIDED: "undecided"}
)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An acceptance test.

    Args:
        at: when, with its time zone.
        reference: where the site's values come from.
        bounds: as set.
        bounds_sha256: of their file.
        cases: of each analysis.
        results: of each analysis, in the same order.
    """

    at: datetime
    reference: str
    bounds: Bounds
    bounds_sha256: str
    cases: tuple[Cases, ...]
    results: tuple[AnalysisResult, ...]

    @property
    def outcome(self) -> Outcome:
        """Of all analyses together."""
        return overall(result.outcome for result in self.results)

    def to_json(self) -> dict[str, Any]:
        """As JSON values; docs/howto/acceptance.md says what they mean."""
        return {
            "schema": SCHEMA,
            "at": self.at.isoformat(),
            "cvai_version": __version__,
            "verdict": VERDICTS[self.outcome],
            "reference": self.reference,
            "bounds_sha256": self.bounds_sha256,
            "bounds": self.bounds.model_dump(mode="json", exclude_none=True),
            "analyses": [_analysis(r, c.cases) for r, c in zip(self.results, self.cases, strict=True)],
        }


def accepted_or_not(
    cases: Sequence[Cases], bounds: Bounds, *, bounds_sha256: str, reference: str, at: datetime
) -> Acceptance:
    """Judge the cases of every analysis."""
    results = tuple(judged(each, bounds) for each in cases)
    return Acceptance(at, reference, bounds, bounds_sha256, tuple(cases), results)


def _analysis(result: AnalysisResult, cases: Sequence[Case]) -> dict[str, Any]:
    return {
        "kind": result.kind,
        "model": result.model,
        "verdict": VERDICTS[result.outcome],
        "notes": list(result.notes),
        "all": _group(result.all),
        "groups": {
            grouping: {name: _group(group) for name, group in found.items()}
            for grouping, found in result.groups.items()
        },
        "studies": [asdict(case) for case in cases],
    }


def _group(group: GroupResult) -> dict[str, Any]:
    return {
        "n": group.n,
        "judged": not group.is_small,
        "refused": _share(group.refused),
        "refusals": dict(group.refusals),
        "findings": dict(group.findings),
        "criteria": [asdict(criterion) for criterion in group.criteria],
        "numbers": {name: _number(number) for name, number in group.numbers.items()},
    }


def _number(number: NumberResult) -> dict[str, Any]:
    return {
        "n": number.n,
        "unit": number.unit,
        "agreement": None if number.agreement is None else asdict(number.agreement),
        "coverage": _share(number.coverage),
        "criteria": [asdict(criterion) for criterion in number.criteria],
    }


def _share(share: Share) -> dict[str, Any]:
    return {**asdict(share), "share": share.value, "interval": share.interval}
