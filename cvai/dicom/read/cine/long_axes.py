"""Cines of single slices that cut through a short-axis stack along the heart, for a reader to look at.

Nothing is measured in them. What cannot be placed beyond doubt, or cannot be decoded, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cvai.dicom.read.cine.acquisitions import acquisitions_of
from cvai.dicom.read.cine.conditions import condition_of
from cvai.dicom.read.cine.image_groups import MIN_PHASES, image_groups_of, shows_heartbeat
from cvai.dicom.read.cine.images import images_of, is_annotated, is_prepared
from cvai.dicom.read.cine.placement import tilt_deg
from cvai.dicom.read.cine.timing import in_phase_order
from cvai.dicom.read.header.attributes import uid
from cvai.dicom.read.header.text import one_line
from cvai.dicom.read.pixels.decode import stored_pixels
from cvai.dicom.read.values import AssembledCine, ImagePlane, Images, Study
from cvai.domain.crossing import CrossingCine, PlaneGeometry, nearest_phases
from cvai.errors import FileRefused, GeometryRefused

_LEAST_TILT_DEG = 60.0
"""Long axes are planned at right angles to the short one; planes of the body lie at about half of that."""


def long_axes_of(study: Study, cine: AssembledCine) -> Iterator[CrossingCine]:
    """Cines of the frame of reference and the condition of a stack that lie across its slices.

    Frames of reference are compared, since positions of different ones have nothing to do with each other.
    Of a slice that was acquired more than once the latest acquisition counts.
    """
    slices = tuple(zip(*cine.planes, strict=True))
    frame_uids = {uid(plane.header, "FrameOfReferenceUID") for images in slices for plane in images}
    condition = condition_of(slices[len(slices) // 2])
    for group in image_groups_of(images_of(study)):
        if tilt_deg(group.planes[0], slices[0][0]) < _LEAST_TILT_DEG:
            continue
        for images in (acquisitions_of(together)[-1] for together in group.slices):
            own_uids = {uid(plane.header, "FrameOfReferenceUID") for plane in images}
            is_placed_alike = own_uids == frame_uids and len(own_uids) == 1 and "" not in own_uids
            if is_placed_alike and _is_plain_cine(images) and condition_of(images).is_like(condition):
                yield from _read(images, slices[len(slices) // 2])


def _is_plain_cine(images: Images) -> bool:
    is_altered = is_prepared(images[0]) or is_annotated(images[0])
    return len(images) >= MIN_PHASES and shows_heartbeat(images) and not is_altered


def _read(images: Images, of_stack: Images) -> Iterator[CrossingCine]:
    """The cine; nothing where its phases have no order or its pixels cannot be decoded."""
    try:
        ordered = in_phase_order(images, "The slice")
        stored = stored_pixels(ordered)
    except (GeometryRefused, FileRefused):
        return
    rescaled = stored.values * stored.slopes[:, None, None] + stored.intercepts[:, None, None]
    first = ordered[0]
    yield CrossingCine(
        title=_title(first),
        pixels=np.asarray(rescaled, dtype=np.float32),
        geometry=_geometry(first),
        phases=tuple(nearest_phases(_shares(of_stack), _shares(ordered))),
    )


def _title(plane: ImagePlane) -> str:
    described = one_line(str(plane.header.get("SeriesDescription") or "")).strip()
    return described or f"Series {plane.header.get('SeriesNumber') or ''}".strip()


def _geometry(plane: ImagePlane) -> PlaneGeometry:
    """Of a placed image."""
    cosines = np.array(plane.orientation, dtype=np.float64)
    spacing_y_mm, spacing_x_mm = plane.spacing_mm or (0.0, 0.0)
    position_mm = np.array(plane.position_mm, dtype=np.float64)
    return PlaneGeometry(position_mm, cosines[:3], cosines[3:], spacing_y_mm, spacing_x_mm)


def _shares(images: Images) -> NDArray[np.float64]:
    """(t,) share of the heartbeat of every phase, by its time where all state one, else evenly."""
    times_ms = [plane.trigger_time_ms for plane in images]
    rr_ms = condition_of(images).rr_ms
    if rr_ms is None or None in times_ms:
        return np.arange(len(images)) / len(images)
    return np.asarray(times_ms, dtype=np.float64) / rr_ms
