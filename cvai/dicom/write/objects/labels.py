"""A segmentation read back onto the images it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from cvai.dicom.read.values import ImagePlane
from cvai.dicom.write.plan import Segment
from cvai.domain.message import say
from cvai.domain.segmentation import background
from cvai.errors import StudyRefused

Source = tuple[str, int | None]
"""SOPInstanceUID of an image, and its frame in a multi-frame one."""


def read_labels(
    path: Path, planes: tuple[tuple[ImagePlane, ...], ...], segments: Sequence[Segment]
) -> NDArray[np.uint8]:
    """Labels of a SEG that cvai wrote, on the pixels of the images it was made from.

    Every frame goes where its source image stands: nothing is matched by position.

    Args:
        path: the segmentation object.
        planes: (t)(z) the images.
        segments: what may be labelled.

    Returns:
        (t, z, y, x).

    Raises:
        StudyRefused: ``segmentation_of_other_images``: a frame was drawn on an image that is not among them.
    """
    places: dict[Source, tuple[int, int]] = {
        (plane.sop_instance_uid, plane.frame_number): (t, z)
        for t, phase in enumerate(planes)
        for z, plane in enumerate(phase)
    }
    first = planes[0][0]
    labels = background((len(planes), len(planes[0]), first.rows, first.columns))
    _fill(labels, dcmread(path), places, frozenset(segment.number for segment in segments))
    return labels


def source_instance_of(path: Path) -> str:
    """SOPInstanceUID of the first image that a segmentation was drawn on."""
    segmentation = dcmread(path, stop_before_pixels=True)
    return _source(segmentation.PerFrameFunctionalGroupsSequence[0])[0]


def _fill(
    labels: NDArray[np.uint8],
    segmentation: Dataset,
    places: Mapping[Source, tuple[int, int]],
    known: frozenset[int],
) -> None:
    """Put every frame of a segmentation where its source image stands."""
    groups = segmentation.PerFrameFunctionalGroupsSequence
    for group, mask in zip(groups, _masks(segmentation), strict=True):
        place = places.get(_source(group))
        number = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        if place is None or mask.shape != labels.shape[-2:] or number not in known:
            raise of_other_images()
        labels[place][mask] = number


def _masks(segmentation: Dataset) -> Iterator[NDArray[np.bool_]]:
    """(y, x) of every frame of a BINARY segmentation, unpacked one by one: one bit a pixel, first pixel
    lowest, no gaps between frames (PS3.5 section 8.1.1)."""
    rows, columns = int(segmentation.Rows), int(segmentation.Columns)
    packed = np.frombuffer(segmentation.PixelData, dtype=np.uint8)
    for frame in range(int(segmentation.NumberOfFrames)):
        start = frame * rows * columns
        byte, offset = divmod(start, 8)
        bits = np.unpackbits(
            packed[byte : -(-(start + rows * columns) // 8)], count=offset + rows * columns, bitorder="little"
        )
        yield bits[offset:].reshape(rows, columns).astype(bool)


def _source(group: Dataset) -> Source:
    image = group.DerivationImageSequence[0].SourceImageSequence[0]
    frame = image.get("ReferencedFrameNumber")
    return str(image.ReferencedSOPInstanceUID), None if frame is None else int(frame)


def of_other_images() -> StudyRefused:
    """The refusal of contours whose images are gone."""
    return StudyRefused(
        "segmentation_of_other_images",
        say("The contours were drawn on images that are not in the study any more."),
        say("The study has changed since; wait for its new analysis."),
    )
