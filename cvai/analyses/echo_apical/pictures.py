"""Frames of an ultrasound loop with contours and discs, cut to the sector, ready to be printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.measure import find_contours

from cvai.analyses.echo_apical.analysis import MeasuredLoop
from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.simpson import DiscStack, disc_chords_mm

Line = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class EchoPicture:
    """One frame.

    Args:
        grey: (y, x) brightness, cut to the sector; what is written around it is black.
        outlines: lines of every structure, (n, 2) points (x, y) as shares of the picture's width and height.
        discs: lines across the ventricle, and across the atrium where it was measured, in the same shares.
        axes: the long axes, in the same shares.
        aspect: width over height in true proportion, as far as it is known.
    """

    grey: NDArray[np.uint8]
    outlines: Mapping[Structure, tuple[Line, ...]]
    discs: tuple[Line, ...]
    axes: tuple[Line, ...]
    aspect: float


def echo_picture(
    loop: MeasuredLoop, t: int, stack: DiscStack, atrium: DiscStack | None = None
) -> EchoPicture:
    """Frame ``t`` of a loop with its contours and the discs that ventricle and atrium were measured by."""
    source = loop.source.loop
    rows, columns = (np.flatnonzero(source.sector.any(axis=axis)) for axis in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    height, width = int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left
    spacing = source.spacing_mm or (1.0, 1.0)
    labels = loop.segmentation.labels[t]

    def shares(points: NDArray[np.float64]) -> Line:
        """(n, 2) points (y, x) in pixels of the frame as shares of the picture."""
        y, x = points[:, 0] + 0.5 - top, points[:, 1] + 0.5 - left
        return np.stack([x / width, y / height], axis=1)

    to_px = np.asarray(spacing)
    stacks = [(Structure.LV_CAVITY, stack), *([] if atrium is None else [(Structure.LEFT_ATRIUM, atrium)])]
    return EchoPicture(
        grey=source.frames[t, top : top + height, left : left + width],
        outlines={s: tuple(shares(line) for line in _outlines(labels, s)) for s in ECHO_LABELS},
        discs=tuple(
            shares(chord / to_px)
            for structure, of in stacks
            for chord in disc_chords_mm(labels, of, spacing, structure)
        ),
        axes=tuple(shares(np.stack([of.axis.apex_mm, of.axis.mitral_mm]) / to_px) for _, of in stacks),
        aspect=width * spacing[1] / (height * spacing[0]),
    )


def _outlines(labels: NDArray[np.uint8], structure: Structure) -> list[NDArray[np.float64]]:
    """Of the wall, the epicardium: cavity and wall together."""
    values = [ECHO_LABELS[structure]]
    if structure is Structure.LV_MYOCARDIUM:
        values.append(ECHO_LABELS[Structure.LV_CAVITY])
    mask = np.pad(np.isin(labels, values), 1).astype(float)
    return [line - 1.0 for line in find_contours(mask, 0.5)]
