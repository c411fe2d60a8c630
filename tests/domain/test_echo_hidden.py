"""Loops whose image hides part of the left ventricle: phantoms with their true contours, and a real loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cvai.analyses.echo_apical.besides import strain_of
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.ultrasound.loop_pixels import grey_loop
from cvai.dicom.read.ultrasound.loops import select_loops
from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.beats import beats_of
from cvai.domain.echo.hidden import hidden_findings
from cvai.domain.echo.loop import EchoLoop, LoopSegmentation
from cvai.domain.echo.sector import sector_of_loop, sector_sides
from cvai.domain.echo.views import EchoView
from cvai.domain.findings import Place
from cvai.domain.phases import KeyPhases
from cvai.models.echo import installed_echo_segmenter
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.phantom import VIEWS, EchoPhantom, make_echo_phantom
from cvai.phantom.parameters import PhantomHeart

CAVITY = ECHO_LABELS[Structure.LV_CAVITY]
WALL = ECHO_LABELS[Structure.LV_MYOCARDIUM]
Damage = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.uint8]]
"""Frames and labels, both (t, y, x), give other frames."""


@cache
def phantom(seed: int = 3) -> EchoPhantom:
    heart = PhantomHeart.drawn(seed, 55.0)
    step_ms = heart.rr_interval_ms / 16
    return make_echo_phantom(heart, LoopAcquisition(n_frames=16, frame_time_ms=step_ms, seed=seed))


def loop_of(frames: NDArray[np.uint8]) -> EchoLoop:
    sector = sector_of_loop(frames)
    return EchoLoop(frames * sector, sector, None, None, None)


def found(frames: NDArray[np.uint8], labels: NDArray[np.uint8], view: EchoView = VIEWS[0]) -> set[str]:
    beat = beats_of(np.count_nonzero(labels == CAVITY, axis=(1, 2)).astype(float))[0]
    segmentation = LoopSegmentation(labels, view, 0.9)
    findings = hidden_findings("two-chamber", loop_of(frames), segmentation, beat)
    assert all(finding.where == (Place(beat.end_diastole),) for finding in findings)
    return {finding.code for finding in findings}


def middle(labels: NDArray[np.uint8]) -> tuple[int, int]:
    y, x = np.nonzero(labels[0] == CAVITY)
    return int(y.mean()), int(x.mean())


def shadow(aside: float, width: float = 0.06, left: float = 0.15) -> Damage:
    """Beams keep this share that are within ``width`` of one through the ventricle, or so far aside."""

    def damage(frames: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        sides = sector_sides(sector_of_loop(frames))
        assert sides is not None
        y0, x0 = sides.meet_px
        at_y, at_x = middle(labels)
        y, x = np.mgrid[: frames.shape[1], : frames.shape[2]]
        off = (x - x0) / np.maximum(y - y0, 1.0) - (at_x - x0) / (at_y - y0) - aside
        return np.where(np.abs(off) < width, frames * left, frames).astype(np.uint8)

    return damage


def box(down: float, value: int, half: int = 22) -> Damage:
    """A square ``down`` the cavity from its first row, in parts of its rows."""

    def damage(frames: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        y, x = np.nonzero(labels[0] == CAVITY)
        row = int(y.min() + down * np.ptp(y))
        column = int(x[y == row].max())  # on the border at the right
        covered = frames.copy()
        covered[:, row - half : row + half, column - half : column + half] = value
        return covered

    return damage


def through_jpeg(frames: NDArray[np.uint8], quality: int = 85) -> NDArray[np.uint8]:
    def lossy(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        file = BytesIO()
        Image.fromarray(frame).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    return np.stack([lossy(frame) for frame in frames])


def without_right_of_cavity(frames: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The sector ends at a beam through the middle of the cavity."""
    sides = sector_sides(sector_of_loop(frames))
    assert sides is not None
    y0, x0 = sides.meet_px
    at_y, at_x = middle(labels)
    y, x = np.mgrid[: frames.shape[1], : frames.shape[2]]
    return np.where((x - x0) * (at_y - y0) > (at_x - x0) * (y - y0), 0, frames).astype(np.uint8)


