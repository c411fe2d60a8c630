"""Requests and responses of STOW-RS (PS3.18 section 10.5)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cvai.archive.dicomweb import dicom_json
from cvai.archive.dicomweb.dicom_json import FailedItem, StoredItem
from cvai.archive.foreign_json import parts
from cvai.archive.odd import OddAnswers

EXISTS = frozenset({0x0111, 0xB00E})
"""FailureReason of an object that exists already: duplicate SOP instance (PS3.7 C.5.8), and Azure's 45070."""

UNKNOWN_REASON = 0
"""For an object reported as not stored without a reason."""

RETRYABLE = frozenset({0x0110, *range(0xA700, 0xA800)})
"""Processing failure, and the range for out of resources."""


@dataclass(frozen=True, slots=True)
class StowAnswer:
    """The outcome for each object by SOP Instance UID.

    Args:
        stored: reported as stored.
        failed: reported as not stored, with FailureReason.
    """

    stored: frozenset[str]
    failed: Mapping[str, int]

    @classmethod
    def of(cls, answer: object, odd: OddAnswers) -> StowAnswer:
        """The answer in a DICOM JSON data set (PS3.18 table 10.5.3-2); empty where it is none."""
        data_set = answer if isinstance(answer, Mapping) else {}
        stored = dicom_json.values_of(data_set.get(dicom_json.REFERENCED_SOP_SEQUENCE))
        failed = dicom_json.values_of(data_set.get(dicom_json.FAILED_SOP_SEQUENCE))
        return cls(
            frozenset(item.sop_instance_uid for item in parts(stored, StoredItem, odd, "stow")),
            {
                item.sop_instance_uid: item.reason or UNKNOWN_REASON
                for item in parts(failed, FailedItem, odd, "stow")
            },
        )

    def __or__(self, other: StowAnswer) -> StowAnswer:
        return StowAnswer(self.stored | other.stored, {**self.failed, **other.failed})


def multipart_message(objects: Sequence[bytes]) -> tuple[bytes, str]:
    """Encoded data sets as one message, and its content type."""
    boundary = secrets.token_hex(16)
    head = f"\r\n--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    pieces = [piece for data in objects for piece in (head, data)]
    body = b"".join((*pieces, f"\r\n--{boundary}--\r\n".encode()))
    return body, f'multipart/related; type="application/dicom"; boundary={boundary}'


def reasons(failed: Mapping[str, int | None]) -> str:
    """Text of the objects that were not stored, with FailureReason."""
    return ", ".join(f"{uid} ({'not named' if r is None else r})" for uid, r in failed.items())
