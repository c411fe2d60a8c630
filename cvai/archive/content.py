"""What a study holds, and the digest by which cvai knows whether it has changed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cvai.dicom.read.classes import CAN_HOLD_A_CINE
from cvai.dicom.read.header.attributes import UID_PATTERN

NOT_A_SOURCE = (
    "1.2.840.10008.5.1.4.1.1.9.",  # waveforms
    "1.2.840.10008.5.1.4.1.1.11.",  # presentation states
    "1.2.840.10008.5.1.4.1.1.30",  # parametric maps
    "1.2.840.10008.5.1.4.1.1.66",  # raw data, registrations, fiducials, segmentations
    "1.2.840.10008.5.1.4.1.1.67",  # real world value mapping
    "1.2.840.10008.5.1.4.1.1.88.",  # structured reports, key object selections
    "1.2.840.10008.5.1.4.1.1.104.",  # encapsulated documents
    "1.2.840.10008.5.1.4.1.1.481.",  # radiotherapy
)
"""Prefixes of the storage SOP classes that speak about images instead of being images (PS3.4 B.5)."""

UNREADABLE = "unreadable-"
"""The embedded archive keeps files that are no DICOM as a study of this prefix and a digest."""


def is_valid_study_uid(name: str) -> bool:
    """Whether folders, files and requests may be named by what somebody calls a study.

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
        fingerprint: what changes when the archive is given something else under this UID; empty where it does
            not tell.
    """

    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str
    fingerprint: str = ""

    @property
    def is_source(self) -> bool:
        """Whether the instance is something that was acquired, and not something said about it.

        Everything cvai stores (SEG, SR, encapsulated PDF) belongs to a class that speaks about images, and so
        does what a reader or another engine adds (presentation states, key objects, reports). None of it
        changes what there is to analyse.
        """
        return not self.sop_class_uid.startswith(NOT_A_SOURCE)

    @property
    def can_hold_a_cine(self) -> bool:
        """Whether it is worth fetching: MR, ultrasound, or a file that must be read to be refused."""
        return self.sop_class_uid in CAN_HOLD_A_CINE or not self.sop_class_uid


@dataclass(frozen=True, slots=True)
class StudyContent:
    """The instances of one study at one moment."""

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
        """Hex SHA-256 over the sources: their SOP Instance UIDs, and their fingerprints where they are told.

        The same acquired instances give the same digest, in whatever order they are listed and whatever has
        been said about them since; one instance more or less, or another under the same UID, gives another.
        """
        return _digest({f"{i.sop_instance_uid} {i.fingerprint}".strip() for i in self.sources})

    def is_as(self, digest: str) -> bool:
        """Whether a digest is that of this content; one from before fingerprints is of UIDs alone."""
        return digest in (self.digest, _digest({i.sop_instance_uid for i in self.sources}))


def _digest(lines: set[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
