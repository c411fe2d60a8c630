"""UIDs of result objects, derived so that the same inputs always give the same objects.

A derived UID is ``2.25.`` followed by a UUID as one decimal number (PS3.5 section B.2), and the UUID is made
from a SHA-256 digest as RFC 9562 section 5.8 (version 8, "custom") allows. No registered root is needed, and
nothing has to be remembered between two runs: an archive that is handed the same result twice sees the same
SOP Instance UID twice.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from pydicom.uid import UID

_CUSTOM = 8
"""Version of UUIDs that are made as their maker likes."""

RESULTS_VERSION = "1"
"""Raised whenever the same inputs would give other objects, so that old and new never share a UID."""


def derived_uid(*parts: str) -> UID:
    """UID that depends on ``parts`` and on nothing else.

    Parts are separated in the digest, so that ``("ab", "c")`` and ``("a", "bc")`` differ.

    >>> derived_uid("a", "b") == derived_uid("a", "b")
    True
    >>> derived_uid("ab", "c") == derived_uid("a", "bc")
    False
    """
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    value = int.from_bytes(digest[:16])
    value = value & ~(0xF << 76) | 0x8 << 76  # version 8
    value = value & ~(0x3 << 62) | 0x2 << 62  # variant of RFC 9562
    return UID(f"2.25.{uuid.UUID(int=value).int}")


def is_derived(uid: str) -> bool:
    """Whether a UID may be a derived one, as the UIDs of all results are; generated ones have other versions.

    >>> is_derived(derived_uid("a")), is_derived("2.25.37462543282371276837459738493847593847")
    (True, False)
    """
    number = uid.removeprefix("2.25.")
    if number == uid or not number.isdecimal() or int(number) >= 1 << 128:
        return False
    made = uuid.UUID(int=int(number))
    return made.variant == uuid.RFC_4122 and made.version == _CUSTOM


def device_uid(model_sha256: str) -> UID:
    """UID of the observing device: cvai with this model, whatever it looks at."""
    return derived_uid("device", model_sha256)


@dataclass(frozen=True, slots=True)
class ResultUids:
    """Every UID of the result objects of one analysis.

    Args:
        sources: digest of the source SOP Instance UIDs.
        model_sha256: hex digest of the model file.
        reading: hex digest of what a reader has signed; empty for what the model made alone.
        content: hex digest of what is said, where other results of the same source instances stand in the
            study already; empty the first time. See ``cvai.dicom.write.standing.revision``.
    """

    sources: str
    model_sha256: str
    reading: str = ""
    content: str = ""

    @classmethod
    def of(
        cls, source_sop_instance_uids: Iterable[str], model_sha256: str, reading: str = "", content: str = ""
    ) -> ResultUids:
        """UIDs for what ``model_sha256`` makes of these source instances, in whatever order they come."""
        text = "\n".join(sorted(set(source_sop_instance_uids)))
        return cls(hashlib.sha256(text.encode()).hexdigest(), model_sha256, reading, content)

    def sop_instance(self, kind: str) -> UID:
        """SOPInstanceUID of an object."""
        return self._derive("sop instance", kind)

    def series(self, kind: str) -> UID:
        """SeriesInstanceUID of an object; each stands in its own series."""
        return self._derive("series", kind)

    def dimension_organization(self, kind: str) -> UID:
        """DimensionOrganizationUID of a segmentation."""
        return self._derive("dimension organization", kind)

    def tracking(self, name: str) -> UID:
        """Tracking UID of the thing called ``name``, the same in SEG and SR."""
        return self._derive("tracking", name)

    def frame_of_reference(self) -> UID:
        """FrameOfReferenceUID where the source images do not share one; every model gets the same."""
        return derived_uid(RESULTS_VERSION, self.sources, "frame of reference")

    def _derive(self, role: str, name: str) -> UID:
        apart = [part for part in (self.reading, self.content) if part]
        return derived_uid(RESULTS_VERSION, self.sources, self.model_sha256, *apart, role, name)
