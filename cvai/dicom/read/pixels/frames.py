"""From one header to the two-dimensional images of its instance, single-frame and multi-frame alike."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import (
    UID,
    EnhancedMRColorImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    ParametricMapStorage,
    RTDoseStorage,
    SegmentationStorage,
)

from cvai.dicom.read.header.attributes import items, number, numbers, uid, whole_number
from cvai.dicom.read.pixels.components import component_of
from cvai.dicom.read.values import ImagePlane
from cvai.domain.message import say
from cvai.errors import FileRefused

MOST_FRAMES = 50_000
"""Of one instance; the largest examinations have a few thousand."""

_LABEL_MAP_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.7"
"""PS3.6 A; newer than pydicom's list of names."""

_FUNCTIONAL_GROUPS = frozenset(
    {
        EnhancedMRImageStorage,
        EnhancedMRColorImageStorage,
        EnhancedPETImageStorage,
        LegacyConvertedEnhancedMRImageStorage,
    }
)
_DERIVED_PIXELS = frozenset(
    {SegmentationStorage, _LABEL_MAP_SEGMENTATION, ParametricMapStorage, RTDoseStorage}
)
"""SOP classes with pixels that are results about images, cvai's own among them, and never a source."""

_STRUCTURED_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
"""Prefix of the SOP classes of PS3.3 section A.35."""


def holds_images(header: Dataset) -> bool:
    """Whether an instance is an image that could be analysed, not a result, a report or a document."""
    sop_class = UID(uid(header, "SOPClassUID"))
    is_image = "Rows" in header or "Image Storage" in sop_class.name  # a header that was cut off has no Rows
    return is_image and sop_class not in _DERIVED_PIXELS


def may_hold_images(header: Dataset) -> bool:
    """Whether what could be read of a header leaves open that the instance is such an image."""
    sop_class = UID(uid(header, "SOPClassUID"))
    is_registered = sop_class.name != sop_class
    return not is_registered or holds_images(header)


def holds_report(header: Dataset) -> bool:
    """Whether an instance is a structured report or another document built like one."""
    return uid(header, "SOPClassUID").startswith(_STRUCTURED_REPORTS)


def planes_of(header: Dataset, path: Path, defect: FileRefused | None) -> tuple[ImagePlane, ...]:
    """The images of one instance.

    The SOP class decides whether an instance has functional groups: single-frame MR images with an empty
    PerFrameFunctionalGroupsSequence exist.

    Raises:
        FileRefused: ``unreadable_header`` where Rows, Columns or the frames' descriptions are missing, or
            ``too_many_frames``.
    """
    if uid(header, "SOPClassUID") in _FUNCTIONAL_GROUPS:
        n_frames = _described_frames(header)
    else:
        n_frames = whole_number(header, "NumberOfFrames") or 1
        if n_frames == 1:
            return (_plane(header, path, defect, None),)
        if defect is not None:
            return ()
        _require_countable(header, n_frames)
    return tuple(_plane(header, path, defect, frame) for frame in range(1, n_frames + 1))


def _require_countable(header: Dataset, n_frames: int) -> None:
    """A small deflated file may state any number; each frame becomes an object here."""
    if not 0 < n_frames <= MOST_FRAMES:
        raise FileRefused(
            "too_many_frames",
            say(
                "Instance {instance} states {n_frames} frames, not 1 to {most}.",
                instance=uid(header, "SOPInstanceUID"),
                n_frames=n_frames,
                most=MOST_FRAMES,
            ),
            say("Send the instance again from the scanner or archive."),
        )


