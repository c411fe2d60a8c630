"""Delivers stored results to destinations besides the archive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from cvai.archive.port import Destination
from cvai.audit.messages import AuditedObject
from cvai.dicom.write.write import FHIR_NAME, HL7_NAME
from cvai.domain.message import say
from cvai.jobs.job import JobState, Outcome, StudyJob
from cvai.jobs.messages import StudyMessages
from cvai.jobs.steps import audited_objects

Exported: TypeAlias = Callable[[str, tuple[AuditedObject, ...], str], None]
"""Called with a study's UID, the delivered objects, and the name of the destination."""

RESULTS_NOT_HERE = Outcome(
    JobState.DEAD_LETTER,
    "results_not_here",
    say("the results are on the disk of a worker that died after storing them."),
    say("cvai jobs retry makes them again, identically; the archive keeps those it has."),
)


@dataclass(frozen=True, slots=True)
class RecordedDestination:
    """A destination whose deliveries are audited; a delivery that cannot be recorded is repeated.

    Args:
        destination: receives the files.
        name: of the destination in the settings.
        exported: writes the record.
    """

    destination: Destination
    name: str
    exported: Exported

    def deliver(self, paths: Sequence[Path]) -> None:
        """Deliver one study's files; see ``Destination``."""
        self.destination.deliver(paths)
        self.exported(paths[0].parent.name, audited_objects(paths), self.name)


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Destinations besides the archive; each may receive the same files repeatedly.

    Args:
        results_folder: base of the paths in an outcome.
        objects_to: receives the DICOM objects, None without.
        report_to: receives the FHIR report, None without.
        messages: sends HL7 messages, None without.
    """

    results_folder: Path = Path()
    objects_to: Destination | None = None
    report_to: Destination | None = None
    messages: StudyMessages | None = None

    @property
    def any(self) -> bool:
        """Whether there is any destination."""
        return any(to is not None for to in (self.objects_to, self.report_to, self.messages))

    def recorded(self, exported: Exported) -> Deliveries:
        """The same destinations with an audit record of every delivery."""
        objects_to, report_to, messages = self.objects_to, self.report_to, self.messages
        return replace(
            self,
            objects_to=None if objects_to is None else RecordedDestination(objects_to, "send", exported),
            report_to=None if report_to is None else RecordedDestination(report_to, "fhir", exported),
            messages=None if messages is None else messages.recorded(lambda uid: exported(uid, (), "hl7")),
        )

    def send_objects(self, stored: Outcome) -> Outcome:
        """Deliver the DICOM objects.

        Raises:
            TemporarilyUnavailable, ArchiveRejected: see ``Destination``.
        """
        paths = [self.results_folder / item.path for item in stored.objects]
        return self._deliver(self.objects_to, paths, stored)

    def send_report(self, stored: Outcome) -> Outcome:
        """Deliver the FHIR report; a reader's rejection has none.

        Raises:
            TemporarilyUnavailable, ArchiveRejected: see ``Destination``.
        """
        result = self.results_folder / stored.result
        report = result.with_name(FHIR_NAME)
        if not stored.result or (result.exists() and not report.exists()):
            return stored
        return self._deliver(self.report_to, [report], stored)

    def send_message(self, job: StudyJob, stored: Outcome) -> Outcome:
        """Deliver the HL7 message; results of older versions have none.

        Raises:
            TemporarilyUnavailable, ArchiveRejected: see ``StudyMessages``.
        """
        if self.messages is None or not stored.objects:
            return stored
        folder = (self.results_folder / stored.objects[0].path).parent
        if (folder / HL7_NAME).exists():
            self.messages.deliver(job, folder)
            return stored
        return stored if folder.exists() else RESULTS_NOT_HERE

    def withdraw_messages(self, job: StudyJob, stored: Outcome) -> Outcome:
        """Withdraw HL7 messages about another patient, where a study was corrected and not measured again.

        Raises:
            TemporarilyUnavailable, ArchiveRejected: see ``StudyMessages``.
        """
        if self.messages is not None:
            self.messages.withdraw(job, stored)
        return stored

    def _deliver(self, to: Destination | None, paths: Sequence[Path], stored: Outcome) -> Outcome:
        if to is None or not paths:
            return stored
        if not all(path.exists() for path in paths):
            return RESULTS_NOT_HERE
        to.deliver(paths)
        return stored
