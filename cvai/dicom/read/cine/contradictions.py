"""Where headers contradict the positions and pixel sizes that a stack is measured by, or each other.

Volumes follow ImagePositionPatient and PixelSpacing alone. An export that resized images, left
out every second slice or stated positions in another unit leaves other attributes as they were: a reader is
told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from cvai.dicom.read.cine.placement import along_normal_mm, normal_of
from cvai.dicom.read.days import day_findings
from cvai.dicom.read.header.attributes import items, number, numbers
from cvai.dicom.read.pixels.frames import frame_attributes
from cvai.dicom.read.values import ImagePlane, Images
from cvai.domain.findings import Finding, Severity
from cvai.domain.geometry import StackGeometry
from cvai.domain.message import Message, say

_SAME_DISTANCE, _SAME_DISTANCE_AND_GAP = 1.6, 1.2
"""Ratio of the distance of slices and SpacingBetweenSlices. Some scanners write the thickness there, which
says little about the distance; for what is more than the thickness the second ratio counts."""

_DISTANCE_BY_THICKNESS = (0.4, 2.4)
"""Distance of slices over their thickness where nothing else is stated: gaps of a thickness are planned so,
and 3D slabs are interpolated to half of it."""

_SAME_SUM = 1.05
"""Ratio of the distance and thickness plus SpacingBetweenSlices, which some write as the gap alone."""

_SAME_FIELD = 1.15
"""Ratio of field of view and ReconstructionDiameter, which is that of the longer side."""

_FIELDS_MM = (50.0, 1000.0)
"""Outside of these a ReconstructionDiameter is in another unit, or none."""

_WIDEST_FIELD_MM = 520.0
"""Scanners image 500 mm at most, and short axes are planned in less: 320 to 480 mm in 99 ACDC patients, of
whom 97 are beyond this once their pixel size is 1.6 times as large."""

_SAME_ASPECT = 1.05


def contradiction_findings(
    slices: Sequence[Images], geometry: StackGeometry, others: Sequence[ImagePlane] = ()
) -> list[Finding]:
    """What a reader has to compare, since headers contradict it.

    Args:
        slices: (z)(t) images in order along their normal.
        geometry: what they are measured by.
        others: images that they are compared with.
    """
    firsts = [images[0] for images in slices]
    measured = [*(plane for images in slices for plane in images), *others]
    headers = {plane.sop_instance_uid: plane.header for plane in measured}
    found = (_distance(firsts, geometry), _pixel_size(firsts, geometry), *day_findings(headers.values()))
    return [finding for finding in found if finding is not None]


def _distance(firsts: Sequence[ImagePlane], geometry: StackGeometry) -> Finding | None:
    by_series: dict[str, list[ImagePlane]] = defaultdict(list)
    for plane in firsts:
        by_series[plane.series_uid].append(plane)
    for planes in by_series.values():
        step_mm = geometry.slice_spacing_mm
        if len(planes) > 1:  # of two interleaved series each states its own distance
            step_mm = float(np.median(np.diff(along_normal_mm(planes, normal_of(firsts[0])))))
        stated = _stated_distance(planes[0], step_mm)
        if stated is not None:
            message = say(
                "The positions of slices are {step_mm:.1f} mm apart, which {stated} contradicts: slices may "
                "be missing or positions be wrong, and volumes with them.",
                step_mm=step_mm,
                stated=stated,
            )
            return Finding("slice_distance_contradicted", Severity.WARNING, message)
    return None


def _stated_distance(plane: ImagePlane, step_mm: float) -> Message | None:
    """What contradicts a distance of slices; None where nothing does."""
    measures = frame_attributes(plane.header, plane.frame_number, "PixelMeasuresSequence")
    between_mm, thick_mm = (number(measures, k) or 0.0 for k in ("SpacingBetweenSlices", "SliceThickness"))
    if between_mm > 0:
        is_gap_alone = _agree(step_mm, between_mm + thick_mm, _SAME_SUM) and between_mm < thick_mm
        is_distance = thick_mm > 0 and between_mm > _SAME_SUM * thick_mm
        ratio = _SAME_DISTANCE_AND_GAP if is_distance else _SAME_DISTANCE
        if is_gap_alone or _agree(step_mm, between_mm, ratio):
            return None
        return say("SpacingBetweenSlices of {between_mm:g} mm", between_mm=between_mm)
    low, high = _DISTANCE_BY_THICKNESS
    if thick_mm <= 0 or low <= step_mm / thick_mm <= high:
        return None
    return say("SliceThickness of {thick_mm:g} mm", thick_mm=thick_mm)


def _pixel_size(firsts: Sequence[ImagePlane], geometry: StackGeometry) -> Finding | None:
    sides_mm = (
        firsts[0].rows * geometry.spacing_y_mm,
        firsts[0].columns * geometry.spacing_x_mm,
    )
    for plane in firsts:
        stated = _stated_size(plane, sides_mm, geometry.spacing_y_mm / geometry.spacing_x_mm)
        if stated is not None:
            message = say(
                "PixelSpacing makes a field of view of {height_mm:.0f} x {width_mm:.0f} mm, which {stated} "
                "contradicts: images may have been resized or cropped, and volumes be wrong.",
                height_mm=sides_mm[0],
                width_mm=sides_mm[1],
                stated=stated,
            )
            return Finding("pixel_size_contradicted", Severity.WARNING, message)
    return None


def _stated_size(plane: ImagePlane, sides_mm: tuple[float, float], aspect: float) -> Message | None:
    """What contradicts the sides of the field of view or the proportions of a pixel, height over width."""
    if max(sides_mm) > _WIDEST_FIELD_MM:
        return say("the largest field of scanners, 500 mm,")
    diameter_mm = number(plane.header, "ReconstructionDiameter") or 0.0
    is_diameter = _FIELDS_MM[0] <= diameter_mm <= _FIELDS_MM[1]
    if is_diameter and not any(_agree(diameter_mm, side_mm, _SAME_FIELD) for side_mm in sides_mm):
        return say("ReconstructionDiameter of {diameter_mm:g} mm", diameter_mm=diameter_mm)
    if (other_mm := _other_spacing_mm(plane)) is not None:
        return say(
            "PixelSpacing of {high:g} x {wide:g} mm for all frames", high=other_mm[0], wide=other_mm[1]
        )
    ratio = numbers(plane.header, "PixelAspectRatio") or ()
    if len(ratio) == 2 and min(ratio) > 0 and not _agree(ratio[0] / ratio[1], aspect, _SAME_ASPECT):
        return say("PixelAspectRatio of {high:g} to {wide:g}", high=ratio[0], wide=ratio[1])
    return None


def _other_spacing_mm(plane: ImagePlane) -> tuple[float, ...] | None:
    """What the shared functional groups of an instance state where those of the frame state another."""
    for groups in items(plane.header, "SharedFunctionalGroupsSequence")[:1]:
        for measures in items(groups, "PixelMeasuresSequence")[:1]:
            shared_mm = numbers(measures, "PixelSpacing") or ()
            if len(shared_mm) == 2 and shared_mm != plane.spacing_mm:
                return shared_mm
    return None


def _agree(first: float, second: float, ratio: float) -> bool:
    return max(first, second) <= ratio * min(first, second)
