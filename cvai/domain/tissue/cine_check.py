"""Contours of the cine laid over late enhancement by their place in the patient, to compare both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.findings import Finding, Severity
from cvai.domain.geometry import StackGeometry
from cvai.domain.message import say
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.tissue.shares import WALL
from cvai.domain.volumes import mass_g, volume_curve_ml

LEAST_OVERLAP = 0.70
"""Dice coefficient of both outlines below which they disagree. Two circles of 60 mm, as the outer border of a
ventricle, have 0.87 where a breath-hold has shifted one by 6 mm, 0.79 by 10 mm, and 0.68 by 15 mm; of circles
in one place, one of 40 mm and one of 60 mm have 0.62."""

MASS_RATIOS = (0.67, 1.5)
"""Of the wall's mass in late enhancement to that in the cine. One heart has one mass; readers and models draw
it differently by a fifth, and a stack that lost its three basal slices of ten has 0.62."""

_FEWEST_SLICES = 3
"""From which on masses are given."""

FARTHEST_SHIFT_MM, BETTER_SHIFTED = 12.5, 0.1
"""How far late enhancement may have to be shifted along the axis to have the areas of the cine, and by how
much the mean difference of areas, as a share of the largest, has to fall by that. Of 100 ACDC hearts, the
model's contours at end-diastole against reference contours at end-diastole, none is flagged where it lies or
shifted by 10 mm; 92 are once shifted by 15 mm, 99 by 20 mm. Against end-systole it is none, 6, 45 and 96."""

_SHIFTS_MM = np.arange(-40.0, 40.1, 2.5)

_LEFT_VENTRICLE = tuple(SAX_LABELS[s] for s in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM))


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the outer borders of the left ventricle agree, over the slices that both show.

    Args:
        overlap: Dice coefficient.
        apart_mm: distance of their middles within the plane, median of the slices; NaN where none has both.
    """

    overlap: float
    apart_mm: float


def agreement(labels: NDArray[np.uint8], geometry: StackGeometry, cine: CineSegmentation) -> Agreement | None:
    """Compare late enhancement with the slices of the cine that are nearest to it.

    Slices that only one of them draws do not count: where a ventricle ends is a choice at the base, and the
    heart moves through slices over the beat.

    Args:
        labels: (z, y, x) values of LGE_LABELS.
        geometry: where its slices lie.
        cine: labels of one phase of the cine.

    Returns:
        None where no slice of the cine is near one of late enhancement that shows the ventricle.
    """
    pairs = [
        (own, seen)
        for z, plane in enumerate(labels)
        if (own := plane > 0).any() and (seen := _on_slice(own, z, geometry, cine)) is not None
    ]
    if not pairs:
        return None
    both = [(own, seen) for own, seen in pairs if seen.any()]
    shared = sum(int(np.count_nonzero(own & seen)) for own, seen in both)
    total = sum(int(np.count_nonzero(own)) + int(np.count_nonzero(seen)) for own, seen in both)
    if not both:
        return Agreement(0.0, float("nan"))
    apart = [_apart_mm(own, seen, geometry) for own, seen in both]
    return Agreement(2.0 * shared / total, float(np.median(apart)))


def agreement_findings(found: Agreement | None) -> tuple[Finding, ...]:
    """What a reader has to look at where contours of late enhancement and cine disagree grossly."""
    if found is None or found.overlap >= LEAST_OVERLAP:
        return ()
    apart = (
        ""
        if np.isnan(found.apart_mm)
        else say(", their middles are {apart_mm:.0f} mm apart", apart_mm=found.apart_mm)
    )
    message = say(
        "The outer border of the left ventricle and that of the cine at the same places overlap by "
        "{percent:.0f} % (Dice){apart}: look whether the contours follow the heart, or whether the "
        "patient moved or breathed differently in between.",
        percent=100 * found.overlap,
        apart=apart,
    )
    return (Finding("enhancement_and_cine_disagree", Severity.WARNING, message),)


def shift_findings(
    labels: NDArray[np.uint8], geometry: StackGeometry, cine: CineSegmentation
) -> tuple[Finding, ...]:
    """What a reader has to look at where the ventricle lies higher or lower than in the cine.

    Arguments are those of ``mass_findings``.
    """
    normal = cine.geometry.normal
    own = _areas_along(labels > 0, geometry, normal)
    seen = _areas_along(np.isin(cine.labels[0], _LEFT_VENTRICLE), cine.geometry, normal)
    if min(len(own), len(seen)) < _FEWEST_SLICES:
        return ()
    differences = {float(mm): _difference(own, seen, float(mm)) for mm in _SHIFTS_MM}
    best_mm = min(differences, key=lambda mm: (differences[mm], abs(mm)))
    if abs(best_mm) <= FARTHEST_SHIFT_MM or differences[0.0] - differences[best_mm] < BETTER_SHIFTED:
        return ()
    message = say(
        "Areas of the left ventricle are those of the cine once late enhancement is shifted by "
        "{apart_mm:.0f} mm along its axis: the patient moved or breathed differently in between, or "
        "positions are wrong. Segments may be those of another level.",
        apart_mm=abs(best_mm),
    )
    return (Finding("enhancement_and_cine_disagree", Severity.WARNING, message),)


