"""Cases and bounds of known statistics."""

from __future__ import annotations

from collections.abc import Sequence

from cvai.acceptance.bounds import AnalysisBounds, Bounds, NumberBounds
from cvai.acceptance.cases import Case, Cases, ComparedNumber
from cvai.dicom.read.acquired import Acquired

SITE = Acquired("Imaginary", "Ring 3", 2.8936, "F", 61)


def case(
    number: int,
    difference: float,
    *,
    half_width: float | None = 5.0,
    acquired: Acquired | None = SITE,
    findings: tuple[str, ...] = (),
) -> Case:
    """A study whose ejection fraction is off by ``difference``."""
    reference = 40.0 + number % 20
    measured = reference + difference
    interval = None if half_width is None else (measured - half_width, measured + half_width)
    numbers = {"lv_ef": ComparedNumber(measured, reference, "%", interval)}
    return Case(f"1.2.{number}", acquired, findings=findings, numbers=numbers)


def refused(number: int, code: str, acquired: Acquired | None = SITE) -> Case:
    """A study without numbers."""
    return Case(f"1.2.{number}", acquired, code)


def differing(differences: Sequence[float], acquired: Acquired | None = SITE, first: int = 0) -> list[Case]:
    """A study for each difference."""
    return [case(first + n, d, acquired=acquired) for n, d in enumerate(differences)]


def cases(*made: Case) -> Cases:
    """Cases of a cine."""
    return Cases("cine_sax", "sax 0.5.0", made)


def bounds(refused: float | None = None, smallest_group: int = 10, **numbers: float) -> Bounds:
    """Bounds of the ejection fraction."""
    of_it = AnalysisBounds(refused=refused, numbers={"lv_ef": NumberBounds(**numbers)})
    return Bounds(fewest_studies=20, smallest_group=smallest_group, analyses={"cine_sax": of_it})
