"""What makes a number doubtful, said in words a reader understands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from cvai.domain.message import say

NO_FINDINGS = say("No automatic check found a problem. This does not replace a look at the contours.")
"""Where there is no finding."""


class Severity(StrEnum):
    """How much a finding matters to the person who reads the number."""

    INFO = "info"
    WARNING = "warning"
    WITHHELD = "withheld"
    """The numbers it speaks of are not given."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the images of a study something can be looked at; None where that is left open.

    Args:
        phase: 0-based phase of the cine, or frame of the loop, in order of time.
        slice: 0-based slice of the stack.
        view: which loop, such as ``a4c``; None where the study was measured from one stack.

    Raises:
        ValueError: nothing is given, an index is negative or no int, or the view is empty.
    """

    phase: int | None = None
    slice: int | None = None
    view: str | None = None

    def __post_init__(self) -> None:
        given = [index for index in (self.phase, self.slice) if index is not None]
        if any(not isinstance(index, int) or index < 0 for index in given):
            raise ValueError(f"phase and slice count from 0, got {self.phase} and {self.slice}")
        if self.view == "" or (not given and self.view is None):
            raise ValueError("a place names a phase, a slice or a view")


def whole_slices(slices: Iterable[int]) -> tuple[Place, ...]:
    """0-based slices as places, in all of their phases."""
    return tuple(Place(slice=z) for z in slices)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a reader should know before trusting the numbers.

    Args:
        code: stable snake_case identifier.
        severity: how much it matters.
        message: one sentence with what was measured; no patient data.
        where: the places to look at, in the order of the sentence; empty where it speaks of none.
    """

    code: str
    severity: Severity
    message: str
    where: tuple[Place, ...] = ()

    def in_view(self, view: str) -> Finding:
        """This finding as one about the loop of a view; without a place it speaks of the whole loop.

        >>> Finding("sector_cut", Severity.WARNING, "The outline leaves the sector.").in_view("a4c").where
        (Place(phase=None, slice=None, view='a4c'),)
        """
        places = tuple(replace(place, view=view) for place in self.where)
        return replace(self, where=places or (Place(view=view),))
