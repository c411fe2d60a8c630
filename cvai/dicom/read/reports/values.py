"""From the content tree of one structured report to the values that it states.

A value is taken where its code, unit, finding site, phase and method fit together. It is left out where they
do not, where it is of another person, study or stage of a stress examination, or where a modifier that is not
known may change what it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom import Dataset

from cvai.dicom.read.reports import context as said
from cvai.dicom.read.reports.content import CONTAINS, Code, Key, children, name_of, number_of, text_of
from cvai.dicom.read.reports.context import Context, ReportOf
from cvai.dicom.read.reports.quantities import (
    BODY,
    BODY_CODES,
    BODY_SURFACE,
    CODES,
    DERIVATIONS,
    MEASUREMENT_TYPES,
    METHODS,
    OF_A_SITE,
    PLANES,
    QUANTITIES,
    SINGLE_PLANE,
    THREE_D,
    THREE_D_MODE,
    UNITS,
    Quantity,
)
from cvai.domain.message import say
from cvai.domain.reported import Method, ReportedValue, ReportSource

_NOT_READ = frozenset(
    {
        ("DCM", "125303"),  # Adhoc Measurements
        ("DCM", "125310"),  # Staged Measurements
        ("DCM", "111028"),  # Image Library
        ("DCM", "121066"),  # Prior Procedure Descriptions
        ("LN", "55114-3"),  # Prior Procedure Descriptions
    }
)
_NONE: Key = ("", "")

_DECIMALS = 6
"""Of a converted value: 165 cm are 1.65 m."""

_PATIENT_CHARACTERISTICS: Key = ("DCM", "121118")

_MOST_DEEP = 12
"""Levels of containers; templates have six at most."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A value of a known quantity that could not be taken: its title, and why."""

    title: str
    reason: str


def values_of(root: Dataset, source: ReportSource, report: ReportOf) -> Iterator[ReportedValue | LeftOut]:
    """Every value of a known quantity, in the order of the report.

    Args:
        root: the report.
        source: what is said about it.
        report: whose it is.
    """
    of_template = Method(modality=report.modality)
    for item, context, is_body in _numbers(root, Context(), report, _MOST_DEEP, is_body=False):
        name = name_of(item)
        meant = None if name is None else _meaning(name, context, of_template, is_body=is_body)
        if name is None or meant is None or context.key(said.DERIVATION) not in (None, *DERIVATIONS):
            continue
        yield _taken(item, name, context, meant, source)


def _numbers(
    item: Dataset, outer: Context, report: ReportOf, depth: int, *, is_body: bool
) -> Iterator[tuple[Dataset, Context, bool]]:
    """NUM items that are about the patient in this study, and whether they describe the patient's body."""
    context = outer.of(item)
    if depth == 0 or not context.is_of(report):
        return
    if text_of(item, "ValueType") == "NUM":
        if not report.refers_elsewhere(item):
            yield item, context, is_body
        return
    if report.refers_elsewhere(item, depth=1):
        return
    for child in children(item, CONTAINS):
        name = name_of(child)
        if name is not None and name.key not in _NOT_READ:
            describes_body = is_body or name.key == _PATIENT_CHARACTERISTICS
            yield from _numbers(child, context, report, depth - 1, is_body=describes_body)


@dataclass(frozen=True, slots=True)
class _Meaning:
    """Which quantity a value is of, and by which method as far as its code says."""

    name: str
    quantity: Quantity
    method: Method


def _meaning(name: Code, context: Context, of_report: Method, *, is_body: bool) -> _Meaning | None:
    """None where the code is of no known quantity; ``of_report`` is what its template says of all values."""
    if is_body:
        found = BODY_CODES.get(name.key)
        return None if found is None else _Meaning(found, BODY[found], Method())
    found, method = CODES.get(name.key) or (_of_a_site(name, context), Method())
    divisor = context.key(said.INDEX) or context.key(said.DIVISOR)
    if found is not None and divisor is not None:
        found = f"{found}_index" if divisor == BODY_SURFACE and not found.endswith("_index") else None
    if found not in QUANTITIES or found is None:
        return None
    return _Meaning(found, QUANTITIES[found], method.completed_by(of_report))


def _of_a_site(name: Code, context: Context) -> str | None:
    """A quantity that finding site, property and phase say together."""
    site, stated = context.key(said.SITE), context.key(said.PROPERTY)
    if site is None or context.key(said.TYPE) not in (None, *MEASUREMENT_TYPES):
        return None
    for phase in (context.key(said.PHASE), None):
        found = OF_A_SITE.get((site, stated or name.key, phase))
        if found is not None:
            return found
    return None


def _converted(number: tuple[float, Code], quantity: Quantity) -> float | None:
    """In the unit of a quantity; None where it is stated in a unit of something else."""
    value, unit = number
    factor = UNITS[quantity.unit].get(unit.stated[1]) if unit.key[0] == "UCUM" else None
    return None if factor is None else round(value * factor, _DECIMALS)


def _taken(
    item: Dataset, code: Code, context: Context, meant: _Meaning, source: ReportSource
) -> ReportedValue | LeftOut:
    number, method = number_of(item), _method(context, meant.method)
    value = None if number is None else _converted(number, meant.quantity)
    reason = _doubt(number, value, method, context, meant.quantity)
    if reason or number is None or value is None or method is None:
        return LeftOut(meant.quantity.title, reason)
    return ReportedValue(
        name=meant.name,
        title=meant.quantity.title,
        value=value,
        unit=meant.quantity.unit,
        stated=(number[0], number[1].stated[1]),
        code=code.stated,
        source=source,
        method=method,
        view=context.words(said.VIEW),
        mode=context.words(said.MODE),
        phase=context.words(said.PHASE),
        derivation=DERIVATIONS.get(context.key(said.DERIVATION) or _NONE, ""),
        selected=context.key(said.SELECTION) is not None,
    )


def _doubt(
    number: tuple[float, Code] | None,
    value: float | None,
    method: Method | None,
    context: Context,
    quantity: Quantity,
) -> str:
    """Why a value cannot be taken; empty where it can."""
    site, phase = context.key(said.SITE), context.key(said.PHASE)
    low, high = quantity.bounds
    doubts = {
        say("no single number with a unit"): number is None,
        say("a modifier that is not known or contradicts itself"): not context.is_understood,
        say("another finding site than its code says"): bool(quantity.sites)
        and site not in (None, *quantity.sites),
        say("another point of the cardiac cycle than its code says"): (
            bool(quantity.phases) and phase not in (None, *quantity.phases)
        ),
        say("another method than its code says"): method is None,
        say("a unit of another quantity"): value is None,
        say("no value that a person can have"): value is not None and not low <= value <= high,
    }
    return next((reason for reason, holds in doubts.items() if holds), "")


def _method(context: Context, coded: Method) -> Method | None:
    """What code, method, view and mode say together; None where they contradict each other.

    A method that is not in the table is called as the report calls it, and is like no other.
    """
    key = context.key(said.METHOD)
    stated = Method() if key is None else METHODS.get(key, Method(context.words(said.METHOD) or "not known"))
    if context.key(said.DERIVATION) in METHODS:
        stated = stated.completed_by(METHODS[context.key(said.DERIVATION) or _NONE])
    if stated.plane == SINGLE_PLANE:
        stated = Method(stated.kind, PLANES.get(context.key(said.VIEW) or _NONE, SINGLE_PLANE))
    if not coded.may_be(stated):
        return None
    method = coded.completed_by(stated)
    is_3d = context.key(said.MODE) == THREE_D_MODE
    return method.completed_by(Method(THREE_D)) if is_3d else method
