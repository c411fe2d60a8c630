"""Compares an object in the archive with ours of the same UID."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.errors import InvalidDicomError
from pydicom.tag import BaseTag
from pydicom.uid import MultiFrameTrueColorSecondaryCaptureImageStorage

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
"""Content of a structured report. A PDF is compared by title and sources: its pages show a time of
creation."""

DRAWN_CLASSES = frozenset({MultiFrameTrueColorSecondaryCaptureImageStorage})
"""Captures are compared by sources alone: another version may draw the same content with other pixels."""


def is_instance(part: bytes | bytearray, sop_instance_uid: str) -> bool:
    """Whether an encoded file is the instance of this UID."""
    identity = identity_in(BytesIO(part))
    return identity is not None and identity.sop_instance_uid == sop_instance_uid


def has_same_content(kept: bytes | bytearray, ours: Path) -> bool:
    """Whether two files of one SOP Instance UID have the same class and content.

    Archives may correct patient and study, add attributes and recompress pixels. So patient, study and
    private attributes, pixels in another transfer syntax, and the version of cvai are not compared.
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
    has_same_pixels = (
        expected.file_meta.TransferSyntaxUID == theirs.file_meta.TransferSyntaxUID
        and expected.SOPClassUID not in DRAWN_CLASSES
    )
    compared = (
        e for e in expected if _is_content(e.tag) and (has_same_pixels or e.tag.group not in PIXEL_GROUPS)
    )
    return all(
        element.tag in theirs and is_same_element(theirs[element.tag], element) for element in compared
    )


def _is_content(tag: BaseTag) -> bool:
    return tag.group in CONTENT_GROUPS or tag in CONTENT_TAGS