def _areas_along(
    outlines: NDArray[np.bool_], geometry: StackGeometry, normal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n, 2) of slices with an outline, (z, y, x): place of its middle along ``normal``, increasing, and its
    area over the largest."""
    places = []
    for z, outline in enumerate(outlines):
        y, x = np.nonzero(outline)
        if y.size:
            places.append(
                (float(geometry.point_mm(z, float(y.mean()), float(x.mean())) @ normal), float(y.size))
            )
    along = np.array(sorted(places)).reshape(-1, 2)
    return np.asarray(along / (1.0, along[:, 1].max(initial=1.0)), dtype=np.float64)


def _difference(own: NDArray[np.float64], seen: NDArray[np.float64], shift_mm: float) -> float:
    """Mean difference of areas where both are known once ``own`` is shifted; infinite where hardly any is."""
    at_mm = own[:, 0] + shift_mm
    known = (at_mm >= seen[0, 0]) & (at_mm <= seen[-1, 0])
    if np.count_nonzero(known) < _FEWEST_SLICES:
        return float("inf")
    expected = np.interp(at_mm[known], seen[:, 0], seen[:, 1])
    return float(np.abs(expected - own[known, 1]).mean())


def mass_findings(
    labels: NDArray[np.uint8], geometry: StackGeometry, cine: CineSegmentation
) -> tuple[Finding, ...]:
    """What a reader has to look at where the heart weighs much less or more than in the cine.

    Args:
        labels: (z, y, x) values of LGE_LABELS.
        geometry: where its slices lie.
        cine: labels of one phase of the cine.
    """
    in_cine_g = mass_g(float(volume_curve_ml(cine, Structure.LV_MYOCARDIUM)[0]))
    own_g = mass_g(np.count_nonzero(np.isin(labels, WALL)) * geometry.voxel_volume_ml)
    low, high = MASS_RATIOS
    if len(labels) < _FEWEST_SLICES or in_cine_g <= 0 or low <= own_g / in_cine_g <= high:
        return ()
    message = say(
        "The myocardium weighs {own_g:.0f} g in late enhancement and {in_cine_g:.0f} g in the cine: look "
        "whether both stacks cover the whole ventricle, and whether pixel sizes and positions can be true.",
        own_g=own_g,
        in_cine_g=in_cine_g,
    )
    return (Finding("enhancement_and_cine_masses_differ", Severity.WARNING, message),)


def _on_slice(
    own: NDArray[np.bool_], z: int, geometry: StackGeometry, cine: CineSegmentation
) -> NDArray[np.bool_] | None:
    """(y, x) where the cine draws the left ventricle, on the pixels of a slice; None where it has no slice
    within half its spacing."""
    grid = cine.geometry
    row, column = (float(indices.mean()) for indices in np.nonzero(own))
    away_mm = (geometry.point_mm(z, row, column) - grid.positions_mm) @ grid.normal
    nearest = int(np.argmin(np.abs(away_mm)))
    if abs(away_mm[nearest]) > grid.slice_spacing_mm / 2:
        return None
    y, x = np.indices(own.shape)[..., np.newaxis]
    points_mm = (
        geometry.positions_mm[z]
        - grid.positions_mm[nearest]
        + x * geometry.spacing_x_mm * geometry.row_cosine
        + y * geometry.spacing_y_mm * geometry.column_cosine
    )
    rows = points_mm @ grid.column_cosine / grid.spacing_y_mm
    columns = points_mm @ grid.row_cosine / grid.spacing_x_mm
    ventricle = np.isin(cine.labels[0, nearest], _LEFT_VENTRICLE).astype(np.float32)
    return np.asarray(map_coordinates(ventricle, [rows, columns], order=1) > 0.5)


def _apart_mm(own: NDArray[np.bool_], seen: NDArray[np.bool_], geometry: StackGeometry) -> float:
    (y, x), (row, column) = ([float(indices.mean()) for indices in np.nonzero(mask)] for mask in (own, seen))
    return float(np.hypot((y - row) * geometry.spacing_y_mm, (x - column) * geometry.spacing_x_mm))
