"""Whether a heart is cut across its long axis: there the cavity is round, within a closed ring of wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import regionprops

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.message import say
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.ventricles.rings import wall_ring
from cvai.errors import HeartRefused

SMALLEST_ROUNDNESS = 0.65
"""Short over long axis of the cavity's outline, median over the slices of the ventricle. In the reference
contours of 80 ACDC patients it is less than 0.69 in 1 % (0.60 in one heart pressed flat by its right
ventricle)."""

SMALLEST_ENCLOSURE = 0.9
"""Share of the cavity's border that lies on the wall, median over slices. Across its long axis a ventricle
is a ring: 1.0 in every reference. Along it the cavity opens into the atrium."""

FEWEST_RINGS = 0.5
"""Share of the slices with a cavity in which the wall closes around it. In the model's contours of fifteen
ACDC patients it is 0.90 to 1.00; in the same hearts cut along their long axis, 0.00 to 0.25 (``python -m
benchmarks.short_axis``)."""

_JUDGED_AREA_MM2 = 200.0
"""Smaller outlines are a few pixels, whose shape says nothing."""


@dataclass(frozen=True, slots=True)
class CrossSection:
    """What the slices of one phase look like.

    Args:
        roundness: short over long axis of the cavity, median over slices.
        enclosure: share of the cavity's border that lies on wall, median over slices.
        n_rings: slices in which the wall closes around the cavity.
        n_slices: slices with a cavity large enough to be judged.
    """

    roundness: float
    enclosure: float
    n_rings: int
    n_slices: int

    @property
    def score(self) -> float:
        """How much it looks like a short axis, between 0 and 1, for a comparison of stacks of one heart."""
        return self.roundness * self.enclosure * self.n_rings / self.n_slices


def cross_section(segmentation: CineSegmentation, phase: int) -> CrossSection | None:
    """What the slices of a phase look like; None where no cavity is large enough to tell."""
    geometry = segmentation.geometry
    spacing_mm = (geometry.spacing_y_mm, geometry.spacing_x_mm)
    labels = segmentation.labels[phase]
    cavities = labels == SAX_LABELS[Structure.LV_CAVITY]
    walls = labels == SAX_LABELS[Structure.LV_MYOCARDIUM]
    pixels = np.count_nonzero(cavities, axis=(1, 2))
    judged = np.flatnonzero(pixels * spacing_mm[0] * spacing_mm[1] >= _JUDGED_AREA_MM2)
    if judged.size == 0:
        return None
    return CrossSection(
        roundness=float(np.median([_roundness(cavities[z], spacing_mm) for z in judged])),
        enclosure=float(np.median([enclosure(cavities[z], walls[z]) for z in judged])),
        n_rings=sum(wall_ring(labels[z], spacing_mm) is not None for z in judged),
        n_slices=int(judged.size),
    )


def require_short_axis(segmentation: CineSegmentation, phases: KeyPhases) -> None:
    """Refuse contours of a ventricle that is cut along its axis: sums of such slices are no volume.

    Raises:
        HeartRefused: ``no_short_axis``.
    """
    seen = cross_section(segmentation, phases.end_diastole)
    if seen is None or seen.n_rings >= FEWEST_RINGS * seen.n_slices:
        return
    raise HeartRefused(
        "no_short_axis",
        say(
            "The wall of the left ventricle closes to a ring in {n_rings} of {n_slices} slices: they do "
            "not cut it across its long axis.",
            n_rings=seen.n_rings,
            n_slices=seen.n_slices,
        ),
        say("Send the short-axis cine of the study."),
    )


def short_axis_findings(segmentation: CineSegmentation, phases: KeyPhases) -> tuple[Finding, ...]:
    """Contours of a ventricle that may be cut aslant."""
    seen = cross_section(segmentation, phases.end_diastole)
    if seen is None or (seen.roundness >= SMALLEST_ROUNDNESS and seen.enclosure >= SMALLEST_ENCLOSURE):
        return ()
    message = say(
        "The cavity is {roundness:.2f} times as wide as long, and {percent:.0f} % of its border lies "
        "on wall: cut across its axis it is round and within a ring. Check that this is a short-axis "
        "stack.",
        roundness=seen.roundness,
        percent=100 * seen.enclosure,
    )
    return (Finding("not_short_axis", Severity.WARNING, message, (Place(phase=phases.end_diastole),)),)


def _roundness(cavity: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> float:
    """Short over long axis of the ellipse with the same second moments."""
    (shape,) = regionprops(cavity.astype(np.uint8), spacing=spacing_mm)
    return float(shape.axis_minor_length / shape.axis_major_length)


def enclosure(cavity: NDArray[np.bool_], wall: NDArray[np.bool_]) -> float:
    """Share of the pixels around the cavity that are wall; beyond the image there is none."""
    around = ndimage.binary_dilation(np.pad(cavity, 1)) & ~np.pad(cavity, 1)
    return float(np.count_nonzero(np.pad(wall, 1) & around) / np.count_nonzero(around))
