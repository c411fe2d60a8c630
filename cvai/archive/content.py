"""The content of a study, and the digest that shows whether it has changed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cvai.dicom.read.classes import CAN_HOLD_A_CINE
from cvai.dicom.read.header.attributes import UID_PATTERN
from cvai.dicom.write.uids import is_derived

NOT_A_SOURCE = (
    "1.2.840.10008.5.1.4.1.1.7.4",  # captures of many frames in colour, of cvai and of others
    "1.2.840.10008.5.1.4.1.1.9.",  # waveforms
    "1.2.840.10008.5.1.4.1.1.11.",  # presentation states
    "1.2.840.10008.5.1.4.1.1.30",  # parametric maps
    "1.2.840.10008.5.1.4.1.1.66",  # raw data, registrations, fiducials, segmentations
    "1.2.840.10008.5.1.4.1.1.67",  # real world value mapping
    "1.2.840.10008.5.1.4.1.1.88.",  # structured reports, key object selections
    "1.2.840.10008.5.1.4.1.1.104.",  # encapsulated documents
    "1.2.840.10008.5.1.4.1.1.481.",  # radiotherapy
)
"""Prefixes of the storage SOP classes of objects derived from or about images (PS3.4 B.5)."""

REPORTS = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.88.22",  # Enhanced SR
        "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
        "1.2.840.10008.5.1.4.1.1.88.34",  # Comprehensive 3D SR
        "1.2.840.10008.5.1.4.1.1.88.72",  # Simplified Adult Echo SR
    }
)
"""Classes of structured reports whose measurements may be read, see ``cvai.dicom.read.reports``."""

MOST_REPORTS = 8
"""Reports of others that count: an engine that writes one whenever cvai does would never come to an end."""

UNREADABLE = "unreadable-"
"""Prefix of the UID-like name under which the embedded archive keeps files that are not DICOM."""


def is_valid_study_uid(name: str) -> bool:
    """Whether a name is safe to use in paths and requests as a StudyInstanceUID.

    >>> [is_valid_study_uid(name) for name in ("1.2.840.1", "1.2/840", "../1.2", "")]
    [True, False, False, False]
    """
    digest = name.removeprefix(UNREADABLE)
    if digest != name:
        return digest.isalnum() and digest.isascii()
    return len(name) <= 64 and UID_PATTERN.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class InstanceReference:
    """One instance of a study, as an archive lists it.

    Args:
        sop_class_uid: SOPClassUID; empty where the archive keeps a file that is not readable as DICOM.
        sop_instance_uid: SOPInstanceUID.
        series_uid: SeriesInstanceUID.
        fingerprint: changes when the archive receives other content under this UID; empty where it does not
            provide one.
    """

    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str
    fingerprint: str = ""

    @property
    def is_source(self) -> bool:
        """Whether the instance was acquired, as opposed to derived.

        Everything cvai stores (SEG, SR, encapsulated PDF, captures) and what readers or other engines add
        (presentation states, key objects, reports) is no source: none of it changes what there is to measure.
        """
        return not self.sop_class_uid.startswith(NOT_A_SOURCE)

    @property
    def is_report_of_others(self) -> bool:
        """Whether the instance may be a report that results are compared with, not written by cvai."""
        return self.sop_class_uid in REPORTS and not is_derived(self.sop_instance_uid)

    @property
    def can_hold_a_cine(self) -> bool:
        """Whether the instance is MR or ultrasound, or an unreadable file, which must be refused."""
        return self.sop_class_uid in CAN_HOLD_A_CINE or not self.sop_class_uid


@dataclass(frozen=True, slots=True)
class StudyContent:
    """The instances of one study at one point in time."""

    study_uid: str
    instances: tuple[InstanceReference, ...]

    @property
    def sources(self) -> tuple[InstanceReference, ...]:
        """The instances that were acquired."""
        return tuple(i for i in self.instances if i.is_source)

    @property
    def series_uids(self) -> tuple[str, ...]:
        """Every series once, sorted."""
        return tuple(sorted({i.series_uid for i in self.instances}))

    @property
    def sop_instance_uids(self) -> frozenset[str]:
        """Every instance, sources or not."""
        return frozenset(i.sop_instance_uid for i in self.instances)

    @property
    def digest(self) -> str:
        """Hex SHA-256 over the sources: their SOP Instance UIDs, and their fingerprints where known.

        It depends neither on the order of listing nor on derived objects; adding, removing or replacing an
        acquired instance changes it. So does another report of others, which results are compared with.
        """
        return self._digest_with(min(MOST_REPORTS, sum(i.is_report_of_others for i in self.instances)))

    def is_as(self, digest: str) -> bool:
        """Whether a digest is of these sources, whatever reports there were.

        A report that arrives meanwhile makes another job, and ends none. Digests of older versions cover the
        UIDs alone.
        """
        of_sources = {self._digest_with(n) for n in range(MOST_REPORTS + 1)}
        return digest in of_sources | {_digest({i.sop_instance_uid for i in self.sources})}

    def _digest_with(self, n_reports: int) -> str:
        lines = {f"{i.sop_instance_uid} {i.fingerprint}".strip() for i in self.sources}
        return _digest(lines | ({f"reports {n_reports}"} if n_reports else set()))


def _digest(lines: set[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
