"""Whether the object that an archive keeps under a UID says what ours says."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.errors import InvalidDicomError
from pydicom.tag import BaseTag

from cvai.archive.part10 import identity_in
from cvai.dicom.read.header.attributes import PARSE_ERRORS
from cvai.dicom.read.header.statements import is_same_element

PIXEL_GROUPS = frozenset({0x0028, 0x7FE0})
CONTENT_GROUPS = PIXEL_GROUPS | {0x0062, 0x5200}
"""Pixels and what describes them, segments, functional groups."""

CONTENT_TAGS = frozenset(
    tag_for_keyword(keyword)
    for keyword in ("ConceptNameCodeSequence", "ContentSequence", "DocumentTitle", "SourceInstanceSequence")
)
"""What a structured report says, and what a printed one is about: its pages show when they were made."""


def is_instance(part: bytes | bytearray, sop_instance_uid: str) -> bool:
    """Whether an encoded file is the instance of this UID."""
    identity = identity_in(BytesIO(part))
    return identity is not None and identity.sop_instance_uid == sop_instance_uid


def says_the_same(kept: bytes | bytearray, ours: Path) -> bool:
    """Whether two files of one SOP Instance UID are of one class and have the same content.

    An archive may correct whose study it is, add attributes of its own, and compress pixels anew: patient,
    study and private attributes are not compared, nor are pixels in another transfer syntax, nor by which
    version of cvai it was made. A printed report is compared by what it is about.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            theirs = dcmread(BytesIO(kept))
            expected = dcmread(ours)
            return theirs.SOPClassUID == expected.SOPClassUID and _content_is_in(expected, theirs)
    except (InvalidDicomError, *PARSE_ERRORS):
        return False


def _content_is_in(expected: Dataset, theirs: Dataset) -> bool:
    alike = expected.file_meta.TransferSyntaxUID == theirs.file_meta.TransferSyntaxUID
    compared = (e for e in expected if _is_content(e.tag) and (alike or e.tag.group not in PIXEL_GROUPS))
    return all(
        element.tag in theirs and is_same_element(theirs[element.tag], element) for element in compared
    )


def _is_content(tag: BaseTag) -> bool:
    return tag.group in CONTENT_GROUPS or tag in CONTENT_TAGS
