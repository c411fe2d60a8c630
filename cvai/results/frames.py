"""Frames of a segmentation: which are stored, in which order, and what each says about itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.valuerep import format_number_as_ds

from cvai.heart.anatomy import SAX_LABELS, Structure
from cvai.heart.geometry import StackGeometry
from cvai.results import codes
from cvai.results.encoded import encoded, encoded_item, encoded_sequence
from cvai.results.source import SourceImage, encoded_code

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
    segment, is encoded once and stands in every frame it belongs to.

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
        self._has_time = has_time
        self._derivations = [[encoded_derivation(source) for source in phase] for phase in sources]
        self._comments = _comments(phase_times_ms, len(sources))
        self._positions = [_plane_position(geometry, z) for z in range(geometry.n_slices)]
        self._segments = {structure: _segment_identification(structure) for structure in SAX_LABELS}

    def items(self, frames: Sequence[LabelledFrame]) -> list[bytes]:
        """Encoded items of the Per-frame Functional Groups Sequence, in the order of ``frames``."""
        return [
            encoded_item(
                self._derivations[frame.t][frame.z],
                self._frame_content(frame),
                self._positions[frame.z],
                self._segments[frame.structure],
            )
            for frame in frames
        ]

    def _frame_content(self, frame: LabelledFrame) -> bytes:
        time = [frame.time_index + 1] if self._has_time else []
        content = encoded_item(
            encoded("StackID", STACK_ID),
            encoded("InStackPositionNumber", frame.z + 1),
            encoded("TemporalPositionIndex", frame.time_index + 1),
            encoded("DimensionIndexValues", SEGMENT_NUMBERS[frame.structure], *time, frame.z + 1),
            self._comments[frame.t],
        )
        return encoded_sequence("FrameContentSequence", [content])


def _comments(phase_times_ms: NDArray[np.float64] | None, n_phases: int) -> list[bytes]:
    """Time of every phase in words, nothing where it is not told."""
    if phase_times_ms is None:
        return [b""] * n_phases
    return [encoded("FrameComments", f"{time_ms:.1f} ms after the R wave") for time_ms in phase_times_ms]


def _plane_position(geometry: StackGeometry, z: int) -> bytes:
    position = encoded("ImagePositionPatient", *decimal_strings(geometry.positions_mm[z]))
    return encoded_sequence("PlanePositionSequence", [encoded_item(position)])


def encoded_derivation(source: SourceImage) -> bytes:
    """The Derivation Image functional group: which image a frame lies on, pixel by pixel."""
    image = encoded_item(source.encoded_reference(), encoded("SpatialLocationsPreserved", "YES"), _PURPOSE)
    item = encoded_item(encoded_sequence("SourceImageSequence", [image]), _DERIVATION)
    return encoded_sequence("DerivationImageSequence", [item])


def _segment_identification(structure: Structure) -> bytes:
    number = encoded("ReferencedSegmentNumber", SEGMENT_NUMBERS[structure])
    return encoded_sequence("SegmentIdentificationSequence", [encoded_item(number)])


_PURPOSE = encoded_code("PurposeOfReferenceCodeSequence", codes.SOURCE_IMAGE_FOR_PROCESSING)
_DERIVATION = encoded_code("DerivationCodeSequence", codes.SEGMENTATION_DERIVATION)
"""Why every frame names its source, and how it was derived: the same in hundreds of frames."""
