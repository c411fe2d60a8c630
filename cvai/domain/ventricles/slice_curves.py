"""Whether all slices of a cine show the same moment in the same phase, judged by how the cavity changes in
each."""

from __future__ import annotations

from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import Structure
from cvai.domain.findings import Finding, Severity, whole_slices
from cvai.domain.message import joined, listed, say
from cvai.domain.segmentation import CineSegmentation

LARGEST_SHIFT = 0.10
"""Share of the heartbeat by which the curves of two neighbouring slices may lie apart. In two real cines
contraction runs along the ventricle, and neighbours differ by 0.06 at most. In a phantom a shift of 0.08 in
three slices changes the ejection fraction by 0.3 points, one of 0.17 by 5."""

_FINE = 8
"""Shifts are tried in steps of this part of a phase."""

_LARGE_CAVITY = 0.25
"""Share of the largest slice's area that a slice has to have: small ones at the apex close and open as they
like."""

_FEWEST_SLICES = 4
"""Of fewer, none can be called the odd one."""

_MOVES = 0.15
"""Share of its largest area that the cavity of a slice has to lose for its curve to tell anything."""


def out_of_step_findings(segmentation: CineSegmentation) -> tuple[Finding, ...]:
    """Slices whose cavity becomes smallest at another time than that of their neighbours.

    The outermost slices are left out: at the base the plane of the valve moves through them, at the apex the
    tip.
    """
    shifts = slice_shifts(segmentation)
    inner = np.flatnonzero(_moves_much(_areas(segmentation)))[1:-1]
    inner = inner[~np.isnan(shifts[inner])]
    leaps = np.abs((np.diff(shifts[inner]) + 0.5) % 1.0 - 0.5)
    pairs = [pair for pair, leap in zip(pairwise(inner.tolist()), leaps, strict=True) if leap > LARGEST_SHIFT]
    if not pairs:
        return ()
    places = joined(", ", (listed([a + 1, b + 1]) for a, b in pairs))
    message = say(
        "The cavity contracts at another time from one slice to the next, by up to {percent:.0f} % "
        "of the heartbeat (slices {places}): slices may have been gated in different ways, and the "
        "ejection fraction be too low.",
        percent=100 * float(leaps.max()),
        places=places,
    )
    where = whole_slices(dict.fromkeys(chain.from_iterable(pairs)))
    return (Finding("slices_out_of_step", Severity.WARNING, message, where),)


def slice_shifts(segmentation: CineSegmentation) -> NDArray[np.float64]:
    """(z,) share of the heartbeat by which each slice runs behind the sum of the others, -0.5 to 0.5.

    NaN where a slice has too little cavity, or one that hardly moves, or none in some phase: there the valve
    or the tip moves through it, and its area follows that instead of the contraction.
    """
    areas = _areas(segmentation)
    tells = _moves_much(areas) & areas.all(axis=0)
    shifts = np.full(areas.shape[1], np.nan)
    if np.count_nonzero(tells) < _FEWEST_SLICES:
        return shifts
    shifts[tells] = _shifts(_standardised(areas[:, tells]))
    return shifts


def _areas(segmentation: CineSegmentation) -> NDArray[np.float64]:
    """(t, z) voxels of the cavity."""
    return segmentation.voxel_counts(Structure.LV_CAVITY).astype(np.float64)


def _moves_much(areas: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(z,) whether a slice has a large cavity that moves."""
    largest = areas.max(axis=0)
    return np.asarray((largest >= _LARGE_CAVITY * largest.max()) & (np.ptp(areas, axis=0) > _MOVES * largest))


def _standardised(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = curves - curves.mean(axis=0)
    return np.asarray(centred / np.linalg.norm(centred, axis=0))


def _shifts(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """(z,) share of the beat by which each of (t, z) curves is behind the median of all of them."""
    usual = np.median(curves, axis=1)
    fine = curves.shape[0] * _FINE
    spectra = np.conj(np.fft.rfft(usual))[:, np.newaxis] * np.fft.rfft(curves, axis=0)
    correlation = np.fft.irfft(spectra, n=fine, axis=0)  # interpolated by the zeros beyond the spectrum
    best = correlation.argmax(axis=0)
    return np.asarray((best / fine + 0.5) % 1.0 - 0.5)