def low_gain(frames: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Three quarters of the wall fall to black."""
    level = float(np.percentile(frames[labels == WALL], 75))
    darker: NDArray[np.float64] = np.clip(frames.astype(np.float64) - level, 0, 255)
    return darker.astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 7))
@pytest.mark.parametrize("view", VIEWS)
def test_whole_ventricles_in_whole_images_are_not_flagged(view: EchoView, seed: int) -> None:
    frames, labels = phantom(seed).frames[view], phantom(seed).labels[view]
    assert found(frames, labels, view) == set()
    assert found(frames // 3, labels, view) == set(), "at a third of the brightness"
    assert found(through_jpeg(frames), labels, view) == set(), "after lossy compression"


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (shadow(0.0), "ventricle_in_shadow"),
        (shadow(0.0, width=0.03, left=0.25), "ventricle_in_shadow"),
        (shadow(0.15), "ventricle_in_shadow"),
        (box(0.4, 0), "ventricle_covered"),
        (box(0.7, 40), "ventricle_covered"),
        (box(0.2, 200), "ventricle_covered"),
        (without_right_of_cavity, "sector_incomplete"),
        (without_right_of_cavity, "wall_not_seen"),
        (low_gain, "wall_not_seen"),
    ],
)
def test_what_hides_the_ventricle_is_flagged_with_its_place(
    damage: Damage, code: str, view: EchoView
) -> None:
    frames, labels = phantom().frames[view], phantom().labels[view]
    assert code in found(damage(frames, labels), labels, view)


def test_a_box_is_found_after_lossy_compression() -> None:
    frames, labels = phantom().frames[VIEWS[0]], phantom().labels[VIEWS[0]]
    assert "ventricle_covered" in found(through_jpeg(box(0.4, 0, half=30)(frames, labels)), labels)


@pytest.mark.parametrize(("below_apex", "is_flagged"), [(0.1, True), (-0.02, True), (-0.3, False)])
def test_an_image_that_begins_at_the_apex_is_flagged(below_apex: float, is_flagged: bool) -> None:
    frames, labels = (of[VIEWS[0]] for of in (phantom().frames, phantom().labels))
    rows = np.flatnonzero((labels[0] == CAVITY).any(axis=1))
    first = int(rows[0] + below_apex * rows.size)
    frames, labels = frames[:, first:], np.ascontiguousarray(labels[:, first:])
    assert ("sector_incomplete" in found(frames, labels)) is is_flagged


def test_what_lies_beside_the_ventricle_is_not_flagged() -> None:
    frames, labels = phantom().frames[VIEWS[0]], phantom().labels[VIEWS[0]]
    beside = frames.copy()
    beside[:, 300:340, 330:370] = 0  # in the atrium
    assert "ventricle_covered" not in found(beside, labels)
    sides = sector_sides(sector_of_loop(frames))
    assert sides is not None
    y, x = np.nonzero(labels[0] == CAVITY)
    at_y, at_x = middle(labels)
    y0, x0 = sides.meet_px
    clear = float(((x - x0) / (y - y0)).min() - (at_x - x0) / (at_y - y0)) - 0.15
    assert found(shadow(clear, width=0.03)(frames, labels), labels) == set()
    assert found(shadow(clear + 0.2, width=0.03)(frames, labels), labels) == {"ventricle_in_shadow"}


def test_strain_of_a_hidden_ventricle_is_withheld() -> None:
    frames, labels = phantom().frames[VIEWS[0]], phantom().labels[VIEWS[0]]
    segmentation, beat = LoopSegmentation(labels, VIEWS[0], 0.9), KeyPhases(0, 6)
    seen, hidden = (strain_of(loop_of(frames), segmentation, [beat], is_hidden=h) for h in (False, True))
    assert hidden.withheld == "hides part of the left ventricle"
    assert seen.withheld != hidden.withheld


@pytest.mark.slow
def test_a_real_loop_is_flagged_where_it_is_damaged_and_not_as_it_is(real_data: Path) -> None:
    segmenter = installed_echo_segmenter(1)
    assert segmenter is not None
    (images,) = [
        images
        for study in read_studies(real_data / "echo_dicom").studies
        for images in select_loops(study).loops
        if len(images) == 65
    ]
    frames = grey_loop(images)[0][:30]
    labels = segmenter.segment(loop_of(frames)).labels
    assert found(frames, labels) == set()
    for damage, code in [
        (shadow(0.0), "ventricle_in_shadow"),
        (box(0.4, 0), "ventricle_covered"),
        (without_right_of_cavity, "sector_incomplete"),
        (low_gain, "wall_not_seen"),
    ]:
        assert code in found(damage(frames, labels), labels), code
