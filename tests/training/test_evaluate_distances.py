from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

import torch
from monai.metrics import compute_hausdorff_distance

from cvai.training.evaluation.distances import SurfaceDistances, dice

Mask = NDArray[np.bool_]


def box(shape: tuple[int, int, int], first: tuple[int, int, int], size: tuple[int, int, int]) -> Mask:
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(a, a + n) for a, n in zip(first, size, strict=True))] = True
    return mask


def random_blob(seed: int, shape: tuple[int, int, int] = (5, 14, 12)) -> Mask:
    rng = np.random.default_rng(seed)
    centre, radii = rng.uniform((1, 4, 4), (4, 9, 8)), rng.uniform((1.2, 2, 2), (2.5, 5, 4))
    offsets = (np.indices(shape) - centre[:, None, None, None]) / radii[:, None, None, None]
    return np.asarray((offsets**2).sum(axis=0) + rng.normal(0, 0.15, shape) < 1)


def test_half_of_a_box_has_a_dice_of_two_thirds() -> None:
    whole, half = box((4, 10, 10), (0, 2, 2), (4, 4, 6)), box((4, 10, 10), (0, 2, 2), (4, 4, 3))
    assert dice(whole, half) == pytest.approx(2 / 3)


def test_two_empty_masks_have_nothing_to_compare_and_one_empty_mask_is_a_miss() -> None:
    nothing, something = box((2, 4, 4), (0, 0, 0), (0, 0, 0)), box((2, 4, 4), (0, 1, 1), (2, 2, 2))
    assert dice(nothing, nothing) is None
    assert dice(nothing, something) == dice(something, nothing) == 0.0
    for a, b in ((nothing, nothing), (nothing, something), (something, nothing)):
        assert SurfaceDistances.between(a, b, (10.0, 1.0, 1.0)).hd95_mm() is None


@pytest.mark.parametrize(("axis", "voxels"), [(0, 1), (1, 2), (2, 3)])
def test_a_shifted_box_is_as_far_away_as_it_was_shifted(axis: int, voxels: int) -> None:
    spacing_mm, first = (3.0, 1.8, 1.3), [2, 4, 4]
    fixed = box((9, 24, 24), (2, 4, 4), (5, 12, 12))
    first[axis] += voxels
    moved = box((9, 24, 24), (first[0], first[1], first[2]), (5, 12, 12))
    distances = SurfaceDistances.between(fixed, moved, spacing_mm)
    assert distances.hd95_mm() == pytest.approx(voxels * spacing_mm[axis])


# MONAI calls itself with an argument it has deprecated.
@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
@settings(max_examples=40, deadline=None)
@given(
    seeds=st.tuples(st.integers(0, 500), st.integers(0, 500)),
    spacing_mm=st.tuples(st.floats(2, 12), st.floats(0.5, 3), st.floats(0.5, 3)),
)
def test_distances_are_those_of_monai_and_of_brute_force(
    seeds: tuple[int, int], spacing_mm: tuple[float, float, float]
) -> None:
    a, b = random_blob(seeds[0]), random_blob(seeds[1] + 1000)
    measured = SurfaceDistances.between(a, b, spacing_mm)
    tensors = [torch.from_numpy(mask)[None, None] for mask in (a, b)]
    monai = compute_hausdorff_distance(*tensors, include_background=True, percentile=95, spacing=spacing_mm)
    assert measured.hd95_mm() == pytest.approx(float(monai), rel=1e-5)
    everyone = [surface_points_mm(mask, spacing_mm) for mask in (a, b)]
    between = cdist(*everyone)
    expected = max(np.percentile(between.min(axis=axis), 95) for axis in (0, 1))
    assert measured.hd95_mm() == pytest.approx(expected)


def surface_points_mm(mask: Mask, spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Centres of the voxels that miss at least one of their six neighbours."""
    padded = np.pad(mask, 1)
    shifts = [np.roll(padded, step, axis)[1:-1, 1:-1, 1:-1] for axis in range(3) for step in (-1, 1)]
    return np.argwhere(mask & ~np.all(shifts, axis=0)) * np.asarray(spacing_mm)


def test_a_level_keeps_the_distances_it_has_in_the_whole_stack() -> None:
    fixed = box((6, 30, 30), (0, 5, 5), (6, 12, 12))
    moved = fixed.copy()
    moved[4:] = np.roll(fixed[4:], 3, axis=2)
    distances = SurfaceDistances.between(fixed, moved, (10.0, 1.0, 2.0))
    assert distances.hd95_mm(np.array([0, 1])) == 0
    assert distances.hd95_mm(np.array([4, 5])) == pytest.approx(6.0)
