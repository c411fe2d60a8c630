"""By what studies are grouped: scanner, field strength, sex and age."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from cvai.acceptance.cases import Case
from cvai.dicom.read.acquired import Acquired

NOT_STATED = "not stated"

AGE_LIMITS_YEARS = (18, 40, 65)


def age_group(acquired: Acquired) -> str:
    """The age group.

    >>> [age_group(Acquired(age_years=years)) for years in (17, 18, 64, 65)]
    ['under 18', '18 to 39', '40 to 64', '65 and over']
    """
    years = acquired.age_years
    if years is None:
        return NOT_STATED
    youngest, middle, oldest = AGE_LIMITS_YEARS
    if years < youngest:
        return f"under {youngest}"
    if years >= oldest:
        return f"{oldest} and over"
    return f"{youngest} to {middle - 1}" if years < middle else f"{middle} to {oldest - 1}"


GROUPINGS: Mapping[str, Callable[[Acquired], str]] = MappingProxyType(
    {
        "scanner": lambda acquired: acquired.scanner or NOT_STATED,
        "field strength": lambda acquired: acquired.nominal_field_strength or NOT_STATED,
        "sex": lambda acquired: acquired.sex or NOT_STATED,
        "age": age_group,
    }
)


def grouped(cases: Iterable[Case], grouping: str) -> Mapping[str, tuple[Case, ...]]:
    """Cases by group, sorted by its name; a study of which nothing is known is in the group not stated."""
    groups: defaultdict[str, list[Case]] = defaultdict(list)
    for case in cases:
        groups[GROUPINGS[grouping](case.acquired or Acquired())].append(case)
    return {name: tuple(groups[name]) for name in sorted(groups)}
