"""A segmentation read back onto the images it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from cvai.errors import StudyRefused
from cvai.heart.anatomy import ECHO_LABELS, SAX_LABELS
from cvai.heart.segmentation import CineSegmentation
from cvai.results.frames import SEGMENT_NUMBERS
from cvai.study.values import AssembledCine, Images

LABEL_OF_SEGMENT: Mapping[int, int] = {SEGMENT_NUMBERS[s]: SAX_LABELS[s] for s in SAX_LABELS}
LABEL_OF_ECHO_SEGMENT: Mapping[int, int] = {number: number for number in ECHO_LABELS.values()}

Source = tuple[str, int | None]
"""SOPInstanceUID of an image, and its frame in a multi-frame one."""


def read_labels(path: Path, cine: AssembledCine) -> CineSegmentation:
    """Labels of a cine SEG that cvai wrote, on the grid of ``cine``.

    Every frame goes where its source image stands in the cine: nothing is matched by position.

    Args:
        path: the segmentation object.
        cine: the cine it was made from, assembled from the same images.

    Raises:
        StudyRefused: ``segmentation_of_other_images``: a frame was drawn on an image that is not in the cine.
    """
    places: dict[Source, tuple[int, ...]] = {
        (plane.sop_instance_uid, plane.frame_number): (t, z)
        for t, phase in enumerate(cine.planes)
        for z, plane in enumerate(phase)
    }
    labels = np.zeros(cine.stack.pixels.shape, dtype=np.uint8)
    _fill(labels, dcmread(path), places, LABEL_OF_SEGMENT)
    return CineSegmentation(labels, cine.stack.geometry)


def source_instance_of(path: Path) -> str:
    """SOPInstanceUID of the loop that a loop's segmentation was drawn on."""
    segmentation = dcmread(path, stop_before_pixels=True)
    return _source(segmentation.PerFrameFunctionalGroupsSequence[0])[0]


def read_loop_labels(path: Path, images: Images) -> NDArray[np.uint8]:
    """(t, y, x) labels of a loop's SEG that cvai wrote, on the frames it was made from.

    Args:
        path: the segmentation object.
        images: (t,) the loop.

    Raises:
        StudyRefused: ``segmentation_of_other_images``: a frame was drawn on an image that is not in the loop.
    """
    places: dict[Source, tuple[int, ...]] = {
        (image.sop_instance_uid, image.frame_number): (t,) for t, image in enumerate(images)
    }
    labels = np.zeros((len(images), images[0].rows, images[0].columns), dtype=np.uint8)
    _fill(labels, dcmread(path), places, LABEL_OF_ECHO_SEGMENT)
    return labels


def _fill(
    labels: NDArray[np.uint8],
    segmentation: Dataset,
    places: Mapping[Source, tuple[int, ...]],
    label_of_segment: Mapping[int, int],
) -> None:
    """Put every frame of a segmentation where its source image stands."""
    groups = segmentation.PerFrameFunctionalGroupsSequence
    for group, mask in zip(groups, _masks(segmentation), strict=True):
        place = places.get(_source(group))
        if place is None or mask.shape != labels.shape[-2:]:
            raise of_other_images()
        number = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        labels[place][mask] = label_of_segment[number]


def _masks(segmentation: Dataset) -> NDArray[np.bool_]:
    """(frame, y, x) of a BINARY segmentation: one bit a pixel, first pixel lowest (PS3.5 section 8.1.1)."""
    shape = (int(segmentation.NumberOfFrames), int(segmentation.Rows), int(segmentation.Columns))
    packed = np.frombuffer(segmentation.PixelData, dtype=np.uint8)
    bits = np.unpackbits(packed, count=int(np.prod(shape)), bitorder="little")
    return bits.reshape(shape).astype(bool)


def _source(group: Dataset) -> Source:
    image = group.DerivationImageSequence[0].SourceImageSequence[0]
    frame = image.get("ReferencedFrameNumber")
    return str(image.ReferencedSOPInstanceUID), None if frame is None else int(frame)


def of_other_images() -> StudyRefused:
    """The refusal of contours whose images are gone."""
    return StudyRefused(
        "segmentation_of_other_images",
        "The contours were drawn on images that are not in the study any more.",
        "The study has changed since; wait for its new analysis.",
    )
