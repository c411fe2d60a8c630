"""A cine segmentation read back onto the cine it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from cvai.errors import StudyRefused
from cvai.heart.anatomy import SAX_LABELS
from cvai.heart.segmentation import CineSegmentation
from cvai.results.frames import SEGMENT_NUMBERS
from cvai.study.values import AssembledCine

LABEL_OF_SEGMENT: Mapping[int, int] = {SEGMENT_NUMBERS[s]: SAX_LABELS[s] for s in SAX_LABELS}


def read_labels(path: Path, cine: AssembledCine) -> CineSegmentation:
    """Labels of a cine SEG that cvai wrote, on the grid of ``cine``.

    Every frame goes where its source image stands in the cine: nothing is matched by position.

    Args:
        path: the segmentation object.
        cine: the cine it was made from, assembled from the same images.

    Raises:
        StudyRefused: ``segmentation_of_other_images``: a frame was drawn on an image that is not in the cine.
    """
    segmentation = dcmread(path)
    places = {
        (plane.sop_instance_uid, plane.frame_number): (t, z)
        for t, phase in enumerate(cine.planes)
        for z, plane in enumerate(phase)
    }
    labels = np.zeros(cine.stack.pixels.shape, dtype=np.uint8)
    groups = segmentation.PerFrameFunctionalGroupsSequence
    for group, mask in zip(groups, _masks(segmentation), strict=True):
        place = places.get(_source(group))
        if place is None or mask.shape != labels.shape[2:]:
            raise _of_other_images()
        number = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        labels[place][mask] = LABEL_OF_SEGMENT[number]
    return CineSegmentation(labels, cine.stack.geometry)


def _masks(segmentation: Dataset) -> NDArray[np.bool_]:
    """(frame, y, x) of a BINARY segmentation: one bit a pixel, first pixel lowest (PS3.5 section 8.1.1)."""
    shape = (int(segmentation.NumberOfFrames), int(segmentation.Rows), int(segmentation.Columns))
    packed = np.frombuffer(segmentation.PixelData, dtype=np.uint8)
    bits = np.unpackbits(packed, count=int(np.prod(shape)), bitorder="little")
    return bits.reshape(shape).astype(bool)


def _source(group: Dataset) -> tuple[str, int | None]:
    image = group.DerivationImageSequence[0].SourceImageSequence[0]
    frame = image.get("ReferencedFrameNumber")
    return str(image.ReferencedSOPInstanceUID), None if frame is None else int(frame)


def _of_other_images() -> StudyRefused:
    return StudyRefused(
        "segmentation_of_other_images",
        "The contours were drawn on images that are not in the study any more.",
        "The study has changed since; wait for its new analysis.",
    )
