"""DICOM Segmentation objects: the whole cine with time as a dimension, and one each for ED and ES.

highdicom's constructor takes two frames at one position for a mistake, which is what a cine is made of, so
the multi-frame modules are filled here (PS3.3 sections A.51 and C.8.20); its building blocks describe the
segments. Segments are BINARY, since few archives and viewers know label maps yet. A frame is stored only
where its segment is present.
"""

from __future__ import annotations

from collections.abc import Sequence

import highdicom
import numpy as np
from highdicom.color import CIELabColor
from highdicom.seg import SegmentDescription
from numpy.typing import NDArray
from pydicom import DataElement, Dataset
from pydicom.datadict import tag_for_keyword

from cvai.errors import HeartRefused
from cvai.heart.anatomy import SAX_LABELS, Structure
from cvai.heart.segmentation import ModelIdentity
from cvai.results import codes
from cvai.results.analysis import Verification
from cvai.results.codes import CardiacPhase
from cvai.results.encoded import put_sequence
from cvai.results.frames import (
    SEGMENT_NUMBERS,
    FrameGroups,
    LabelledFrame,
    decimal_string,
    decimal_strings,
    labelled_frames,
)
from cvai.results.instance import NOT_FOR_CLINICAL_USE, AnyContext, ResultContext, new_instance
from cvai.results.source import checked_value, series_references, verbatim_element
from cvai.results.uids import ResultKind
from cvai.study.frames import frame_attributes

PIXEL_DATA = 0x7FE00010
PHASE_KINDS = {CardiacPhase.END_DIASTOLE: ResultKind.SEG_ED, CardiacPhase.END_SYSTOLE: ResultKind.SEG_ES}


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
    has_time = kind is ResultKind.SEG_CINE
    stack = context.analysis.cine.stack
    groups = FrameGroups(stack.geometry, context.sources, stack.phase_times_ms, has_time=has_time)
    instance = new_instance(context, kind)
    add_segmentation_image(instance, labels.shape[2:], kind)
    verification = context.analysis.verification
    instance.ContentCreatorName = None if verification is None else verification.name
    instance.SegmentSequence = [
        segment_description(context, structure, SEGMENT_NUMBERS[structure], tracking_id(structure, when))
        for structure in SAX_LABELS
    ]
    instance.ReferencedSeriesSequence = series_references(
        source for t in phases for source in context.sources[t]
    )
    _add_frame_of_reference(instance, context)
    _add_dimensions(instance, context.uids.dimension_organization(kind), has_time=has_time)
    instance.SharedFunctionalGroupsSequence = [_shared_groups(context)]
    put_sequence(instance, "PerFrameFunctionalGroupsSequence", groups.items(frames))
    instance.NumberOfFrames = len(frames)
    instance.add(DataElement(PIXEL_DATA, "OB", packed_frames(labels, frames)))
    return instance


def packed_frames(labels: NDArray[np.uint8], frames: Sequence[LabelledFrame]) -> bytes:
    """Pixel data of BINARY frames: one bit a pixel, first pixel lowest, no gaps (PS3.5 section 8.1.1)."""
    masks = np.empty((len(frames), *labels.shape[2:]), np.bool_)
    for mask, frame in zip(masks, frames, strict=True):
        np.equal(labels[frame.t, frame.z], SAX_LABELS[frame.structure], out=mask)
    packed = np.packbits(masks, bitorder="little").tobytes()
    return packed + b"\0" * (len(packed) % 2)


def add_segmentation_image(instance: Dataset, shape: tuple[int, ...], kind: ResultKind) -> None:
    """Segmentation Image module of BINARY segments (PS3.3 section C.8.20.2); ``shape`` is (rows, columns)."""
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


def segment_description(context: AnyContext, structure: Structure, number: int, tracked_as: str) -> Dataset:
    """Item of the Segment Sequence: what the segment is, and which model drew it."""
    segment: Dataset = SegmentDescription(
        segment_number=number,
        segment_label=structure.display_name,
        segmented_property_category=codes.ANATOMICAL_STRUCTURE,
        segmented_property_type=codes.STRUCTURE_CODES[structure],
        algorithm_type=_algorithm_type(context.analysis.verification),
        algorithm_identification=algorithm_identification(context.analysis.model),
        tracking_uid=context.uids.tracking(tracked_as),
        tracking_id=tracked_as,
        display_color=CIELabColor.from_rgb(*codes.STRUCTURE_RGB[structure]),
    )
    return segment


def _algorithm_type(verification: Verification | None) -> str:
    return "SEMIAUTOMATIC" if verification is not None and verification.changed else "AUTOMATIC"


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


def _add_dimensions(instance: Dataset, organization_uid: str, *, has_time: bool) -> None:
    """Multi-frame Dimension module (PS3.3 section C.7.6.17): segment, phase where there are many, slice."""
    organization = Dataset()
    organization.DimensionOrganizationUID = organization_uid
    instance.DimensionOrganizationSequence = [organization]
    pointers = [
        ("ReferencedSegmentNumber", "SegmentIdentificationSequence"),
        ("TemporalPositionIndex", "FrameContentSequence"),
        ("ImagePositionPatient", "PlanePositionSequence"),
    ]
    if not has_time:
        del pointers[1]
    instance.DimensionIndexSequence = [
        _dimension(organization_uid, attribute, group) for attribute, group in pointers
    ]


def _dimension(organization_uid: str, attribute: str, group: str) -> Dataset:
    item = Dataset()
    item.DimensionOrganizationUID = organization_uid
    item.DimensionIndexPointer = tag_for_keyword(attribute)
    item.FunctionalGroupPointer = tag_for_keyword(group)
    item.DimensionDescriptionLabel = attribute
    return item


def _shared_groups(context: ResultContext) -> Dataset:
    geometry = context.analysis.cine.stack.geometry
    plane = context.analysis.cine.planes[0][0]
    stated = frame_attributes(plane.header, plane.frame_number, "PixelMeasuresSequence")
    thickness_mm = checked_value(stated, "SliceThickness")
    measures = Dataset()
    measures.PixelSpacing = decimal_strings([geometry.spacing_y_mm, geometry.spacing_x_mm])
    measures.SliceThickness = thickness_mm or decimal_string(geometry.slice_spacing_mm)
    measures.SpacingBetweenSlices = decimal_string(geometry.slice_spacing_mm)
    orientation = Dataset()
    orientation.ImageOrientationPatient = decimal_strings([*geometry.row_cosine, *geometry.column_cosine])
    groups = Dataset()
    groups.PixelMeasuresSequence = [measures]
    groups.PlaneOrientationSequence = [orientation]
    return groups
