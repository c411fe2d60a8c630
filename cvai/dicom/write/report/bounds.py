"""What stands beside a value in a report: its interval, its normal range, and where that is from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from cvai.domain.measurement import IntervalOrigin, Measurement, Normality, RangeSource, bounds_text
from cvai.domain.message import Message, joined, say
from cvai.domain.subject import Subject

MARKS: Mapping[Normality, str] = MappingProxyType({Normality.LOW: "▼", Normality.HIGH: "▲"})
"""Beside values outside their normal range: a reader who sees no colour sees the direction."""


def value_bounds(measurement: Measurement, decimals: int) -> list[str]:
    """Interval and normal range of a value, as far as they are known.

    >>> value_bounds(Measurement("lv_ef", 56.0, "%", interval=(51.0, 60.0), normal=(52.0, 72.0)), 0)
    ['51–60', 'N 52–72']
    """
    named = {"": measurement.interval, "N ": measurement.normal}
    return [
        f"{name}{bounds_text(bounds, f'.{decimals}f')}"
        for name, bounds in named.items()
        if bounds is not None
    ]


def interval_note(measurements: Iterable[Measurement]) -> Message:
    """Whose errors the intervals were learnt from; empty where no interval was learnt from errors.

    >>> from cvai.domain.measurement import OF_MODEL
    >>> interval_note([Measurement("lv_ef", 56.0, "%", (51.0, 60.0), interval_from=OF_MODEL)])
    '90 % intervals: of the model.'
    """
    learnt = [m for m in measurements if m.interval_from is not None]
    origins = {m.name: m.interval_from for m in learnt if m.interval_from is not None}
    of_site = {name: origin for name, origin in origins.items() if origin.is_of_site}
    if not of_site:
        return say("90 % intervals: of the model.") if origins else joined("", ())
    days = ", ".join(sorted({str(origin.on) for origin in of_site.values()}))
    stated = say(
        "from {studies} studies of this site ({days})", studies=_studies(of_site.values()), days=days
    )
    if len(of_site) == len(origins):
        return say("90 % intervals: {stated}.", stated=stated)
    names = ", ".join(name.replace("_", " ").upper() for name in of_site if not name.endswith("_index"))
    return say(
        "90 % intervals: {stated} for {names}; of the model for the others.", stated=stated, names=names
    )


def _studies(origins: Iterable[IntervalOrigin]) -> Message:
    numbers = {origin.studies or 0 for origin in origins}
    low, high = min(numbers), max(numbers)
    return joined("", [low]) if low == high else say("{low} to {high}", low=low, high=high)


def normal_note(measurements: Iterable[Measurement], subject: Subject) -> Message:
    """Where the normal ranges are from, or why there are none."""
    measurements = tuple(measurements)
    sources = {m.normal_source: None for m in measurements if m.normal_source is not None}
    if sources:
        return joined(" ", (_source_note(source) for source in sources))
    if any(m.normal is not None for m in measurements):
        return joined("", ())
    return say("No normal ranges: {reason}.", reason=_reason_for_no_range(subject))


def _source_note(source: RangeSource) -> Message:
    caveat = joined("", (" ", source.caveat)) if source.caveat else ""
    return say(
        "Normal: {population}; {citation}, doi:{doi}.{caveat}",
        population=source.population,
        citation=source.citation,
        doi=source.doi,
        caveat=caveat,
    )


def _reason_for_no_range(subject: Subject) -> Message:
    if subject.sex is None or subject.age_years is None:
        return say("no usable sex and age are stated")
    return say("none is known for this sex and age")
