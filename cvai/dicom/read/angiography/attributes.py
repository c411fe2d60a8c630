"""Where XA and Enhanced XA state the same thing."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.uid import EnhancedXAImageStorage

from cvai.dicom.read.header.attributes import uid
from cvai.dicom.read.pixels.frames import frame_attributes


def is_enhanced(header: Dataset) -> bool:
    """Whether the frames are described by functional groups."""
    return uid(header, "SOPClassUID") == EnhancedXAImageStorage


def of_frame(header: Dataset, group: str, frame_number: int = 1) -> Dataset:
    """Attributes of a functional group of a frame; of the older XA image, the header itself.

    Args:
        header: of the instance.
        group: keyword of the sequence that holds them in Enhanced XA.
        frame_number: counted from 1.
    """
    return frame_attributes(header, frame_number, group) if is_enhanced(header) else header
