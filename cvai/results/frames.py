"""Frames of a segmentation: which are stored, in which order, and what each says about itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.charset import default_encoding
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_sequence
from pydicom.valuerep import format_number_as_ds

from cvai.heart.anatomy import SAX_LABELS, Structure
from cvai.heart.geometry import StackGeometry
from cvai.results import codes
from cvai.results.source import SourceImage, code_item, verbatim_element

SEGMENT_NUMBERS = SAX_LABELS
"""Segment Number of every structure; the label values already count from 1 without a gap."""

STACK_ID = "1"


@dataclass(frozen=True, slots=True)
class LabelledFrame:
    """A frame of the segmentation: one structure in one slice of one phase, all 0-based.

    Args:
        structure: what is marked.
        t: phase of the cine.
        z: slice of the stack.
        time_index: place of the phase among the phases of this object.
    """

    structure: Structure
    t: int
    z: int
    time_index: int


def labelled_frames(labels: NDArray[np.uint8], phases: Sequence[int]) -> list[LabelledFrame]:
    """Frames to store, by structure, then phase, then slice; where a structure is absent there is none.

    Args:
        labels: (t, z, y, x) values of ``SAX_LABELS``.
        phases: indices of the phases to store.
    """
    return [
        LabelledFrame(structure, t, int(z), time_index)
        for structure in SAX_LABELS
        for time_index, t in enumerate(phases)
        for z in np.flatnonzero((labels[t] == SAX_LABELS[structure]).any(axis=(1, 2)))
    ]


def decimal_strings(values: Sequence[float] | NDArray[np.float64]) -> list[str]:
    """Numbers as DS values, as precisely as their 16 characters allow."""
    return [format_number_as_ds(float(value)) for value in values]


class FrameGroups:
    """Per-frame functional groups of a segmentation (PS3.3 section C.7.6.16.2).

    What frames have in common, the position of a slice, the source of a phase and slice, the number of a
    segment, is encoded once and stands in every frame it belongs to; pydicom would otherwise spend most of
    the time a cine takes on encoding the same items again.

    Args:
        geometry: the grid of the labels.
        sources: (t)(z) source image of every frame of the cine.
        phase_times_ms: (t,) time of every phase, None where the study does not tell time. It stands as a
            comment: the Segmentation IOD has no attribute for it, and each frame's source image has its own.
        has_time: whether the phase is a dimension of the segmentation.
    """

    def __init__(
        self,
        geometry: StackGeometry,
        sources: Sequence[Sequence[SourceImage]],
        phase_times_ms: NDArray[np.float64] | None,
        *,
        has_time: bool,
    ) -> None:
        self._phase_times_ms = phase_times_ms
        self._has_time = has_time
        self._sources = sources
        self._positions = [_plane_position(geometry, z) for z in range(geometry.n_slices)]
        self._segments = {structure: _segment_identification(structure) for structure in SAX_LABELS}

    def items(self, frames: Sequence[LabelledFrame]) -> list[Dataset]:
        """Items of the Per-frame Functional Groups Sequence, in the order of ``frames``."""
        places = {(frame.t, frame.z) for frame in frames}
        derivations = {(t, z): _derivation(self._sources[t][z]) for t, z in places}
        return [self._item(frame, derivations[frame.t, frame.z]) for frame in frames]

    def _item(self, frame: LabelledFrame, derivation: RawDataElement) -> Dataset:
        item = Dataset()
        item.FrameContentSequence = [self._frame_content(frame)]
        for element in (self._positions[frame.z], derivation, self._segments[frame.structure]):
            item[element.tag] = element
        item.set_original_encoding(False, True, default_encoding)
        return item

    def _frame_content(self, frame: LabelledFrame) -> Dataset:
        content = Dataset()
        time = [frame.time_index + 1] if self._has_time else []
        content.DimensionIndexValues = [SEGMENT_NUMBERS[frame.structure], *time, frame.z + 1]
        content.StackID = STACK_ID
        content.InStackPositionNumber = frame.z + 1
        content.TemporalPositionIndex = frame.time_index + 1
        if self._phase_times_ms is not None:
            content.FrameComments = f"{self._phase_times_ms[frame.t]:.1f} ms after the R wave"
        return content


def _plane_position(geometry: StackGeometry, z: int) -> RawDataElement:
    item = Dataset()
    item.ImagePositionPatient = decimal_strings(geometry.positions_mm[z])
    return _encoded("PlanePositionSequence", item)


def _derivation(source: SourceImage) -> RawDataElement:
    image = source.reference()
    image.SpatialLocationsPreserved = "YES"
    image[_PURPOSE.tag] = _PURPOSE
    image.set_original_encoding(False, True, default_encoding)
    item = Dataset()
    item.SourceImageSequence = [image]
    item[_DERIVATION.tag] = _DERIVATION
    item.set_original_encoding(False, True, default_encoding)
    return _encoded("DerivationImageSequence", item)


def _segment_identification(structure: Structure) -> RawDataElement:
    item = Dataset()
    item.ReferencedSegmentNumber = SEGMENT_NUMBERS[structure]
    return _encoded("SegmentIdentificationSequence", item)


def _encoded(keyword: str, item: Dataset) -> RawDataElement:
    """A sequence of one item in Explicit VR Little Endian; its text is ASCII."""
    element = verbatim_element(keyword, [item])
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_sequence(buffer, element, [default_encoding])
    value = buffer.getvalue()
    return RawDataElement(element.tag, "SQ", len(value), value, 0, False, True)


_PURPOSE = _encoded("PurposeOfReferenceCodeSequence", code_item(codes.SOURCE_IMAGE_FOR_PROCESSING))
_DERIVATION = _encoded("DerivationCodeSequence", code_item(codes.SEGMENTATION_DERIVATION))
"""Why every frame names its source, and how it was derived: the same in hundreds of frames."""
