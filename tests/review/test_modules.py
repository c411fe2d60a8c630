"""The page's own arithmetic against Python's: run lengths, outlines, volumes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page
from scipy import ndimage

from cvai.analyses.cine_sax import SPEC
from cvai.domain.function import measure_sax
from cvai.domain.geometry import StackGeometry
from cvai.domain.phases import KeyPhases
from cvai.domain.runs import decoded_runs, encoded_runs
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.volumes import volume_curves_ml
from tests.dicom.write.synthetic import beating_labels
from tests.review.site import Site

GRID = {"rows": 30, "columns": 46}
assert SPEC.page is not None
PAGE = SPEC.page


@pytest.fixture(scope="module")
def page(browser: Browser, site: Site) -> Iterator[Page]:
    made = browser.new_page()
    made.goto(f"{site.url}/sign-in")
    yield made
    made.close()


def blob(seed: int) -> NDArray[np.uint8]:
    """(y, x) a mask of a few parts, with holes, at the border too."""
    noise = np.random.default_rng(seed).normal(size=(GRID["rows"], GRID["columns"]))
    return (ndimage.gaussian_filter(noise, 1.0 + seed % 3) > 0).astype(np.uint8)


@pytest.mark.parametrize("seed", range(6))
def test_an_outline_traced_from_a_mask_gives_that_mask(page: Page, seed: int) -> None:
    mask = blob(seed)
    back = page.evaluate(
        """async ({runs, rows, columns}) => {
          const {decodeRuns, encodeRuns} = await import("/static/labels.js");
          const {trace, fill} = await import("/static/outlines.js");
          const mask = decodeRuns(runs, rows * columns);
          const inside = (x, y) => x >= 0 && y >= 0 && x < columns && y < rows && mask[y * columns + x] === 1;
          const box = {top: 0, bottom: rows - 1, left: 0, right: columns - 1};
          return encodeRuns(fill(trace(inside, box), rows, columns));
        }""",
        {"runs": list(encoded_runs(mask)), **GRID},
    )
    assert np.array_equal(decoded_runs(back, mask.shape), mask)


def test_smoothing_an_outline_keeps_its_area(page: Page) -> None:
    y, x = np.mgrid[0 : GRID["rows"], 0 : GRID["columns"]]
    mask = (np.hypot(y - 14, x - 22) < 10.3).astype(np.uint8)
    area = page.evaluate(
        """async ({runs, rows, columns}) => {
          const {decodeRuns} = await import("/static/labels.js");
          const {trace, smooth} = await import("/static/outlines.js");
          const mask = decodeRuns(runs, rows * columns);
          const box = {top: 0, bottom: rows - 1, left: 0, right: columns - 1};
          const [outline] = trace((x, y) => mask[y * columns + x] === 1, box).map((o) => smooth(o));
          return Math.abs(outline.reduce((sum, a, i) => {
            const b = outline[(i + 1) % outline.length];
            return sum + (a.x * b.y - b.x * a.y) / 2;
          }, 0));
        }""",
        {"runs": list(encoded_runs(mask)), **GRID},
    )
    assert area == pytest.approx(int(mask.sum()), rel=0.015)


def test_pulling_moves_what_is_near_and_leaves_the_far_side(page: Page) -> None:
    y, x = np.mgrid[0 : GRID["rows"], 0 : GRID["columns"]]
    labels = np.where(np.hypot(y - 14, x - 22) < 8, 1, np.where(np.hypot(y - 14, x - 22) < 11, 2, 0))
    runs = page.evaluate(
        """async ({runs, rows, columns, layer}) => {
          const {decodeRuns, encodeRuns} = await import("/static/labels.js");
          const {outlinesOf, withChange} = await import("/static/layers.js");
          const {pull} = await import("/static/outlines.js");
          const labels = decodeRuns(runs, rows * columns), grid = {rows, columns};
          const before = outlinesOf(labels, layer, grid);
          const after = before.map((outline) => pull(outline, {x: 30, y: 14}, {x: 5, y: 0}, 3));
          return encodeRuns(withChange(labels, layer, before, after, grid));
        }""",
        {"runs": list(encoded_runs(labels.astype(np.uint8))), "layer": asdict(PAGE.layers[0]), **GRID},
    )
    pulled = decoded_runs(runs, labels.shape)
    assert np.array_equal(pulled[:, :22], labels[:, :22]), "the far side stays pixel for pixel"
    assert list(pulled[14, 29:36]) == [1, 1, 1, 1, 1, 1, 0], "the cavity has grown through the wall"
    wall_near = np.count_nonzero(pulled[:, 22:] == 2)
    assert wall_near < np.count_nonzero(labels[:, 22:] == 2)


def ring() -> NDArray[np.uint8]:
    """(y, x) a round cavity within its wall."""
    y, x = np.mgrid[0 : GRID["rows"], 0 : GRID["columns"]]
    away = np.hypot(y - 14, x - 22)
    return np.where(away < 8, 1, np.where(away < 11, 2, 0)).astype(np.uint8)


def edited(page: Page, layer: int, does: str) -> NDArray[np.uint8]:
    """What ``does`` makes of the ring; ``editor`` and ``layer`` stand for what their names say."""
    runs = page.evaluate(
        f"""async ({{runs, grid, layer}}) => {{
          const {{decodeRuns, encodeRuns, LabelVolume}} = await import("/static/labels.js");
          const {{Editor}} = await import("/static/editor.js");
          const labels = new LabelVolume(decodeRuns(runs, grid.rows * grid.columns), grid);
          const editor = new Editor(labels, labels.data.slice(), [{{ed: 0, es: 0}}]);
          const at = (degrees, radius) => {{
            const angle = degrees * Math.PI / 180;
            return {{x: 22 + radius * Math.cos(angle), y: 14 + radius * Math.sin(angle)}};
          }};
          const draw = (from, to, radius) => {{
            editor.begin(0, 0, layer, "draw", at(from, 8));
            for (let degrees = from + 5; degrees < to; degrees += 5) editor.move(at(degrees, radius));
            editor.move(at(to, 8));
            editor.end();
          }};
          {does}
          return encodeRuns(labels.frame(0, 0));
        }}""",
        {
            "runs": list(encoded_runs(ring())),
            "grid": {**GRID, "n_phases": 1, "n_slices": 1},
            "layer": asdict(PAGE.layers[layer]),
        },
    )
    return decoded_runs(runs, ring().shape)


@pytest.mark.parametrize(("start", "end"), [(-60, 60), (60, 180), (100, 300)])
def test_an_open_stroke_replaces_the_arc_along_it_and_nothing_else(page: Page, start: int, end: int) -> None:
    drawn = edited(page, 0, f"draw({start}, {end}, 10)")
    y, x = np.mgrid[0 : GRID["rows"], 0 : GRID["columns"]]
    radius, degrees = np.hypot(y - 14, x - 22), np.degrees(np.arctan2(y - 14, x - 22))
    is_along = (degrees - start) % 360 < end - start
    well_within = is_along & ((degrees - start) % 360 > 15) & ((end - degrees) % 360 > 15)
    assert (drawn[well_within & (radius < 9.3)] == 1).all(), "the cavity reaches as far as the stroke"
    away = ~is_along & ((degrees - end) % 360 > 10) & ((start - degrees) % 360 > 10)
    assert np.array_equal(drawn[away], ring()[away])


def test_a_closed_stroke_replaces_the_whole_contour(page: Page) -> None:
    drawn = edited(page, 0, "draw(0, 355, 5)")
    y, x = np.mgrid[0 : GRID["rows"], 0 : GRID["columns"]]
    radius = np.hypot(y - 14, x - 22)
    assert (drawn[(radius > 5.5) & (radius < 7) & (x < 27)] == 2).all()
    assert (drawn[radius < 4.5] == 1).all()


def test_removing_a_contour_leaves_the_others(page: Page) -> None:
    without_inside, without_outside = (edited(page, layer, "editor.drop(0, 0, layer)") for layer in (0, 1))
    assert np.array_equal(without_inside, np.where(ring() > 0, 2, 0))
    assert np.array_equal(without_outside, np.where(ring() == 1, 1, 0))


def test_pixels_given_up_become_what_lies_next_to_them_where_the_layer_says_so(page: Page) -> None:
    left = page.evaluate(
        """async () => {
          const {withLayer} = await import("/static/layers.js");
          const layer = {labels: [1], spares: [], leaves: null};
          const frames = [[2, 1, 1, 1, 1, 3], [1, 1, 1, 1, 1, 1]];
          return frames.map((frame) => [...withLayer(Uint8Array.from(frame), layer, () => false, 6)]);
        }"""
    )
    assert left == [[2, 2, 2, 3, 3, 3], [0, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize("heart_rate_bpm", [64.0, None])
def test_the_page_measures_what_python_measures(page: Page, heart_rate_bpm: float | None) -> None:
    labels = beating_labels(6, 4, **GRID)
    cine = {
        "n_phases": 6,
        "n_slices": 4,
        **GRID,
        "spacing_y_mm": 1.9,
        "spacing_x_mm": 1.3,
        "heart_rate_bpm": heart_rate_bpm,
        "voxel_volume_ml": 8.5 * 1.9 * 1.3 / 1000,
    }
    shown = page.evaluate(
        """async ({runs, grid, live}) => {
          const {decodeRuns, LabelVolume, measure} = await import("/static/labels.js");
          const size = grid.n_phases * grid.n_slices * grid.rows * grid.columns;
          return measure(new LabelVolume(decodeRuns(runs, size), grid), 5, 2, live);
        }""",
        {"runs": list(encoded_runs(labels)), "grid": cine, "live": asdict(PAGE.live) if PAGE.live else None},
    )
    geometry = StackGeometry.unplaced(4, (8.5, 1.9, 1.3))
    curves_ml = volume_curves_ml(CineSegmentation(labels, geometry))
    found = measure_sax(curves_ml, KeyPhases(5, 2), heart_rate_bpm)
    python = {m.name: m.value for m in found if m.name != "heart_rate"}
    assert shown == pytest.approx(python)
