"""Results that stand in the archive are handed on to those who want them too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cvai.archive.port import Destination
from cvai.engine.job import JobState, Outcome
from cvai.results.write import FHIR_NAME


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Who is given results besides the archive; each may be given the same any number of times.

    Args:
        results_folder: what paths of an outcome are relative to.
        objects_to: gets the DICOM objects, None for nobody.
        report_to: gets the report for the health record, None for nobody.
    """

    results_folder: Path = Path()
    objects_to: Destination | None = None
    report_to: Destination | None = None

    @property
    def any(self) -> bool:
        """Whether anybody is given anything."""
        return self.objects_to is not None or self.report_to is not None

    def send_objects(self, stored: Outcome) -> Outcome:
        """Hand on the DICOM objects.

        Raises:
            TemporarilyUnavailable, ArchiveRejected: see ``Destination``.
        """
        paths = [self.results_folder / item.path for item in stored.objects]
        return self._handed_on(self.objects_to, paths, stored)

    def send_report(self, stored: Outcome) -> Outcome:
        """Hand on the report, where there is one: a rejection by a reader has none.

        Raises:
            TemporarilyUnavailable, ArchiveRejected: see ``Destination``.
        """
        result = self.results_folder / stored.result
        report = result.with_name(FHIR_NAME)
        if not stored.result or (result.exists() and not report.exists()):
            return stored
        return self._handed_on(self.report_to, [report], stored)

    def _handed_on(self, to: Destination | None, paths: Sequence[Path], stored: Outcome) -> Outcome:
        if to is None or not paths:
            return stored
        if not all(path.exists() for path in paths):
            return Outcome(
                JobState.DEAD_LETTER,
                "results_not_here",
                "the results lie on the disk of a worker that has died since it stored them.",
                "cvai jobs retry makes them again, the same; the archive keeps those it has.",
            )
        to.deliver(paths)
        return stored
