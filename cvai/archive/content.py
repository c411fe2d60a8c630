"""The content of a study, and the digest that shows whether it has changed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cvai.dicom.read.classes import CAN_HOLD_A_CINE
from cvai.dicom.read.header.attributes import UID_PATTERN

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
        (presentation states, key objects, reports) is no source: none of it changes what there is to analyse.
        """
        return not self.sop_class_uid.startswith(NOT_A_SOURCE)

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
        acquired instance changes it.
        """
        return _digest({f"{i.sop_instance_uid} {i.fingerprint}".strip() for i in self.sources})

    def is_as(self, digest: str) -> bool:
        """Whether a digest is of this content; digests of older versions cover the UIDs alone."""
        return digest in (self.digest, _digest({i.sop_instance_uid for i in self.sources}))


def _digest(lines: set[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
