"""The images of a cine become one honest stack in space and time, or are refused with what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cvai.dicom.read.cine.acquisitions import acquisitions_of
from cvai.dicom.read.cine.cine_finder import CineSelection
from cvai.dicom.read.cine.compression import compression_findings
from cvai.dicom.read.cine.conditions import ONE_SESSION_S, condition_of
from cvai.dicom.read.cine.content import repeated_phase_findings
from cvai.dicom.read.cine.contradictions import contradiction_findings
from cvai.dicom.read.cine.image_groups import MIN_SLICES
from cvai.dicom.read.cine.images import has_same_grid
from cvai.dicom.read.cine.placement import (
    EXACTLY_PARALLEL_DEG,
    NEARLY_PARALLEL_DEG,
    SAME_PLANE_MM,
    along_normal_mm,
    grouped,
    has_valid_orientation,
    has_valid_spacing,
    is_parallel,
    middle_mm,
    normal_of,
    slices_along_normal,
    turn_deg,
)
from cvai.dicom.read.cine.real_time import one_beat_each
from cvai.dicom.read.cine.synchrony import duplicate_frame, most_common, put_in_step, slice_name
from cvai.dicom.read.cine.timing import heart_rate, images_at_one_time, in_phase_order
from cvai.dicom.read.header.attributes import whole_number
from cvai.dicom.read.pixels.decode import stored_pixels
from cvai.dicom.read.values import AssembledCine, Excluded, ImagePlane, Images
from cvai.domain.cine import CineStack
from cvai.domain.findings import Finding, Place, Severity, whole_slices
from cvai.domain.geometry import StackGeometry
from cvai.domain.message import Message, say
from cvai.domain.turned import turned_findings
from cvai.errors import GeometryRefused

_GAP_TOLERANCE = 0.05
"""Share of the usual slice gap by which a gap may differ: rounding and table motion, no other slice."""

_RESEND = say("Send the complete series again.")


def assemble_cine(selection: CineSelection) -> AssembledCine:
    """Put the images of a cine in order and read their pixels.

    Place comes from ImagePositionPatient and ImageOrientationPatient alone. Slices are ordered by increasing
    distance along row x column, whichever end of the heart that is; phases by time after the R wave. A slice
    that was acquired twice is represented by its later acquisition, whole. Nothing is interpolated, copied or
    assumed.

    Raises:
        GeometryRefused: ``position_missing``, ``orientation_missing``, ``orientation_invalid``,
            ``invalid_pixel_spacing``, ``mixed_grid``, ``mixed_orientation``, ``too_few_slices``,
            ``missing_frame``, ``duplicate_frame``, ``phases_out_of_step``, ``several_heartbeats``,
            ``moving_slice``, ``missing_slice``, ``irregular_slice_gap`` or ``shifted_slice``.
        FileRefused: ``truncated_file``, ``unsupported_transfer_syntax``, ``conflicting_copies`` or
            ``pixel_data_unreadable``.
    """
    check_placed(selection.planes)
    check_one_grid(selection.planes)
    slices, repeats, repeated = _one_acquisition_each(slices_along_normal(selection.planes))
    if len(slices) < MIN_SLICES:
        message = say(
            "The cine has {n_slices} slices; a ventricle needs {fewest} or more.",
            n_slices=len(slices),
            fewest=MIN_SLICES,
        )
        raise GeometryRefused("too_few_slices", message, _RESEND)
    slices = [in_phase_order(s, slice_name(z, slices)) for z, s in enumerate(_without_doubles(slices))]
    beats = one_beat_each(slices, [slice_name(z, slices) for z in range(len(slices))])
    phases = put_in_step(beats.slices, beats.intervals_ms)
    geometry = geometry_of(phases.slices)
    rate_bpm, rate_findings = heart_rate(beats.slices, phases.times_ms)
    planes = tuple(zip(*phases.slices, strict=True))  # (t)(z)
    pixels, grid = stored_pixels([plane for phase in planes for plane in phase]), (len(planes), len(slices))
    stack = CineStack(
        pixels.values.reshape(*grid, *pixels.values.shape[1:]),
        geometry,
        phases.times_ms,
        rate_bpm,
        pixels.slopes.reshape(grid) if np.any(pixels.slopes != 1) else None,
        pixels.intercepts.reshape(grid) if np.any(pixels.intercepts != 0) else None,
    )
    return AssembledCine(
        series_uid=selection.series_uid,
        stack=stack,
        planes=planes,
        excluded=(*selection.excluded, *_passed_over_repeats(repeats)),
        findings=(
            *selection.findings,
            *repeat_findings(len(repeats), repeated, len(slices)),
            *tilt_findings(slices),
            *pause_findings(slices),
            *contradiction_findings(phases.slices, geometry),
            *turned_findings((stack.frame(0, z) for z in range(len(slices))), geometry),
            *repeated_phase_findings(stack.stored),
            *compression_findings(plane for images in phases.slices for plane in images),
            *_phase_findings(slices),
            *beats.findings,
            *phases.findings,
            *_repeated_time_findings(planes, stack),
            *rate_findings,
        ),
    )


def check_placed(planes: Sequence[ImagePlane]) -> None:
    """Refuse images whose headers do not tell where every pixel lies."""
    checks: tuple[tuple[str, Message, Callable[[ImagePlane], bool]], ...] = (
        (
            "position_missing",
            say("state no ImagePositionPatient"),
            lambda p: p.position_mm is None,
        ),
        (
            "orientation_missing",
            say("state no ImageOrientationPatient"),
            lambda p: p.orientation is None,
        ),
        (
            "orientation_invalid",
            say("have an ImageOrientationPatient that is not two orthogonal unit vectors"),
            lambda p: not has_valid_orientation(p),
        ),
        (
            "invalid_pixel_spacing",
            say("have a PixelSpacing that is missing or cannot be true"),
            lambda p: not has_valid_spacing(p),
        ),
    )
    for code, what, is_wrong in checks:
        wrong = [plane for plane in planes if is_wrong(plane)]
        if wrong:
            spacing = str(wrong[0].spacing_mm)
            stated = say(" (first: {spacing} mm)", spacing=spacing) if code == "invalid_pixel_spacing" else ""
            message = say(
                "{count} of {n_images} images of the stack {what}{stated}.",
                count=len(wrong),
                n_images=len(planes),
                what=what,
                stated=stated,
            )
            raise GeometryRefused(code, message, say("Send the original images, not a conversion."))


def check_one_grid(planes: Sequence[ImagePlane]) -> None:
    """Refuse images that differ in matrix, pixel size or direction."""
    first = planes[0]
    other = next((p for p in planes if not has_same_grid(first, p)), None)
    if other is not None:
        message = say(
            "The stack mixes pixel grids: {first} and {other}.", first=_grid(first), other=_grid(other)
        )
        raise GeometryRefused("mixed_grid", message, say("Send the slices of one protocol."))
    n_oblique = sum(not is_parallel(first, p) for p in planes)
    if n_oblique:
        message = say(
            "{n_oblique} of {n_images} images are not parallel to the others.",
            n_oblique=n_oblique,
            n_images=len(planes),
        )
        raise GeometryRefused("mixed_orientation", message, say("Send the slices of one stack."))


def _grid(plane: ImagePlane) -> Message:
    spacing = " x ".join(f"{s:g}" for s in plane.spacing_mm or ())
    return say(
        "{rows} x {columns} pixels of {spacing} mm", rows=plane.rows, columns=plane.columns, spacing=spacing
    )


def _one_acquisition_each(
    slices: Sequence[Sequence[ImagePlane]],
) -> tuple[list[Images], list[Images], list[int]]:
    """The acquisition of every slice that counts, those that were repeated later or broken off, and the
    0-based slices that have such."""
    acquired = [acquisitions_of(images) for images in slices]
    n_phases = most_common([len(images) for acquisitions in acquired for images in acquisitions])
    chosen: list[Images] = []
    repeats: list[Images] = []
    for acquisitions in acquired:
        whole = [images for images in acquisitions if len(images) == n_phases]
        chosen.append((whole or acquisitions)[-1])
        repeats.extend(images for images in acquisitions if images is not chosen[-1])
    repeated = [z for z, acquisitions in enumerate(acquired) if len(acquisitions) > 1]
    return chosen, repeats, repeated


def _without_doubles(slices: Sequence[Images]) -> Sequence[Images]:
    """The slices as they are; refused where one has more images than phases, and images that claim one
    moment."""
    n_phases = most_common([len(images) for images in slices])
    for z, images in enumerate(slices):
        times_ms = [p.trigger_time_ms for p in images]
        if len(images) > n_phases and None not in times_ms and len(set(times_ms)) < len(times_ms):
            raise duplicate_frame(slice_name(z, slices), len(images), n_phases)
    return slices


def geometry_of(slices: Sequence[Images]) -> StackGeometry:
    """Where slices lie that are in order along their normal; refused where they are no even stack."""
    firsts = [images[0] for images in slices]
    usual = _usual_orientation(firsts)
    cosines = np.array(usual.orientation, dtype=np.float64)
    spacing_y_mm, spacing_x_mm = usual.spacing_mm or (0.0, 0.0)
    positions_mm = np.array([_position_mm(plane, usual) for plane in firsts])
    _check_still(slices)
    _check_gaps(np.diff(along_normal_mm(firsts, normal_of(usual))))
    _check_shifts(
        positions_mm, normal_of(usual), min(usual.rows * spacing_y_mm, usual.columns * spacing_x_mm)
    )
    return StackGeometry(positions_mm, cosines[:3], cosines[3:], spacing_y_mm, spacing_x_mm)


def _usual_orientation(planes: Sequence[ImagePlane]) -> ImagePlane:
    """An image of the orientation that most slices have."""
    groups = grouped(planes, lambda a, b: turn_deg(a, b) <= EXACTLY_PARALLEL_DEG)
    return max(groups, key=len)[0]


def _position_mm(plane: ImagePlane, usual: ImagePlane) -> NDArray[np.float64]:
    """(3,) centre of the first pixel, as if the image had the usual orientation around its own middle."""
    stated_mm = np.array(plane.position_mm, dtype=np.float64)
    if turn_deg(plane, usual) <= EXACTLY_PARALLEL_DEG:
        return stated_mm
    return np.asarray(middle_mm(plane) - (middle_mm(usual) - np.array(usual.position_mm, dtype=np.float64)))


def _check_still(slices: Sequence[Images]) -> None:
    """A voxel has one place in all phases; scanners that track the moving base give it several."""
    for z, images in enumerate(slices):
        positions_mm = np.array([plane.position_mm for plane in images], dtype=np.float64)
        moved_mm = float(np.linalg.norm(positions_mm - positions_mm[0], axis=1).max())
        if moved_mm > SAME_PLANE_MM:
            message = say(
                "{slice_name} moves by {moved_mm:.1f} mm between phases.",
                slice_name=slice_name(z, slices),
                moved_mm=moved_mm,
            )
            raise GeometryRefused("moving_slice", message, say("Send a cine without slice tracking."))


def _check_gaps(gaps_mm: NDArray[np.float64]) -> None:
    usual_mm = float(np.median(gaps_mm))
    if np.all(np.abs(gaps_mm - usual_mm) <= _GAP_TOLERANCE * usual_mm):
        return
    usual_mm = float(gaps_mm.min())
    steps = gaps_mm / usual_mm
    are_whole = bool(np.all(np.abs(steps - np.round(steps)) <= _GAP_TOLERANCE * np.round(steps)))
    code = "missing_slice" if are_whole else "irregular_slice_gap"
    gaps = say(
        "Slice gaps vary from {least_mm:.2f} to {most_mm:.2f} mm",
        least_mm=gaps_mm.min(),
        most_mm=gaps_mm.max(),
    )
    n_missing = int(np.round(steps).sum()) - len(steps)
    missing = say("{gaps}; {count} slice(s) are missing.", gaps=gaps, count=n_missing)
    message = missing if are_whole else say("{gaps}.", gaps=gaps)
    raise GeometryRefused(code, message, say("Send the complete stack."))


def _check_shifts(positions_mm: NDArray[np.float64], normal: NDArray[np.float64], field_mm: float) -> None:
    steps_mm = np.diff(positions_mm, axis=0)
    lateral_mm = np.linalg.norm(steps_mm - np.outer(steps_mm @ normal, normal), axis=1)
    if lateral_mm.max() > field_mm / 2:
        message = say(
            "A slice is shifted in its plane by {shift_mm:.0f} mm, half a field of view or more.",
            shift_mm=lateral_mm.max(),
        )
        raise GeometryRefused("shifted_slice", message, say("Send the slices of one stack."))


def _passed_over_repeats(repeats: Sequence[Images]) -> list[Excluded]:
    return [
        Excluded(
            images[0].series_uid,
            say("{count} images of a slice that was acquired again later", count=len(images)),
        )
        for images in repeats
    ]


def repeat_findings(n_repeats: int, repeated: Sequence[int], n_slices: int) -> list[Finding]:
    """That slices were acquired again; ``repeated`` are the 0-based ones."""
    if not repeated:
        return []
    message = say(
        "{count} repeated acquisition(s) among {n_slices} slices; the latest whole one was analysed.",
        count=n_repeats,
        n_slices=n_slices,
    )
    return [Finding("repeated_slice", Severity.INFO, message, whole_slices(repeated))]


def tilt_findings(slices: Sequence[Images]) -> list[Finding]:
    """That slices are turned against the others; (z)(t) images."""
    firsts = [images[0] for images in slices]
    usual = _usual_orientation(firsts)
    turned_deg = {
        z: degrees
        for z, plane in enumerate(firsts)
        if (degrees := turn_deg(plane, usual)) > EXACTLY_PARALLEL_DEG
    }
    if not turned_deg:
        return []
    most_deg = max(turned_deg.values())
    message = say(
        "{count} of {n_slices} slices are turned by up to {most_deg:.1f} degrees against the others; "
        "they were measured as parallel ones at the place of their middles.",
        count=len(turned_deg),
        n_slices=len(slices),
        most_deg=most_deg,
    )
    severity = Severity.INFO if most_deg <= NEARLY_PARALLEL_DEG else Severity.WARNING
    return [Finding("slices_tilted", severity, message, whole_slices(turned_deg))]


def pause_findings(slices: Sequence[Images]) -> list[Finding]:
    """That slices were acquired long after the others; (z)(t) images."""
    acquired = sorted(
        (c.acquired_s[0], z)
        for z, images in enumerate(slices)
        if (c := condition_of(images)).acquired_s is not None
    )
    pauses = [(later - time_s, (z, other)) for (time_s, z), (later, other) in pairwise(acquired)]
    longest_s, between = max(pauses, key=lambda pause: pause[0], default=(0.0, ()))
    if longest_s <= ONE_SESSION_S:
        return []
    message = say(
        "Between two slices of the stack lie {minutes:.0f} minutes: look whether they show the heart "
        "in the same state and at the same place.",
        minutes=longest_s / 60,
    )
    return [Finding("slices_acquired_apart", Severity.WARNING, message, whole_slices(between))]


def _repeated_time_findings(planes: tuple[Images, ...], stack: CineStack) -> list[Finding]:
    """Images of a slice that state one time. They are phases with a slip in the header, or one image twice.

    Args:
        planes: (t)(z) images.
        stack: their pixels.

    Raises:
        GeometryRefused: ``duplicate_frame``, the pixels are the same.
    """
    repeated: list[Place] = []
    for z, images in enumerate(zip(*planes, strict=True)):
        for first, second in images_at_one_time(images):
            t = images.index(first)
            repeated.append(Place(t, z))
            if np.array_equal(stack.frame(t, z), stack.frame(images.index(second), z)):
                raise GeometryRefused(
                    "duplicate_frame",
                    say(
                        "{slice_name} holds one image twice in place of two phases.",
                        slice_name=slice_name(z, planes[0]),
                    ),
                    _RESEND,
                )
    if not repeated:
        return []
    message = say(
        "{count} trigger time(s) are stated for two phases of a slice; instance numbers order them.",
        count=len(repeated),
    )
    return [Finding("repeated_trigger_time", Severity.WARNING, message, tuple(repeated))]


def _phase_findings(slices: Sequence[Images]) -> list[Finding]:
    """A study that says itself that a heartbeat has more images than came (CardiacNumberOfImages)."""
    stated = {whole_number(p.header, "CardiacNumberOfImages") for images in slices for p in images}
    n_phases = len(slices[0])
    if len(stated) != 1 or (n_stated := stated.pop()) is None or n_stated <= n_phases:
        return []
    message = say(
        "The scanner states {n_stated} phases, {n_phases} are there.", n_stated=n_stated, n_phases=n_phases
    )
    return [Finding("fewer_phases_than_stated", Severity.WARNING, message)]