def frame_attributes(header: Dataset, frame_number: int | None, sequence: str) -> Dataset:
    """The attributes of one functional group of one frame (PS3.3 C.7.6.16).

    That is the frame's own item of ``sequence``, else the shared one; for a single-frame instance the header
    itself, and an empty data set where nothing is stated. What a conversion from single-frame instances found
    no group for (PS3.3 C.7.6.25) stands beside it.
    """
    if frame_number is None:
        return header
    per_frame = items(header, "PerFrameFunctionalGroupsSequence")
    shared = items(header, "SharedFunctionalGroupsSequence")
    attributes, stated = Dataset(), Dataset()
    for groups, unassigned in (
        (shared[:1], "UnassignedSharedConvertedAttributesSequence"),
        (per_frame[frame_number - 1 : frame_number], "UnassignedPerFrameConvertedAttributesSequence"),
    ):
        for group in groups:
            attributes.update(next(iter(items(group, unassigned)), Dataset()))
            stated = next(iter(items(group, sequence)), stated)
    attributes.update(stated)
    return attributes


def _described_frames(header: Dataset) -> int:
    n_described = len(items(header, "PerFrameFunctionalGroupsSequence"))
    if n_described != whole_number(header, "NumberOfFrames"):
        raise FileRefused(
            "unreadable_header",
            say(
                "Instance {instance} describes {n_described} frames, but states {n_stated}.",
                instance=uid(header, "SOPInstanceUID"),
                n_described=n_described,
                n_stated=str(header.get("NumberOfFrames")),
            ),
            say("Send the instance again from the scanner or archive."),
        )
    return n_described


def _plane(header: Dataset, path: Path, defect: FileRefused | None, frame_number: int | None) -> ImagePlane:
    rows, columns = _matrix(header)
    attributes = partial(frame_attributes, header, frame_number)
    synchronization = attributes("CardiacSynchronizationSequence")
    return ImagePlane(
        path=path,
        sop_class_uid=uid(header, "SOPClassUID"),
        sop_instance_uid=uid(header, "SOPInstanceUID"),
        frame_number=frame_number,
        instance_number=whole_number(header, "InstanceNumber"),
        position_mm=_position_mm(attributes("PlanePositionSequence")),
        orientation=_orientation(attributes("PlaneOrientationSequence")),
        spacing_mm=_spacing_mm(attributes("PixelMeasuresSequence")),
        rows=rows,
        columns=columns,
        trigger_time_ms=number(synchronization, "TriggerTime", "NominalCardiacTriggerDelayTime"),
        nominal_interval_ms=number(synchronization, "RRIntervalTimeNominal", "NominalInterval"),
        heart_rate_bpm=number(header, "HeartRate") or number(synchronization, "HeartRate"),
        temporal_position=whole_number(
            attributes("FrameContentSequence"), "TemporalPositionIndex", "TemporalPositionIdentifier"
        ),
        header=header,
        component=component_of(header, attributes("MRImageFrameTypeSequence")),
        dimension_index=_dimension_index(attributes("FrameContentSequence")),
        defect=defect,
    )


def _dimension_index(content: Dataset) -> tuple[int, ...]:
    values = numbers(content, "DimensionIndexValues") or ()
    return tuple(int(v) for v in values)


def _matrix(header: Dataset) -> tuple[int, int]:
    rows, columns = whole_number(header, "Rows"), whole_number(header, "Columns")
    if not rows or not columns or rows < 0 or columns < 0:
        raise FileRefused(
            "unreadable_header",
            say(
                "Instance {instance} states a matrix of {rows} x {columns} pixels.",
                instance=uid(header, "SOPInstanceUID"),
                rows=str(rows),
                columns=str(columns),
            ),
            say("Send the instance again from the scanner or archive."),
        )
    return rows, columns


def _position_mm(source: Dataset) -> tuple[float, float, float] | None:
    values = numbers(source, "ImagePositionPatient")
    return (values[0], values[1], values[2]) if values and len(values) == 3 else None


def _orientation(source: Dataset) -> tuple[float, float, float, float, float, float] | None:
    values = numbers(source, "ImageOrientationPatient")
    if not values or len(values) != 6:
        return None
    return (values[0], values[1], values[2], values[3], values[4], values[5])


def _spacing_mm(source: Dataset) -> tuple[float, float] | None:
    values = numbers(source, "PixelSpacing")
    return (values[0], values[1]) if values and len(values) == 2 else None
