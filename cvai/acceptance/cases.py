"""What an acceptance test compares: studies with the numbers of cvai and of the site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cvai.dicom.read.acquired import Acquired


@dataclass(frozen=True, slots=True)
class ComparedNumber:
    """A number of cvai and the site's own, in the unit of result.json.

    Args:
        measured: by cvai.
        reference: of the site.
        unit: UCUM; empty where not recorded.
        interval: that cvai stated, None where it stated none.
        factor: half-width of this interval over the one that the model's card states.
    """

    measured: float
    reference: float
    unit: str
    interval: tuple[float, float] | None = None
    factor: float = 1.0

    @property
    def is_inside(self) -> bool | None:
        """Whether the reference lies in the interval; None without one."""
        return None if self.interval is None else self.interval[0] <= self.reference <= self.interval[1]


@dataclass(frozen=True, slots=True)
class Case:
    """One analysis of one study.

    Args:
        study_uid: StudyInstanceUID.
        acquired: scanner and patient; None where not known.
        refused: code of the refusal, empty where it was measured.
        findings: codes of what makes its numbers doubtful.
        numbers: by name; empty where it was refused.
    """

    study_uid: str
    acquired: Acquired | None
    refused: str = ""
    findings: tuple[str, ...] = ()
    numbers: Mapping[str, ComparedNumber] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cases:
    """All studies of one analysis.

    Args:
        kind: of the analysis.
        model: name and version; empty where nothing was measured.
        cases: one for each study.
        notes: what a reader of the report has to know about them, a sentence each.
    """

    kind: str
    model: str
    cases: tuple[Case, ...]
    notes: tuple[str, ...] = ()
