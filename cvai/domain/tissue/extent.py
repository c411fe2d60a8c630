"""Whether contours on late enhancement hold one whole left ventricle of a plausible size.

Limits are those that hardly any of the 85 reference contours of EMIDEC exceeds, or, where lengths count,
which EMIDEC has lost, of the 100 of ACDC.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvai.domain.findings import Finding, Severity, whole_slices
from cvai.domain.geometry import StackGeometry
from cvai.domain.message import listed, say
from cvai.domain.segmentation import apex_comes_first
from cvai.domain.tissue.shares import CAVITY, WALL
from cvai.domain.volumes import mass_g

AREA_JUMP = 0.3
"""By how much the area within the outer border may leave the mean of both neighbouring slices, as a share of
the largest slice's. In EMIDEC it is 0.19 at the 99th percentile, and 0.247 at the most."""

LARGE_END = 0.6
"""Cavity of the last slice towards the apex, as a share of the largest slice's. Late enhancement often ends
before the apex: in EMIDEC the share is 0.34 in the median, and 0.57 at the 99th percentile."""

LEAST_DRAWN = 0.6
"""Share of the slices that show the heart. Stacks reach a few slices into the atria."""

LEAST_COVERED = 0.7
"""Of the cavity's length in the cine, from which on masses are those of a ventricle."""

MASSES_G, DIAMETERS_MM = (30.0, 400.0), (30.0, 90.0)
"""Of the wall, and of the largest slice of the cavity. In ACDC, at end-diastole, they are 34 to 272 g and 38
to 81 mm; hypertrophic hearts are heavier."""

LEAST_LENGTH = 1.0
"""Length of the cavity over its largest diameter. In ACDC it is 1.42 in the median, 0.93 at the least and
less than this in one of 100 hearts; in 64 of them once 30 mm are lost at an end."""

MOST_ELONGATED = 1.45
"""Long over short axis of the outer border, median over slices with a cavity. In ACDC, at end-diastole and
end-systole, it is 1.07 in the median and 1.41 at the most."""

_FEWEST_SLICES = 3


def extent_findings(
    labels: NDArray[np.uint8], geometry: StackGeometry, cine_length_mm: float | None = None
) -> tuple[Finding, ...]:
    """What speaks against a whole left ventricle; nothing of fewer than three slices.

    Args:
        labels: (z, y, x) values of LGE_LABELS.
        geometry: where the slices lie.
        cine_length_mm: length of the cavity in the cine, None where there is none.
    """
    if len(labels) < _FEWEST_SLICES or not (labels == CAVITY).any():
        return ()
    found = (
        _size(labels, geometry),
        _round(labels, geometry),
        _covered(labels, geometry, cine_length_mm),
        _apex(labels),
        _drawn(labels),
        _jumps(labels),
        _border(labels),
    )
    return tuple(finding for finding in found if finding is not None)


def _size(labels: NDArray[np.uint8], geometry: StackGeometry) -> Finding | None:
    cavity = np.count_nonzero(labels == CAVITY, axis=(1, 2))
    length_mm = np.count_nonzero(cavity) * geometry.slice_spacing_mm
    pixel_mm2 = geometry.spacing_y_mm * geometry.spacing_x_mm
    diameter_mm = 2.0 * float(np.sqrt(cavity.max() * pixel_mm2 / np.pi))
    grams = mass_g(np.count_nonzero(np.isin(labels, WALL)) * geometry.voxel_volume_ml)
    are_usual = MASSES_G[0] <= grams <= MASSES_G[1] and DIAMETERS_MM[0] <= diameter_mm <= DIAMETERS_MM[1]
    if are_usual and length_mm >= LEAST_LENGTH * diameter_mm:
        return None
    message = say(
        "The wall that is drawn weighs {grams:.0f} g, its cavity measures {length_mm:.0f} mm along its axis "
        "and {diameter_mm:.0f} mm across: look whether slices are missing, whether pixel size and positions "
        "can be true, and whether the contours follow the heart.",
        grams=grams,
        length_mm=length_mm,
        diameter_mm=diameter_mm,
    )
    return Finding("enhancement_size_implausible", Severity.WARNING, message)


