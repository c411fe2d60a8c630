"""DICOM Segmentation of an ultrasound loop: every structure in every frame.

An ultrasound image has no place in the patient, so there is no frame of reference and no plane position: a
frame says which frame of the loop it lies on, pixel by pixel (PS3.3 section A.51.3: geometry is required only
where the Derivation Image functional group is not there). How large a pixel is, the loop itself says.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydicom import DataElement, Dataset
from pydicom.datadict import tag_for_keyword

from cvai.heart.anatomy import ECHO_LABELS, Structure
from cvai.heart.echo import EchoView
from cvai.results.echo_analysis import MeasuredLoop
from cvai.results.echo_codes import VIEW_NAMES
from cvai.results.encoded import encoded, encoded_item, encoded_sequence, put_sequence
from cvai.results.frames import encoded_derivation
from cvai.results.instance import AnyContext, new_instance
from cvai.results.seg import PIXEL_DATA, add_segmentation_image, segment_description, tracking_id
from cvai.results.source import SourceImage, series_references
from cvai.results.uids import ResultKind

LOOP_KINDS = {
    EchoView.APICAL_4_CHAMBER: ResultKind.SEG_A4C,
    EchoView.APICAL_2_CHAMBER: ResultKind.SEG_A2C,
}


def loop_segmentation(context: AnyContext, loop: MeasuredLoop) -> Dataset:
    """Segmentation of one loop of an analysis, in the order of structures, then frames."""
    kind = LOOP_KINDS[loop.view]
    labels = loop.segmentation.labels
    places = [
        (structure, int(t))
        for structure, value in ECHO_LABELS.items()
        for t in np.flatnonzero((labels == value).any(axis=(1, 2)))
    ]
    sources = [SourceImage.of(image) for image in loop.source.images]
    instance = new_instance(context, kind)
    add_segmentation_image(instance, labels.shape[1:], kind)
    instance.ContentCreatorName = None
    instance.PatientOrientation = None  # not known, and asked for where there is no plane orientation
    instance.SegmentSequence = [
        segment_description(
            context, structure, ECHO_LABELS[structure], tracking_id(structure, VIEW_NAMES[loop.view])
        )
        for structure in ECHO_LABELS
    ]
    instance.ReferencedSeriesSequence = series_references(sources)
    _add_dimensions(instance, context.uids.dimension_organization(kind))
    instance.SharedFunctionalGroupsSequence = [Dataset()]
    put_sequence(instance, "PerFrameFunctionalGroupsSequence", _frames(places, sources))
    instance.NumberOfFrames = len(places)
    instance.add(DataElement(PIXEL_DATA, "OB", _packed(loop, places)))
    return instance


def _packed(loop: MeasuredLoop, places: Sequence[tuple[Structure, int]]) -> bytes:
    """One bit a pixel, first pixel lowest, no gaps (PS3.5 section 8.1.1)."""
    masks = np.stack([loop.segmentation.labels[t] == ECHO_LABELS[s] for s, t in places])
    packed = np.packbits(masks, bitorder="little").tobytes()
    return packed + b"\0" * (len(packed) % 2)


def _add_dimensions(instance: Dataset, organization_uid: str) -> None:
    organization = Dataset()
    organization.DimensionOrganizationUID = organization_uid
    instance.DimensionOrganizationSequence = [organization]
    pointers = (
        ("ReferencedSegmentNumber", "SegmentIdentificationSequence"),
        ("TemporalPositionIndex", "FrameContentSequence"),
    )
    items = []
    for attribute, group in pointers:
        item = Dataset()
        item.DimensionOrganizationUID = organization_uid
        item.DimensionIndexPointer = tag_for_keyword(attribute)
        item.FunctionalGroupPointer = tag_for_keyword(group)
        item.DimensionDescriptionLabel = attribute
        items.append(item)
    instance.DimensionIndexSequence = items


def _frames(places: Sequence[tuple[Structure, int]], sources: Sequence[SourceImage]) -> list[bytes]:
    """Encoded items of the Per-frame Functional Groups Sequence; what frames share is encoded once."""
    derivations = [encoded_derivation(source) for source in sources]
    segments = {structure: _segment_identification(number) for structure, number in ECHO_LABELS.items()}
    return [encoded_item(derivations[t], _frame_content(s, t), segments[s]) for s, t in places]


def _frame_content(structure: Structure, t: int) -> bytes:
    content = encoded_item(
        encoded("TemporalPositionIndex", t + 1),
        encoded("DimensionIndexValues", ECHO_LABELS[structure], t + 1),
    )
    return encoded_sequence("FrameContentSequence", [content])


def _segment_identification(number: int) -> bytes:
    return encoded_sequence(
        "SegmentIdentificationSequence", [encoded_item(encoded("ReferencedSegmentNumber", number))]
    )
