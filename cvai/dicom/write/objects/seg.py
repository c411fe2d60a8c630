"""DICOM Segmentation objects, with time as a dimension where phases are many.

highdicom's constructor takes two frames at one position for a mistake, which is what a cine is made of, so
the multi-frame modules are filled here (PS3.3 sections A.51 and C.8.20); its building blocks describe the
segments. Segments are BINARY, since few archives and viewers know label maps yet. A frame is stored only
where its segment is present.

Images without a place in the patient, as of ultrasound, have no frame of reference and no plane position: a
frame says which image it lies on, pixel by pixel (PS3.3 section A.51.3: geometry is required only where the
Derivation Image functional group is not there). How large a pixel is, the image itself says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from itertools import islice

import highdicom
import numpy as np
from highdicom.color import CIELabColor
from highdicom.seg import SegmentDescription
from numpy.typing import NDArray
from pydicom import DataElement, Dataset
from pydicom.datadict import tag_for_keyword

from cvai.dicom.read.pixels.frames import frame_attributes
from cvai.dicom.read.values import ImagePlane
from cvai.dicom.write import codes
from cvai.dicom.write.analysis import Analysed, AnyAnalysed
from cvai.dicom.write.instance import NOT_FOR_CLINICAL_USE, ResultContext, new_instance
from cvai.dicom.write.objects.encoded import put_sequence
from cvai.dicom.write.objects.frames import (
    FrameGroups,
    LabelledFrame,
    decimal_string,
    decimal_strings,
    labelled_frames,
)
from cvai.dicom.write.plan import DrawnSegments, Segment
from cvai.dicom.write.source import SourceImage, checked_value, series_references, verbatim_element
from cvai.domain.geometry import StackGeometry
from cvai.domain.message import say
from cvai.domain.segmentation import ModelIdentity
from cvai.errors import HeartRefused

PIXEL_DATA = 0x7FE00010


def tracking_id(segment: Segment, when: str) -> str:
    """Tracking ID of a segment at a time: an ED or ES phase, or ``cine`` for what moves."""
    return f"{segment.name}, {when}"


def segmentation(context: ResultContext[AnyAnalysed], drawn: DrawnSegments) -> Dataset:
    """One Segmentation object.

    Raises:
        HeartRefused: nothing is labelled.
    """
    frames = labelled_frames(drawn)
    if not frames:
        raise HeartRefused(
            "segmentation_empty",
            say("no voxel is labelled in the {images} segmentation", images=drawn.name),
            say("Check that the images show the heart."),
        )
    sources = [[SourceImage.of(plane) for plane in phase] for phase in drawn.planes]
    instance = new_instance(context, drawn.kind)
    _add_image(instance, drawn)
    verification = context.analysis.verification
    instance.ContentCreatorName = None if verification is None else verification.name
    instance.SegmentSequence = [
        _segment_description(context, segment, tracking_id(segment, drawn.name)) for segment in drawn.segments
    ]
    instance.ReferencedSeriesSequence = series_references(
        source for t in drawn.phases for source in sources[t]
    )
    _add_place(instance, context, drawn)
    _add_dimensions(instance, context.uids.dimension_organization(drawn.kind), drawn)
    put_sequence(instance, "PerFrameFunctionalGroupsSequence", FrameGroups(drawn, sources).items(frames))
    instance.NumberOfFrames = len(frames)
    instance.add(DataElement(PIXEL_DATA, "OB", packed_frames(drawn, frames)))
    return instance


def packed_frames(drawn: DrawnSegments, frames: Sequence[LabelledFrame]) -> bytes:
    """Pixel data of BINARY frames: one bit a pixel, first pixel lowest, no gaps (PS3.5 section 8.1.1)."""
    return packed_masks(drawn.labels[frame.t, frame.z] == frame.segment.number for frame in frames)


def packed_masks(masks: Iterable[NDArray[np.bool_]]) -> bytes:
    """Pixel data of (y, x) masks of one size, see ``packed_frames``; no more than eight are unpacked at once.

    >>> packed_masks([np.array([[True, False, True]]), np.array([[False, True, True]])]).hex()
    '3500'
    """
    packed, rest = BytesIO(), iter(masks)
    while eight := list(islice(rest, 8)):  # of any size, they end with a whole byte
        packed.write(np.packbits(np.stack(eight), bitorder="little").tobytes())
    packed.write(b"\0" * (packed.tell() % 2))
    return packed.getvalue()


def _add_image(instance: Dataset, drawn: DrawnSegments) -> None:
    """Segmentation Image module of BINARY segments (PS3.3 section C.8.20.2)."""
    instance.ImageType = ["DERIVED", "PRIMARY"]
    instance.Rows, instance.Columns = drawn.labels.shape[2:]
    instance.SamplesPerPixel = 1
    instance.PhotometricInterpretation = "MONOCHROME2"
    instance.BitsAllocated = instance.BitsStored = 1
    instance.HighBit = instance.PixelRepresentation = 0
    instance.LossyImageCompression = "00"
    instance.SegmentationType = "BINARY"
    instance.SegmentsOverlap = "NO"
    instance.ContentLabel = drawn.kind.upper()
    instance.ContentDescription = NOT_FOR_CLINICAL_USE


def _segment_description(context: ResultContext[AnyAnalysed], segment: Segment, tracked_as: str) -> Dataset:
    """Item of the Segment Sequence: what the segment is, and which model drew it."""
    description: Dataset = SegmentDescription(
        segment_number=segment.number,
        segment_label=segment.name,
        segmented_property_category=segment.category,
        segmented_property_type=segment.code,
        algorithm_type=_algorithm_type(context.analysis),
        algorithm_identification=algorithm_identification(context.analysis.model),
        tracking_uid=context.uids.tracking(tracked_as),
        tracking_id=tracked_as,
        display_color=CIELabColor.from_rgb(*segment.rgb),
    )
    return description


def _algorithm_type(analysis: Analysed) -> str:
    if analysis.model.is_hand:
        return "MANUAL"
    verification = analysis.verification
    return "SEMIAUTOMATIC" if verification is not None and verification.changed else "AUTOMATIC"


def algorithm_identification(model: ModelIdentity) -> highdicom.AlgorithmIdentificationSequence | None:
    """Which model made the segments (PS3.3 section 10.16); None where a reader drew them."""
    if model.is_hand:
        return None
    return highdicom.AlgorithmIdentificationSequence(
        name=f"cvai {model.name}",
        family=codes.ARTIFICIAL_INTELLIGENCE,
        version=model.version,
        source="cvai",
        parameters={"model_sha256": model.sha256, "provider": model.provider},
    )


def _add_place(instance: Dataset, context: ResultContext[AnyAnalysed], drawn: DrawnSegments) -> None:
    """Frame of reference and what all frames have in common of their place in the patient."""
    if drawn.geometry is None:
        instance.PatientOrientation = None  # not known, and asked for where there is no plane orientation
        instance.SharedFunctionalGroupsSequence = [Dataset()]
        return
    instance.add(verbatim_element("FrameOfReferenceUID", context.frame_of_reference_uid))
    if "PositionReferenceIndicator" not in instance:
        instance.PositionReferenceIndicator = None
    instance.SharedFunctionalGroupsSequence = [_shared_groups(drawn.geometry, drawn.planes[0][0])]


def _add_dimensions(instance: Dataset, organization_uid: str, drawn: DrawnSegments) -> None:
    """Multi-frame Dimension module (PS3.3 section C.7.6.17): segment, phase where there are many, slice."""
    organization = Dataset()
    organization.DimensionOrganizationUID = organization_uid
    instance.DimensionOrganizationSequence = [organization]
    pointers = [("ReferencedSegmentNumber", "SegmentIdentificationSequence")]
    if drawn.has_time:
        pointers.append(("TemporalPositionIndex", "FrameContentSequence"))
    if drawn.geometry is not None:
        pointers.append(("ImagePositionPatient", "PlanePositionSequence"))
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


def _shared_groups(geometry: StackGeometry, plane: ImagePlane) -> Dataset:
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
