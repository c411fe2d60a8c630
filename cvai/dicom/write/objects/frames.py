"""Frames of a segmentation: which are stored, in which order, and what each says about itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.valuerep import format_number_as_ds

from cvai.dicom.write import codes
from cvai.dicom.write.objects.encoded import encoded, encoded_item, encoded_sequence
from cvai.dicom.write.plan import DrawnSegments, Segment
from cvai.dicom.write.source import SourceImage, encoded_code
from cvai.domain.geometry import StackGeometry

STACK_ID = "1"


@dataclass(frozen=True, slots=True)
class LabelledFrame:
    """A frame of the segmentation: one segment in one slice of one phase, all 0-based.

    ``time_index`` is the place of the phase among the phases of this object.
    """

    segment: Segment
    t: int
    z: int
    time_index: int


def labelled_frames(drawn: DrawnSegments) -> list[LabelledFrame]:
    """Frames to store, by segment, then phase, then slice; where a segment is absent there is none."""
    return [
        LabelledFrame(segment, t, int(z), time_index)
        for segment in drawn.segments
        for time_index, t in enumerate(drawn.phases)
        for z in np.flatnonzero((drawn.labels[t] == segment.number).any(axis=(1, 2)))
    ]


DS_LENGTH = 16
"""Most characters of a DS value (PS3.5 section 6.2)."""


def decimal_string(value: float) -> str:
    """A number as a DS value, as precisely as its 16 characters allow.

    >>> decimal_string(9.999999999999998)
    '10.0'
    """
    text = format_number_as_ds(value)
    # pydicom counts the digits before it rounds: just below a power of ten it takes one character too many.
    return text if len(text) <= DS_LENGTH else format_number_as_ds(float(f"{value:.12g}"))


def decimal_strings(values: Sequence[float] | NDArray[np.float64]) -> list[str]:
    """Numbers as DS values."""
    return [decimal_string(float(value)) for value in values]


class FrameGroups:
    """Per-frame functional groups of a segmentation (PS3.3 section C.7.6.16.2).

    What frames have in common, the position of a slice, the source of a phase and slice, the number of a
    segment, is encoded once and stands in every frame it belongs to. The time of a phase stands as a comment:
    the Segmentation IOD has no attribute for it, and each frame's source image has its own. ``sources`` are
    (t)(z).
    """

    def __init__(self, drawn: DrawnSegments, sources: Sequence[Sequence[SourceImage]]) -> None:
        self._drawn = drawn
        self._derivations = [[encoded_derivation(source) for source in phase] for phase in sources]
        self._comments = _comments(drawn.times_ms, len(sources))
        self._positions = _plane_positions(drawn)
        self._segments = {s.number: _segment_identification(s.number) for s in drawn.segments}

    def items(self, frames: Sequence[LabelledFrame]) -> list[bytes]:
        """Encoded items of the Per-frame Functional Groups Sequence, in the order of ``frames``."""
        return [
            encoded_item(
                self._derivations[frame.t][frame.z],
                self._frame_content(frame),
                self._positions[frame.z],
                self._segments[frame.segment.number],
            )
            for frame in frames
        ]

    def _frame_content(self, frame: LabelledFrame) -> bytes:
        has_place = self._drawn.geometry is not None
        in_stack = (encoded("StackID", STACK_ID), encoded("InStackPositionNumber", frame.z + 1))
        time = [frame.time_index + 1] if self._drawn.has_time else []
        place = [frame.z + 1] if has_place else []
        content = encoded_item(
            *(in_stack if has_place else ()),
            encoded("TemporalPositionIndex", frame.time_index + 1),
            encoded("DimensionIndexValues", frame.segment.number, *time, *place),
            self._comments[frame.t],
        )
        return encoded_sequence("FrameContentSequence", [content])


def _comments(phase_times_ms: NDArray[np.float64] | None, n_phases: int) -> list[bytes]:
    """Time of every phase in words, empty where it is unknown."""
    if phase_times_ms is None:
        return [b""] * n_phases
    return [encoded("FrameComments", f"{time_ms:.1f} ms after the R wave") for time_ms in phase_times_ms]


def _plane_positions(drawn: DrawnSegments) -> list[bytes]:
    """Place of every slice in the patient; nothing where the images have none."""
    if drawn.geometry is None:
        return [b""] * drawn.labels.shape[1]
    return [_plane_position(drawn.geometry, z) for z in range(drawn.geometry.n_slices)]


def _plane_position(geometry: StackGeometry, z: int) -> bytes:
    position = encoded("ImagePositionPatient", *decimal_strings(geometry.positions_mm[z]))
    return encoded_sequence("PlanePositionSequence", [encoded_item(position)])


def encoded_derivation(source: SourceImage) -> bytes:
    """The Derivation Image functional group: which image a frame lies on, pixel by pixel."""
    image = encoded_item(source.encoded_reference(), encoded("SpatialLocationsPreserved", "YES"), _PURPOSE)
    item = encoded_item(encoded_sequence("SourceImageSequence", [image]), _DERIVATION)
    return encoded_sequence("DerivationImageSequence", [item])


def _segment_identification(number: int) -> bytes:
    item = encoded_item(encoded("ReferencedSegmentNumber", number))
    return encoded_sequence("SegmentIdentificationSequence", [item])


_PURPOSE = encoded_code("PurposeOfReferenceCodeSequence", codes.SOURCE_IMAGE_FOR_PROCESSING)
_DERIVATION = encoded_code("DerivationCodeSequence", codes.SEGMENTATION_DERIVATION)
"""Why every frame names its source, and how it was derived: the same in hundreds of frames."""
