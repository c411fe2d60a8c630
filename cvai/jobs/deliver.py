"""Results that stand in the archive are handed on to those who want them too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from cvai.archive.port import Destination
from cvai.audit.messages import AuditedObject
from cvai.dicom.write.write import FHIR_NAME
from cvai.jobs.job import JobState, Outcome
from cvai.jobs.steps import audited_objects

Exported: TypeAlias = Callable[[str, tuple[AuditedObject, ...], str], None]
"""Is told a study's UID, which objects of it were handed on, and to which of the destinations."""


@dataclass(frozen=True, slots=True)
class RecordedDestination:
    """A destination of whose deliveries a record is kept; without one a delivery is made again.

    Args:
        destination: gets the files.
        name: of the destination, as the settings call it.
        exported: keeps the record.
    """

    destination: Destination
    name: str
    exported: Exported

    def deliver(self, paths: Sequence[Path]) -> None:
        """Hand over one study's files; see ``Destination``."""
        self.destination.deliver(paths)
        self.exported(paths[0].parent.name, audited_objects(paths), self.name)


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

    def recorded(self, exported: Exported) -> Deliveries:
        """The same, with a record of what was handed on to whom."""
        objects_to, report_to = self.objects_to, self.report_to
        return replace(
            self,
            objects_to=None if objects_to is None else RecordedDestination(objects_to, "send", exported),
            report_to=None if report_to is None else RecordedDestination(report_to, "fhir", exported),
        )

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
