"""Intervals recalibrated on a site's own studies, beside those of the model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import median

from cvai.acceptance.cases import Case, Cases, ComparedNumber
from cvai.acceptance.table import ReferenceTable
from cvai.domain.uncertainty import conformal_half_width
from cvai.models.card import ModelCard
from cvai.models.site_intervals import FEWEST_STUDIES, Held, SiteModel, SiteNumber

Ratios = Sequence[float]
"""Absolute differences over the model's own half-widths, one for each study."""


def site_model(cases: Cases, card: ModelCard, *, independent: bool) -> SiteModel:
    """What the studies of a site say of the intervals of a model.

    Args:
        cases: of the model that the card is of.
        card: of the model; numbers without an interval there are left out.
        independent: whether the reference was made without the model's contours in view. Where it was not,
            agreement is flattered, and intervals are widened only.
    """
    known = None if card.uncertainty is None else card.uncertainty.to_uncertainty()
    compared: dict[str, list[ComparedNumber]] = {}
    for case in cases.cases:
        for name, number in case.numbers.items():
            if known is not None and known.half_width(name, number.measured) and number.interval is not None:
                compared.setdefault(name, []).append(number)
    confidence = 0.0 if known is None else known.confidence
    return SiteModel(
        kind=cases.kind,
        name=card.name,
        version=card.version,
        sha256=card.sha256,
        numbers={
            name: _site_number(numbers, confidence, least_factor=0.0 if independent else 1.0)
            for name, numbers in compared.items()
        },
    )


def with_table(cases: Cases, table: ReferenceTable) -> Cases:
    """The cases that a table names by StudyInstanceUID, with its values in the place of the signed ones."""
    named = [_with_values(case, table.values.get(case.study_uid, {})) for case in cases.cases]
    return replace(cases, cases=tuple(case for case in named if case.numbers))


def _with_values(case: Case, values: Mapping[str, float]) -> Case:
    both = {name: number for name, number in case.numbers.items() if name in values}
    return replace(case, numbers={name: replace(n, reference=values[name]) for name, n in both.items()})


def _site_number(numbers: Sequence[ComparedNumber], confidence: float, least_factor: float) -> SiteNumber:
    halves = [_own_half_width(number) for number in numbers]
    ratios = [_ratio(number, half) for number, half in zip(numbers, halves, strict=True)]

    def factor_of(some: Ratios) -> float:
        return max(least_factor, conformal_half_width(some, confidence))

    own = Held(median_half_width=median(halves), held=sum(ratio <= 1 for ratio in ratios))
    made = SiteNumber(unit=numbers[0].unit, studies=len(numbers), own=own)
    if len(numbers) < FEWEST_STUDIES:
        return made
    # Rounded up: the rank still holds.
    factor = _rounded_up(factor_of(ratios))
    if not 0 < factor < math.inf:
        return made
    held = sum(_held_by_others(ratios, factor_of))
    site = Held(median_half_width=factor * own.median_half_width, held=held)
    return made.model_copy(update={"factor": factor, "site": site})


def _rounded_up(factor: float) -> float:
    return math.ceil(1000 * factor) / 1000 if math.isfinite(factor) else factor


def _held_by_others(ratios: Ratios, factor_of: Callable[[Ratios], float]) -> Iterable[bool]:
    """Whether each study lies within the interval that all others give."""
    for place, ratio in enumerate(ratios):
        yield ratio <= factor_of([*ratios[:place], *ratios[place + 1 :]])


def _own_half_width(number: ComparedNumber) -> float:
    """Of the model: an interval ends where a value becomes impossible, so the longer side is taken."""
    low, high = number.interval or (number.measured, number.measured)
    return max(high - number.measured, number.measured - low) / number.factor


def _ratio(number: ComparedNumber, half: float) -> float:
    difference = abs(number.measured - number.reference)
    if half == 0:
        return math.inf if difference else 0.0
    return difference / half
