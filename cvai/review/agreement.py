"""How readers and the model agree: what was accepted, changed and rejected, and by how much values moved."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from cvai.analyses.page import Headline
from cvai.analyses.registry import ANALYSES
from cvai.jobs.reading import Verdict
from cvai.jobs.shadow import ShadowRecord
from cvai.languages import msgid
from cvai.review.decisions import Decision

LIMITS_OF_AGREEMENT = 1.96
"""Standard deviations to either side of the bias (Bland and Altman, Lancet 1986;327:307)."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A value of the model and the one a reader has signed."""

    model: float
    signed: float
    verdict: Verdict

    @property
    def mean(self) -> float:
        """Where the pair stands on the plot's axis."""
        return (self.model + self.signed) / 2

    @property
    def difference(self) -> float:
        """How far the model was above the reader."""
        return self.model - self.signed


@dataclass(frozen=True, slots=True)
class Agreement:
    """Decisions of one group.

    Args:
        name: of the group, such as a model's version.
        verdicts: how many there are of each.
        pairs: main measurements of what was accepted or changed.
    """

    name: str
    verdicts: Counter[Verdict]
    pairs: tuple[Pair, ...]

    @property
    def total(self) -> int:
        """How many decisions there are."""
        return self.verdicts.total()

    @property
    def bias(self) -> float | None:
        """Mean difference, model minus reader; None without a pair."""
        return fmean(pair.difference for pair in self.pairs) if self.pairs else None

    @property
    def limits(self) -> tuple[float, float] | None:
        """Limits of agreement around the bias; None with fewer than two pairs."""
        if len(self.pairs) < 2:
            return None
        middle = fmean(pair.difference for pair in self.pairs)
        spread = LIMITS_OF_AGREEMENT * stdev(pair.difference for pair in self.pairs)
        return middle - spread, middle + spread


@dataclass(frozen=True, slots=True)
class AgreementTables:
    """All decisions, and the same by what may explain a disagreement."""

    everything: Agreement
    by_model: tuple[Agreement, ...]
    by_scanner: tuple[Agreement, ...]
    by_finding: tuple[Agreement, ...]


def by_headline(decisions: Iterable[Decision]) -> dict[Headline, list[Decision]]:
    """Decisions by the main measurement of their analysis; those of analyses that have none are left out."""
    groups: defaultdict[Headline, list[Decision]] = defaultdict(list)
    for decision in decisions:
        if decision.spec is not None and decision.spec.headline is not None:
            groups[decision.spec.headline].append(decision)
    in_order = dict.fromkeys(spec.headline for spec in ANALYSES)
    return {
        headline: groups[headline] for headline in in_order if headline is not None and headline in groups
    }


def agreement(decisions: Iterable[Decision], name: str) -> AgreementTables:
    """Tables of the decisions that hold: of several on one analysis, the last; none of what no model drew.

    Args:
        decisions: on analyses that make the same main measurement.
        name: of this measurement.
    """
    of_models = (decision for decision in decisions if not decision.reading.model.is_hand)
    last = {decision.reading.job.job_id: decision for decision in of_models}
    held = tuple(last.values())
    return AgreementTables(
        everything=_group(msgid("all"), held, name),
        by_model=_grouped(held, lambda d: [d.comparison["model"]], name),
        by_scanner=_grouped(held, lambda d: [d.comparison["scanner"] or msgid("not stated")], name),
        by_finding=_grouped(held, lambda d: d.comparison["findings"] or [msgid("no finding")], name),
    )


def against_readers(
    records: Iterable[ShadowRecord], decisions: Iterable[Decision], name: str
) -> tuple[Agreement, ...]:
    """Each model in shadow beside the one readers saw, on the studies they signed and both have measured."""
    last = {decision.reading.job.job_id: decision for decision in decisions}
    pairs: defaultdict[tuple[str, str], list[tuple[Decision, float]]] = defaultdict(list)
    for record in records:
        value, decision = record.shadow_value(name), last.get(record.job_id)
        if value is not None and decision is not None and name in decision.comparison["measured"]:
            pairs[record.model, record.against].append((decision, value))
    return tuple(found for names in sorted(pairs) for found in _side_by_side(*names, pairs[names], name))


def _side_by_side(
    shadow: str, seen: str, both: Sequence[tuple[Decision, float]], name: str
) -> Iterator[Agreement]:
    decisions = [decision for decision, _ in both]
    yield _group(f"{seen}, as seen", decisions, name)
    signed = [float(d.comparison["measured"][name][1]) for d in decisions]
    pairs = [Pair(value, truth, d.reading.verdict) for (d, value), truth in zip(both, signed, strict=True)]
    yield Agreement(f"{shadow}, in shadow", Counter(d.reading.verdict for d in decisions), tuple(pairs))


def _grouped(
    decisions: Iterable[Decision], groups_of: Callable[[Decision], Iterable[str]], name: str
) -> tuple[Agreement, ...]:
    groups: defaultdict[str, list[Decision]] = defaultdict(list)
    for decision in decisions:
        for group in groups_of(decision):
            groups[group].append(decision)
    return tuple(_group(group, groups[group], name) for group in sorted(groups))


def _group(group: str, decisions: Sequence[Decision], name: str) -> Agreement:
    pairs = [
        Pair(float(model), float(signed), d.reading.verdict)
        for d in decisions
        if name in d.comparison["measured"]
        for model, signed in [d.comparison["measured"][name]]
    ]
    return Agreement(group, Counter(d.reading.verdict for d in decisions), tuple(pairs))
