"""DICOM Segmentation objects: the whole cine with time as a dimension, and one each for ED and ES.

highdicom's constructor takes two frames at one position for a mistake, which is what a cine is made of, so
the multi-frame modules are filled here (PS3.3 sections A.51 and C.8.20); its building blocks describe the
segments. Segments are BINARY, since few archives and viewers know label maps yet. A frame is stored only
where its segment is present.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highdicom
import numpy as np
from highdicom.color import CIELabColor
from highdicom.seg import SegmentDescription
from numpy.typing import NDArray
from pydicom import DataElement, Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.valuerep import format_number_as_ds

from cvai.errors import HeartRefused
from cvai.heart.anatomy import SAX_LABELS, Structure
from cvai.heart.geometry import StackGeometry
from cvai.heart.segmentation import ModelIdentity
from cvai.results import codes
from cvai.results.codes import CardiacPhase
from cvai.results.instance import NOT_FOR_CLINICAL_USE, ResultContext, new_instance
from cvai.results.source import SourceImage, checked_value, code_item, series_references, verbatim_element
from cvai.results.uids import ResultKind

SEGMENT_NUMBERS = SAX_LABELS
"""Segment Number of every structure; the label values already count from 1 without a gap."""

PHASE_KINDS = {CardiacPhase.END_DIASTOLE: ResultKind.SEG_ED, CardiacPhase.END_SYSTOLE: ResultKind.SEG_ES}
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


def tracking_id(structure: Structure, when: str) -> str:
    """Tracking ID of a structure at a time: an ED or ES phase, or ``cine`` for the moving structure."""
    return f"{structure.display_name}, {when}"


def cine_segmentation(context: ResultContext) -> Dataset:
    """Segmentation of every phase, with the phase as a dimension."""
    phases = range(context.analysis.segmentation.n_phases)
    return _segmentation(context, ResultKind.SEG_CINE, phases, "cine")


def phase_segmentation(context: ResultContext, phase: CardiacPhase) -> Dataset:
    """Segmentation at end-diastole or end-systole."""
    return _segmentation(context, PHASE_KINDS[phase], [phase_index(context, phase)], phase)


def phase_index(context: ResultContext, phase: CardiacPhase) -> int:
    """0-based index of a key phase into the cine."""
    phases = context.analysis.phases
    return phases.end_diastole if phase is CardiacPhase.END_DIASTOLE else phases.end_systole


def _segmentation(context: ResultContext, kind: ResultKind, phases: Sequence[int], when: str) -> Dataset:
    labels = context.analysis.segmentation.labels
    frames = labelled_frames(labels, phases)
    if not frames:
        raise HeartRefused(
            "segmentation_empty",
            f"no voxel is labelled in the {when} segmentation",
            "Check that the series shows the heart in short axis.",
        )
    instance = new_instance(context, kind)
    _add_segmentation_image(instance, labels.shape[2:], kind)
    instance.SegmentSequence = [_segment(context, structure, when) for structure in Structure]
    instance.ReferencedSeriesSequence = series_references(
        source for t in phases for source in context.sources[t]
    )
    _add_frame_of_reference(instance, context)
    _add_dimensions(instance, context, kind)
    instance.SharedFunctionalGroupsSequence = [_shared_groups(context)]
    instance.PerFrameFunctionalGroupsSequence = FrameGroups(context, kind).items(frames)
    instance.NumberOfFrames = len(frames)
    instance.PixelData = packed_frames(labels, frames)
    return instance


def labelled_frames(labels: NDArray[np.uint8], phases: Sequence[int]) -> list[LabelledFrame]:
    """Frames to store, by structure, then phase, then slice; where a structure is absent there is none.

    Args:
        labels: (t, z, y, x) values of ``SAX_LABELS``.
        phases: indices of the phases to store.
    """
    return [
        LabelledFrame(structure, t, int(z), time_index)
        for structure in Structure
        for time_index, t in enumerate(phases)
        for z in np.flatnonzero((labels[t] == SAX_LABELS[structure]).any(axis=(1, 2)))
    ]


def packed_frames(labels: NDArray[np.uint8], frames: Sequence[LabelledFrame]) -> bytes:
    """Pixel data of BINARY frames: one bit a pixel, first pixel lowest, no gaps (PS3.5 section 8.1.1)."""
    masks = np.stack([labels[f.t, f.z] == SAX_LABELS[f.structure] for f in frames])
    packed = np.packbits(masks, bitorder="little").tobytes()
    return packed + b"\0" * (len(packed) % 2)


def _add_segmentation_image(instance: Dataset, shape: tuple[int, ...], kind: ResultKind) -> None:
    instance.ImageType = ["DERIVED", "PRIMARY"]
    instance.Rows, instance.Columns = shape
    instance.SamplesPerPixel = 1
    instance.PhotometricInterpretation = "MONOCHROME2"
    instance.BitsAllocated = instance.BitsStored = 1
    instance.HighBit = instance.PixelRepresentation = 0
    instance.LossyImageCompression = "00"
    instance.SegmentationType = "BINARY"
    instance.SegmentsOverlap = "NO"
    instance.ContentLabel = kind.upper()
    instance.ContentDescription = NOT_FOR_CLINICAL_USE
    instance.ContentCreatorName = None


def _segment(context: ResultContext, structure: Structure, when: str) -> Dataset:
    name = tracking_id(structure, when)
    segment: Dataset = SegmentDescription(
        segment_number=SEGMENT_NUMBERS[structure],
        segment_label=structure.display_name,
        segmented_property_category=codes.ANATOMICAL_STRUCTURE,
        segmented_property_type=codes.STRUCTURE_CODES[structure],
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm_identification(context.analysis.model),
        tracking_uid=context.uids.tracking(name),
        tracking_id=name,
        display_color=CIELabColor.from_rgb(*codes.STRUCTURE_RGB[structure]),
    )
    return segment


def algorithm_identification(model: ModelIdentity) -> highdicom.AlgorithmIdentificationSequence:
    """Which model made the segments (PS3.3 section 10.16)."""
    return highdicom.AlgorithmIdentificationSequence(
        name=f"cvai {model.name}",
        family=codes.ARTIFICIAL_INTELLIGENCE,
        version=model.version,
        source="cvai",
        parameters={"model_sha256": model.sha256, "provider": model.provider},
    )


def _add_frame_of_reference(instance: Dataset, context: ResultContext) -> None:
    instance.add(verbatim_element("FrameOfReferenceUID", context.frame_of_reference_uid))
    if "PositionReferenceIndicator" not in instance:
        instance.PositionReferenceIndicator = None


def _add_dimensions(instance: Dataset, context: ResultContext, kind: ResultKind) -> None:
    """Multi-frame Dimension module (PS3.3 section C.7.6.17): segment, phase where there are many, slice."""
    organization = Dataset()
    organization.DimensionOrganizationUID = context.uids.dimension_organization(kind)
    instance.DimensionOrganizationSequence = [organization]
    pointers = [
        ("ReferencedSegmentNumber", "SegmentIdentificationSequence"),
        ("TemporalPositionIndex", "FrameContentSequence"),
        ("ImagePositionPatient", "PlanePositionSequence"),
    ]
    if kind is not ResultKind.SEG_CINE:
        del pointers[1]
    instance.DimensionIndexSequence = [
        _dimension(organization.DimensionOrganizationUID, attribute, group) for attribute, group in pointers
    ]


def _dimension(organization_uid: str, attribute: str, group: str) -> Dataset:
    item = Dataset()
    item.DimensionOrganizationUID = organization_uid
    item.DimensionIndexPointer = tag_for_keyword(attribute)
    item.FunctionalGroupPointer = tag_for_keyword(group)
    item.DimensionDescriptionLabel = attribute
    return item


def _ds(values: Sequence[float] | NDArray[np.float64]) -> list[str]:
    return [format_number_as_ds(float(value)) for value in values]


def _shared_groups(context: ResultContext) -> Dataset:
    geometry = context.analysis.segmentation.geometry
    thickness_mm = checked_value(context.first_header, "SliceThickness")
    measures = Dataset()
    measures.PixelSpacing = _ds([geometry.spacing_y_mm, geometry.spacing_x_mm])
    measures.SliceThickness = thickness_mm or format_number_as_ds(geometry.slice_spacing_mm)
    measures.SpacingBetweenSlices = format_number_as_ds(geometry.slice_spacing_mm)
    orientation = Dataset()
    orientation.ImageOrientationPatient = _ds([*geometry.row_cosine, *geometry.column_cosine])
    groups = Dataset()
    groups.PixelMeasuresSequence = [measures]
    groups.PlaneOrientationSequence = [orientation]
    return groups


class FrameGroups:
    """Per-frame functional groups of a segmentation.

    Frames share what they have in common: the position of a slice, the source of a phase and slice, the
    number of a segment are made once and used in every frame they belong to. That makes a cine of 750 frames
    three times quicker to build.

    Args:
        context: what the segmentation is made from.
        kind: the cine, or one phase.
    """

    def __init__(self, context: ResultContext, kind: ResultKind) -> None:
        self._is_cine = kind is ResultKind.SEG_CINE
        geometry = context.analysis.segmentation.geometry
        self._positions = [_plane_position(geometry, z) for z in range(geometry.n_slices)]
        self._derivations = [[_derivation(source) for source in phase] for phase in context.sources]
        self._segments = {structure: _segment_identification(structure) for structure in Structure}

    def items(self, frames: Sequence[LabelledFrame]) -> list[Dataset]:
        """Items of the Per-frame Functional Groups Sequence, in the order of ``frames``."""
        return [self._item(frame) for frame in frames]

    def _item(self, frame: LabelledFrame) -> Dataset:
        item = Dataset()
        item.FrameContentSequence = [self._frame_content(frame)]
        item.add(self._positions[frame.z])
        item.add(self._derivations[frame.t][frame.z])
        item.add(self._segments[frame.structure])
        return item

    def _frame_content(self, frame: LabelledFrame) -> Dataset:
        content = Dataset()
        time = [frame.time_index + 1] if self._is_cine else []
        content.DimensionIndexValues = [SEGMENT_NUMBERS[frame.structure], *time, frame.z + 1]
        content.StackID = STACK_ID
        content.InStackPositionNumber = frame.z + 1
        content.TemporalPositionIndex = frame.time_index + 1
        return content


def _sequence(keyword: str, item: Dataset) -> DataElement:
    return verbatim_element(keyword, [item])


def _plane_position(geometry: StackGeometry, z: int) -> DataElement:
    item = Dataset()
    item.ImagePositionPatient = _ds(geometry.positions_mm[z])
    return _sequence("PlanePositionSequence", item)


def _derivation(source: SourceImage) -> DataElement:
    image = source.reference()
    image.PurposeOfReferenceCodeSequence = [code_item(codes.SOURCE_IMAGE_FOR_PROCESSING)]
    image.SpatialLocationsPreserved = "YES"
    item = Dataset()
    item.SourceImageSequence = [image]
    item.DerivationCodeSequence = [code_item(codes.SEGMENTATION_DERIVATION)]
    return _sequence("DerivationImageSequence", item)


def _segment_identification(structure: Structure) -> DataElement:
    item = Dataset()
    item.ReferencedSegmentNumber = SEGMENT_NUMBERS[structure]
    return _sequence("SegmentIdentificationSequence", item)
