"""Cine parts joined to stacks, which scanners store as one series, a series per slice or one per phase."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cvai.study.parts import MIN_SLICES, Part, is_same_kind, parts_of
from cvai.study.placement import SAME_PLANE_MM, is_parallel

_LATTICE_TOLERANCE = 0.1
"""Share of the slice spacing by which a slice may miss the stack's regular positions."""

_REACH = 1.5
"""Slice spacings within which a slice counts as a neighbour."""


def stacks_of(parts: Sequence[Part]) -> list[Part]:
    """Every stack of parallel cine slices that the parts of a study make, each image in one of them at most.

    FrameOfReferenceUID plays no role: there are scanners and anonymisers that give every image its own.
    """
    cines = [*(p for p in parts if p.is_cine), *_series_per_phase([p for p in parts if not p.is_cine])]
    cines.sort(key=lambda p: (p.n_slices, p.latest_series_number), reverse=True)
    stacks = []
    while cines:
        stack = cines.pop(0)
        for part in sorted(cines, key=lambda p: _distance_mm(stack, p) if _fits(stack, p) else np.inf):
            if _fits(stack, part):
                stack = Part((*stack.planes, *part.planes))
                cines.remove(part)
        stacks.append(stack)
    return stacks


def continues(stack: Part, part: Part) -> bool:
    """Whether a part adds slices that are neighbours of the stack's slices, or lie between them."""
    if not is_parallel(stack.planes[0], part.planes[0]) or stack.n_slices < 2:
        return False
    reach_mm = _REACH * _spacing_mm(stack)
    low_mm, high_mm = stack.positions_mm[0] - reach_mm, stack.positions_mm[-1] + reach_mm
    return any(low_mm <= p <= high_mm and not _is_at(stack, p) for p in part.positions_mm)


def _series_per_phase(parts: Sequence[Part]) -> list[Part]:
    """Stacks whose phases are series of their own: as many parallel single-phase parts as phases."""
    planes = [plane for part in parts if part.n_phases == 1 for plane in part.planes]
    return [part for part in parts_of(planes) if part.is_cine and part.n_slices >= MIN_SLICES]


def _fits(stack: Part, part: Part) -> bool:
    """Whether a part belongs to the stack: its missing slices, or a slice that was acquired once more.

    A series of its own must have the stack's pixel grid and pulse sequence, and lie on its regular positions
    or just beyond its ends.
    Images of the stack's own series belong to it on any grid: whether they can be assembled is decided later,
    with a refusal that says so, while leaving them out would shorten the heart without a word.
    """
    if not is_parallel(stack.planes[0], part.planes[0]):
        return False
    new_mm = [p for p in part.positions_mm if not _is_at(stack, p)]
    if not new_mm:
        return part.n_slices < MIN_SLICES and is_same_kind(stack.planes[0], part.planes[0])
    shares_series = not set(stack.series_uids).isdisjoint(part.series_uids)
    if not shares_series and not is_same_kind(stack.planes[0], part.planes[0]):
        return False
    if stack.n_slices < MIN_SLICES or _is_on_lattice(stack, new_mm):
        return True
    return part.n_slices < MIN_SLICES and _is_next_to_an_end(stack, new_mm)


def _is_at(stack: Part, position_mm: float) -> bool:
    return any(abs(position_mm - p) <= SAME_PLANE_MM for p in stack.positions_mm)


def _is_on_lattice(stack: Part, positions_mm: Sequence[float]) -> bool:
    steps = (np.asarray(positions_mm) - stack.positions_mm[0]) / _spacing_mm(stack)
    return bool(np.all(np.abs(steps - np.round(steps)) <= _LATTICE_TOLERANCE))


def _is_next_to_an_end(stack: Part, positions_mm: Sequence[float]) -> bool:
    low_mm, high_mm = stack.positions_mm[0], stack.positions_mm[-1]
    beyond_mm = [max(low_mm - p, p - high_mm) for p in positions_mm]
    return any(0 < b <= _REACH * _spacing_mm(stack) for b in beyond_mm)


def _spacing_mm(stack: Part) -> float:
    return float(np.median(np.diff(stack.positions_mm)))


def _distance_mm(stack: Part, part: Part) -> float:
    return min(abs(p - q) for p in part.positions_mm for q in stack.positions_mm)