def _round(labels: NDArray[np.uint8], geometry: StackGeometry) -> Finding | None:
    elongations = [_elongation(plane > 0, geometry) for plane in labels if (plane == CAVITY).any()]
    if np.median(elongations) <= MOST_ELONGATED:
        return None
    message = say(
        "The left ventricle is {ratio:.1f} times as long as wide in its slices: look whether they are "
        "short-axis slices, and whether the pixel size can be true.",
        ratio=np.median(elongations),
    )
    return Finding("not_short_axis", Severity.WARNING, message)


def _elongation(heart: NDArray[np.bool_], geometry: StackGeometry) -> float:
    """Long over short axis of the ellipse of the same second moments as (y, x) ``heart``."""
    y, x = np.nonzero(heart)
    moments = np.linalg.eigvalsh(np.cov(np.stack([y * geometry.spacing_y_mm, x * geometry.spacing_x_mm])))
    return float(np.sqrt(moments[1] / max(moments[0], 1e-6)))


def _covered(
    labels: NDArray[np.uint8], geometry: StackGeometry, cine_length_mm: float | None
) -> Finding | None:
    covered_mm = np.count_nonzero((labels == CAVITY).any(axis=(1, 2))) * geometry.slice_spacing_mm
    if cine_length_mm is None or covered_mm >= LEAST_COVERED * cine_length_mm:
        return None
    message = say(
        "Late enhancement shows {covered_mm:.0f} mm of a cavity that measures {length_mm:.0f} mm in the "
        "cine: shares and masses are of these slices, not of the whole ventricle.",
        covered_mm=covered_mm,
        length_mm=cine_length_mm,
    )
    return Finding("enhancement_covers_part", Severity.WARNING, message)


def _apex(labels: NDArray[np.uint8]) -> Finding | None:
    cavity = np.count_nonzero(labels == CAVITY, axis=(1, 2))
    drawn = np.flatnonzero(cavity)
    last = int(drawn[0] if apex_comes_first(labels) else drawn[-1])
    share = cavity[last] / cavity.max()
    if share <= LARGE_END:
        return None
    message = say(
        "In slice {slice}, the last towards the apex in which the cavity is drawn, it still has "
        "{percent:.0f} % of its largest area: the apex may lie beyond the stack, or not be drawn, and masses "
        "be too small.",
        slice=last + 1,
        percent=100 * share,
    )
    return Finding("apex_not_covered", Severity.WARNING, message, whole_slices([last]))


def _drawn(labels: NDArray[np.uint8]) -> Finding | None:
    n_drawn = int(np.count_nonzero(labels.any(axis=(1, 2))))
    if n_drawn >= LEAST_DRAWN * len(labels):
        return None
    message = say(
        "A heart is drawn in {n_drawn} of {n_slices} slices: look whether the others show it as well.",
        n_drawn=n_drawn,
        n_slices=len(labels),
    )
    return Finding("slices_without_heart", Severity.WARNING, message)


def _jumps(labels: NDArray[np.uint8]) -> Finding | None:
    area = np.count_nonzero(labels, axis=(1, 2))
    are_drawn = (area[:-2] > 0) & (area[1:-1] > 0) & (area[2:] > 0)
    departure = np.abs(area[1:-1] - (area[:-2] + area[2:]) / 2)
    jumping = [int(z) + 1 for z in np.flatnonzero(are_drawn & (departure > AREA_JUMP * area.max()))]
    if not jumping:
        return None
    message = say(
        "The left ventricle jumps in size against its neighbours in slice {slices}: check the contours "
        "there.",
        slices=listed([z + 1 for z in jumping]),
    )
    return Finding("area_jumps_between_slices", Severity.WARNING, message, whole_slices(jumping))


def _border(labels: NDArray[np.uint8]) -> Finding | None:
    edges = (labels[:, 0], labels[:, -1], labels[..., 0], labels[..., -1])
    touching = np.flatnonzero(np.any([edge.any(axis=1) for edge in edges], axis=0)).tolist()
    if not touching:
        return None
    message = say("The heart touches the border of the image: part of it may be cut off.")
    return Finding("heart_at_image_border", Severity.WARNING, message, whole_slices(touching))
