"""Whether single slices of a stack are turned or mirrored against their neighbours, as by an export.

Headers do not tell: position and orientation of such a slice are those of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.findings import Finding, Severity, whole_slices
from cvai.domain.geometry import StackGeometry
from cvai.domain.message import listed, say

BETTER_TURNED = 0.15
"""By how much the correlation of two neighbouring slices has to grow as one of them is turned or mirrored. In
100 ACDC hearts it falls by 0.07 or more in each of 940 pairs, and mostly by 0.4; cut to 150 or 120 mm around
the heart, where little but a round ventricle is left, it grows by up to 0.10."""

_CELL_MM = 4.0
"""Slices are compared in cells of this size, which noise and small structures do not reach."""

_REACH_CELLS = 2
"""How far the heart may lie off its place for another breath-hold."""

_FEWEST_CELLS = 16
"""Smaller images hold too little to compare."""


def turned_findings(images: Iterable[NDArray[np.float32]], geometry: StackGeometry) -> list[Finding]:
    """Compare the slices of one phase, each with its neighbour.

    Args:
        images: (y, x) intensities, slice by slice, of which no more than one is held at a time.
        geometry: of the stack.
    """
    cells = [_cells(image, geometry) for image in images]
    if len(cells[0]) < _FEWEST_CELLS:
        return []
    turned = [z for z in range(len(cells) - 1) if _is_better_turned(cells[z], cells[z + 1], geometry, z)]
    if not turned:
        return []
    slices = _odd_ones(turned, len(cells))
    message = say(
        "Slices {slices} match their neighbours better once they are turned or mirrored: look whether they "
        "are so in the archive. Volumes of the right ventricle and segments are wrong then; send the series "
        "again from where it was acquired.",
        slices=listed([z + 1 for z in slices]),
    )
    return [Finding("slices_turned", Severity.WARNING, message, whole_slices(slices))]


def _odd_ones(turned: list[int], n_slices: int) -> list[int]:
    """The slices to look at, of pairs (z, z + 1): the one between two, the outermost one, or both."""
    between = [second for first, second in pairwise(turned) if second == first + 1]
    alone = [z for z in turned if z not in between and z + 1 not in between]
    ends = {0: [0], n_slices - 2: [n_slices - 1]}
    return sorted({*between, *(one for z in alone for one in ends.get(z, [z, z + 1]))})


def _cells(image: NDArray[np.float32], geometry: StackGeometry) -> NDArray[np.float64]:
    """A square of coarse cells, from 0 (dark) to 1 (bright) and centred on its mean."""
    spacing_mm = np.array([geometry.spacing_y_mm, geometry.spacing_x_mm])
    dark, bright = map(float, np.percentile(image, (1, 99)))
    grey = np.clip((image - dark) / max(bright - dark, 1e-6), 0.0, 1.0)
    smooth = ndimage.gaussian_filter(grey, _CELL_MM / 2 / spacing_mm)
    coarse = ndimage.zoom(smooth, spacing_mm / _CELL_MM, order=1)
    side = max(coarse.shape)
    square = np.pad(coarse, [((side - n) // 2, side - n - (side - n) // 2) for n in coarse.shape])
    return np.asarray(square - square.mean(), dtype=np.float64)


def _is_better_turned(
    cells: NDArray[np.float64], neighbour: NDArray[np.float64], geometry: StackGeometry, z: int
) -> bool:
    """Whether slice ``z`` is more like the next one once it is turned or mirrored."""
    apart_mm = geometry.positions_mm[z] - geometry.positions_mm[z + 1]
    axes = (geometry.column_cosine, geometry.row_cosine)
    offset = [round(float(apart_mm @ axis) / _CELL_MM) for axis in axes]
    as_it_is, *others = (_correlation(way, neighbour, offset) for way in _ways(cells))
    return max(others) - as_it_is > BETTER_TURNED


def _ways(cells: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """The eight ways to lay a square: as it is, and turned or mirrored."""
    for side in (cells, cells[:, ::-1]):
        for quarters in range(4):
            yield np.rot90(side, quarters)


def _correlation(cells: NDArray[np.float64], neighbour: NDArray[np.float64], offset: list[int]) -> float:
    """The largest within reach of an ``offset`` (y, x), in cells, by which ``cells`` lie further on."""
    size = 2 * len(cells)  # zeros beyond the images, as correlation by spectra goes around
    spectra = np.conj(np.fft.rfft2(cells, (size, size))) * np.fft.rfft2(neighbour, (size, size))
    shifted = np.fft.irfft2(spectra, (size, size))
    reach = np.arange(-_REACH_CELLS, _REACH_CELLS + 1)
    near = shifted[np.ix_((offset[0] + reach) % size, (offset[1] + reach) % size)]
    norm = float(np.linalg.norm(cells) * np.linalg.norm(neighbour))
    return float(near.max()) / norm if norm > 0 else 0.0
