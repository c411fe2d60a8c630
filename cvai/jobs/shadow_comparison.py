"""Agreement of a shadow model with the delivered results, by measurement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from cvai.analyses.registry import ANALYSES
from cvai.jobs.shadow import ShadowRecord

COMPARED = tuple(dict.fromkeys(name for spec in ANALYSES for name in spec.compared))
"""Measurements that are compared, of all analyses."""


@dataclass(frozen=True, slots=True)
class Differences:
    """Statistics of shadow minus result for one measurement, over studies that both have measured.

    Args:
        name: of the measurement.
        unit: UCUM code.
        n: studies.
        bias: mean difference.
        sd: standard deviation of the differences, None with fewer than two.
        largest: the difference of largest magnitude, with its sign.
    """

    name: str
    unit: str
    n: int
    bias: float
    sd: float | None
    largest: float


@dataclass(frozen=True, slots=True)
class ShadowComparison:
    """Comparison of a shadow model with the delivering one.

    Args:
        model: name and version of the shadow model.
        against: name and version of the delivering model.
        n: studies it was given.
        refused: how many of them it refused.
        differences: by measurement.
    """

    model: str
    against: str
    n: int
    refused: int
    differences: tuple[Differences, ...]


def compared(records: Iterable[ShadowRecord]) -> tuple[ShadowComparison, ...]:
    """A comparison for every pair of models; of several records of a study, the last counts."""
    groups: defaultdict[tuple[str, str], dict[str, ShadowRecord]] = defaultdict(dict)
    for record in records:
        groups[record.model, record.against][record.study_uid] = record
    return tuple(_comparison(*pair, list(groups[pair].values())) for pair in sorted(groups))


def _comparison(model: str, against: str, records: Sequence[ShadowRecord]) -> ShadowComparison:
    found = (_differences(name, records) for name in COMPARED)
    refused = sum(bool(record.refused) for record in records)
    return ShadowComparison(model, against, len(records), refused, tuple(d for d in found if d is not None))


def _differences(name: str, records: Sequence[ShadowRecord]) -> Differences | None:
    """None where no study has both values."""
    both = [
        (value.unit, value.shadow - value.result)
        for record in records
        for value in record.values
        if value.name == name and value.result is not None and value.shadow is not None
    ]
    if not both:
        return None
    differences = [difference for _, difference in both]
    return Differences(
        name=name,
        unit=both[0][0],
        n=len(both),
        bias=fmean(differences),
        sd=stdev(differences) if len(differences) > 1 else None,
        largest=max(differences, key=abs),
    )
