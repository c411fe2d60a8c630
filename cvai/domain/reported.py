"""What other reports of a study state about the same heart, compared with what was measured here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cvai.domain.findings import Finding, Severity
from cvai.domain.measurement import Measurement
from cvai.domain.message import linked, say, term

MEAN, BEST_VALUE = "mean", "best value"
"""Derivations that stand for several values."""


@dataclass(frozen=True, slots=True)
class Method:
    """How a quantity was measured; empty where it is not stated.

    Args:
        kind: formula or technique, such as ``method of discs``.
        plane: images that it was applied to, such as ``biplane``.
        modality: DICOM modality of these images, such as ``US``.
    """

    kind: str = ""
    plane: str = ""
    modality: str = ""

    def __str__(self) -> str:
        """Kind and plane, to be read.

        >>> str(Method("method of discs", "biplane", "US"))
        'method of discs, biplane'
        """
        return ", ".join(filter(None, (self.kind, self.plane)))

    def may_be(self, other: Method) -> bool:
        """Whether nothing that both state differs.

        >>> Method(modality="US").may_be(Method("3D")), Method("3D").may_be(Method("cube"))
        (True, False)
        """
        pairs = ((self.kind, other.kind), (self.plane, other.plane), (self.modality, other.modality))
        return all(not a or not b or a == b for a, b in pairs)

    def completed_by(self, other: Method) -> Method:
        """This method, with what the other one states and this one does not."""
        return Method(self.kind or other.kind, self.plane or other.plane, self.modality or other.modality)


@dataclass(frozen=True, slots=True)
class ReportSource:
    """A structured report of a study that cvai has not written.

    Args:
        series_uid: SeriesInstanceUID.
        sop_instance_uid: SOPInstanceUID.
        title: meaning of its document title.
        maker: manufacturer and model of what wrote it; empty where it is not stated.
        verified: whether a person has signed it.
    """

    series_uid: str
    sop_instance_uid: str
    title: str
    maker: str
    verified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedValue:
    """One number that a report states.

    Args:
        name: of the quantity; that of the measurement in result.json where cvai measures it too.
        title: the same in words.
        value: in ``unit``.
        unit: UCUM code.
        stated: value and unit as the report has them.
        code: scheme, value and meaning of the concept as the report has it.
        method: how it was measured.
        view: image view, in words; empty where it is not stated.
        mode: image mode, in words; empty where it is not stated.
        phase: point of the cardiac cycle, in words; empty where it is not stated.
        derivation: how it stands for several values, such as ``mean``; empty where it is not stated.
        selected: whether the report marks it as the one of several to be used.
        source: the report.
        one_of: values that the report has of this quantity by this method, none of which it prefers.
    """

    name: str
    title: str
    value: float
    unit: str
    stated: tuple[float, str]
    code: tuple[str, str, str]
    source: ReportSource
    method: Method = Method()
    view: str = ""
    mode: str = ""
    phase: str = ""
    derivation: str = ""
    selected: bool = False
    one_of: int = 1

    @property
    def number(self) -> str:
        """Value and unit, to be read."""
        return f"{self.value:.4g} {self.unit.replace('mm[Hg]', 'mmHg')}"

    @property
    def how(self) -> str:
        """Method, view and mode, to be read."""
        return ", ".join(filter(None, (str(self.method), self.view, self.mode, self.derivation)))


def preferred(values: Iterable[ReportedValue]) -> tuple[ReportedValue, ...]:
    """Of each report, quantity and method the value that stands for the others, in their order.

    That is what the report selects, else its mean or best value. Where it prefers none, all different ones
    are kept, and counted in ``one_of``.
    """
    groups: dict[tuple[object, ...], list[ReportedValue]] = {}
    for value in values:
        groups.setdefault((value.source, value.name, value.method, value.view, value.mode), []).append(value)
    return tuple(chosen for group in groups.values() for chosen in _chosen(group))


def _chosen(group: Sequence[ReportedValue]) -> list[ReportedValue]:
    by_rank = (
        [v for v in group if v.selected],
        [v for v in group if v.derivation in (MEAN, BEST_VALUE)],
        group,
    )
    different = {v.value: v for v in next(filter(None, by_rank))}
    return [replace(v, one_of=len(different)) for v in different.values()]


def compared_with(
    value: ReportedValue, measurements: Iterable[Measurement], methods: Mapping[str, Method]
) -> Measurement | None:
    """The measurement that is of the same quantity by the same method; None where there is none.

    Args:
        value: of a report.
        measurements: what was measured here.
        methods: of the measurements, by name.
    """
    same = (m for m in measurements if m.name == value.name)
    return next((m for m in same if methods[m.name].may_be(value.method)), None)


def disagreements(
    values: Iterable[ReportedValue], measurements: Sequence[Measurement], methods: Mapping[str, Method]
) -> tuple[Finding, ...]:
    """A finding for every measurement whose interval holds none of a report's values of it."""
    groups: dict[tuple[ReportSource, str], list[ReportedValue]] = {}
    for value in values:
        if compared_with(value, measurements, methods) is not None:
            groups.setdefault((value.source, value.name), []).append(value)
    measured = {m.name: m for m in measurements}
    return tuple(
        _disagreement(group, measured[name])
        for (_, name), group in groups.items()
        if not any(_is_inside(value, measured[name]) for value in group)
    )


def _is_inside(value: ReportedValue, measurement: Measurement) -> bool:
    """Whether an interval holds a value; what has no interval contradicts nothing."""
    if measurement.interval is None:
        return True
    low, high = measurement.interval
    return low <= value.value <= high


def _disagreement(values: Sequence[ReportedValue], ours: Measurement) -> Finding:
    low, high = ours.interval or (ours.value, ours.value)
    stated = linked(say("{value:.4g}", value=value.value) for value in values)
    how = say(" ({how})", how=values[0].how) if values[0].how else say(" (method not stated)")
    message = say(
        "Another report of the study states {quantity} as {stated} {unit}{how}; {measured:.4g} "
        "{unit} was measured here, with an interval of {low:.4g} to {high:.4g}.",
        quantity=term(values[0].title),
        stated=stated,
        unit=ours.unit,
        how=how,
        measured=ours.value,
        low=low,
        high=high,
    )
    return Finding("report_disagrees", Severity.WARNING, message)
