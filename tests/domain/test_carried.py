from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.carried import Reach, carried, signed_distances, with_layer, within
from cvai.phantom.cine_sax.phantom import make_phantom
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart

CAVITY, WALL, RIGHT = (
    SAX_LABELS[s] for s in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM, Structure.RV_CAVITY)
)


@dataclass(frozen=True)
class Contour:
    labels: tuple[int, ...]
    spares: tuple[int, ...] = ()
    leaves: int | None = 0


INSIDE, OUTSIDE = Contour((CAVITY,), leaves=WALL), Contour((WALL, CAVITY))
FREE_WALL = Contour((RIGHT,), spares=(CAVITY, WALL))
LAYERS = (INSIDE, OUTSIDE, FREE_WALL)
N, ED, ES, SLICE = 16, 0, 6, 5
WHOLE = Reach(ED, fading=7, between=N, cyclic=True)


@cache
def truth() -> NDArray[np.uint8]:
    """(t, z, y, x) of a synthetic heart whose every phase is known."""
    acquisition = PhantomAcquisition(
        n_phases=N, rows=96, columns=96, spacing_x_mm=2.6, spacing_y_mm=2.4, seed=3
    )
    return make_phantom(PhantomHeart(), acquisition).labels.labels


def with_bulge(labels: NDArray[np.uint8], layer: Contour, pixels: float, angle: float) -> NDArray[np.uint8]:
    """A frame whose contour is drawn too wide (or too narrow) in one direction."""
    mask = within(labels, layer)
    y, x = np.nonzero(mask)
    rows, columns = np.indices(mask.shape)
    around = np.angle(np.exp(1j * (np.arctan2(rows - y.mean(), columns - x.mean()) - angle)))
    return with_layer(labels, layer, signed_distances(mask) + pixels * np.exp(-((around / 0.6) ** 2)) > 0)


def dice(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Mean over the three structures."""
    shares = [
        2 * np.count_nonzero((one == k) & (other == k)) / np.count_nonzero([one == k, other == k])
        for k in (CAVITY, WALL, RIGHT)
    ]
    return float(np.mean(shares))


@pytest.mark.parametrize("pixels", [-2.5, 2.5])
@pytest.mark.parametrize("layer", LAYERS)
def test_an_error_of_every_phase_is_nearly_gone_once_both_key_phases_are_corrected(
    layer: Contour, pixels: float
) -> None:
    known = truth()[:, SLICE]
    drawn = np.stack([with_bulge(frame, layer, pixels, angle=2.0) for frame in known])
    found = carried(drawn, {ED: known[ED], ES: known[ES]}, WHOLE, LAYERS)
    assert set(found) == set(range(N)) - {ED, ES}
    before = [1 - dice(drawn[t], known[t]) for t in found]
    after = [1 - dice(labels, known[t]) for t, labels in found.items()]
    assert np.mean(before) > 0.01
    assert np.mean(after) < 0.35 * np.mean(before)
    assert max(np.subtract(after, before)) <= 0


def test_a_correction_of_one_phase_fades_towards_those_that_nobody_corrected() -> None:
    known = truth()[:, SLICE]
    drawn = np.stack([with_bulge(frame, INSIDE, 3.0, angle=0.5) for frame in known])
    found = carried(drawn, {ED: known[ED]}, Reach(ED, 3, N, cyclic=True), LAYERS)
    assert sorted(found) == [1, 2, 3, N - 3, N - 2, N - 1]
    left = [(1 - dice(found[t], known[t])) / (1 - dice(drawn[t], known[t])) for t in (1, 2, 3)]
    assert left == sorted(left)
    assert left[0] < 0.6
    assert left[2] < 1.0


def test_a_correction_reaches_slices_beside_it_but_not_beyond_another_one() -> None:
    known = truth()[ED, SLICE - 2 : SLICE + 2]
    drawn = np.stack([with_bulge(frame, OUTSIDE, 2.5, angle=1.0) for frame in known])
    found = carried(drawn, {1: known[1], 3: known[3]}, Reach(1, 1, 1, cyclic=False), LAYERS)
    assert sorted(found) == [0, 2]
    for z, labels in found.items():
        assert dice(labels, known[z]) > dice(drawn[z], known[z])
    assert dice(found[2], known[2]) > dice(found[0], known[0]), "with a correction on both sides"


def test_what_was_not_corrected_stays_pixel_by_pixel() -> None:
    known = truth()[:, SLICE]
    changed = with_bulge(known[ED], INSIDE, -3.0, angle=0.0)
    found = carried(known, {ED: changed}, WHOLE, LAYERS)
    for t, labels in found.items():
        np.testing.assert_array_equal(labels == RIGHT, known[t] == RIGHT)
        np.testing.assert_array_equal(within(labels, OUTSIDE), within(known[t], OUTSIDE))
    untouched = carried(known, {ED: known[ED]}, WHOLE, LAYERS)
    assert all(np.array_equal(labels, known[t]) for t, labels in untouched.items())


def test_a_ventricle_that_was_removed_or_put_in_is_so_up_to_the_middle_between_two_corrections() -> None:
    known = truth()[:, SLICE]
    without = np.where(known == RIGHT, 0, known).astype(np.uint8)
    kept = with_bulge(known[8], INSIDE, 2.0, angle=0.0)
    removed = carried(known, {0: without[0], 8: kept}, Reach(0, N, N, cyclic=False), LAYERS)
    assert [t for t, labels in removed.items() if not (labels == RIGHT).any()] == [1, 2, 3, 4]
    put_in = carried(without, {0: known[0]}, Reach(0, 2, N, cyclic=False), LAYERS)
    for t, labels in put_in.items():
        overlap = np.count_nonzero((labels == RIGHT) & (known[t] == RIGHT))
        assert 2 * overlap / np.count_nonzero([labels == RIGHT, known[t] == RIGHT]) > 0.9


def test_pixels_that_a_contour_leaves_take_the_label_beside_them() -> None:
    labels = np.array([[0, 2, 1, 1, 3, 0]], dtype=np.uint8)
    inside = Contour((1,), leaves=None)
    assert with_layer(labels, inside, np.zeros((1, 6), dtype=bool)).tolist() == [[0, 2, 2, 3, 3, 0]]


def test_a_reach_of_no_frame_is_no_reach() -> None:
    with pytest.raises(ValueError, match="one frame or more"):
        Reach(0, 0, 1, cyclic=True)
