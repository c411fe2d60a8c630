"""The bullseyes of the page: every number in its place, and nothing where nothing was measured."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from skimage.draw import polygon2mask

from cvai.analyses.cine_sax.page import motion_scores, wall_of
from cvai.dicom.write.report.bullseye import segment_outline
from cvai.domain.measurement import Measurement
from cvai.domain.ventricles.segments import WALL_SEGMENTS
from cvai.domain.ventricles.wall_motion import motion_name
from cvai.domain.ventricles.wall_thickness import measurement_name
from cvai.review.viewers.bullseye import CENTRE, RADIUS, DrawnWall, drawn_wall, segment_path
from cvai.review.viewers.scores import told_scores
from cvai.review.wording import render

OFF_THE_LINES = 0.37
"""Shifts the drawing against the grid, so that no point lies on a line between two segments."""


def measured(ed_mm: float = 8.0, es_mm: float = 12.0, leave_out: int = 0) -> DrawnWall:
    """A thickness that grows with the segment's number; the first ``leave_out`` are not measured."""
    numbers = []
    for segment in WALL_SEGMENTS[leave_out:]:
        for phase, mm in (("ed", ed_mm), ("es", es_mm)):
            numbers.append(Measurement(measurement_name(segment, phase), mm + segment.number / 10, "mm"))
    return drawn_wall(wall_of(numbers))


def test_every_number_stands_in_its_own_segment() -> None:
    """On a grid hardly a point lies in two segments, and each number lies in its own."""
    size = 2 * int(RADIUS) + 1
    masks = {}
    for segment in WALL_SEGMENTS:
        outline = np.array(segment_outline(CENTRE, RADIUS, segment)) + RADIUS + OFF_THE_LINES
        masks[segment] = polygon2mask((size, size), outline[:, ::-1])
    together = np.sum(list(masks.values()), axis=0)
    assert np.mean(together > 1) < 0.002, "but for slivers between arcs of different length"
    assert np.mean(together == 1) == pytest.approx(np.pi / 4 * (1 - 0.22**2), abs=0.01), "and the cap is left"
    thickness, thickening = measured().bullseyes
    for segment, drawn in zip(WALL_SEGMENTS, thickness.segments, strict=True):
        assert masks[segment][round(drawn.y + RADIUS), round(drawn.x + RADIUS)]
        assert drawn.text == f"{8 + segment.number / 10:.0f}"
        corners = np.array(re.findall(r"[-\d.]+ [-\d.]+(?=[AL]|Z)", segment_path(segment)))
        radii = [np.hypot(*map(float, corner.split())) for corner in corners]
        assert radii[0] == pytest.approx(radii[1], abs=0.02)
        assert radii[2] == pytest.approx(radii[3], abs=0.02)
        assert radii[0] > radii[2]
    assert thickening.segments[0].text == f"{100 * 4 / 8.1:.0f}"


def test_what_was_not_measured_is_a_dash_and_no_zero() -> None:
    wall = measured(leave_out=6)
    thickness, _ = wall.bullseyes
    assert {drawn.text for drawn in thickness.segments[:6]} == {"–"}
    rows = [values for _, values in wall.wall.rows]
    assert rows[0] == (None,) * 6
    assert rows[6][0] == pytest.approx(8.7)
    assert "Not measured" in render("wall.html", wall=drawn_wall(wall_of([])), of_reader=False)


def test_the_table_says_what_the_bullseyes_show() -> None:
    html = render("wall.html", wall=measured(), of_reader=True)
    for name, (ed_mm, es_mm, *_) in measured().wall.rows:
        assert f'<th scope="row">{name}</th><td>{ed_mm:.1f}</td><td>{es_mm:.1f}</td>' in html
    assert "Measured anew on the corrected contours." in html
    assert "style=" not in html, "the content security policy lets no style through"


def test_a_wall_that_hardly_changes_does_not_read_minus_zero() -> None:
    wall = measured(ed_mm=8.0, es_mm=7.99)
    assert {drawn.text for drawn in wall.bullseyes[1].segments} == {"0"}
    assert ">-0<" not in render("wall.html", wall=wall, of_reader=False)


def test_bullseyes_that_play_name_their_curves_and_are_hidden_until_there_are_any() -> None:
    thickening, inward = measured().playing
    assert thickening.segments[0].curve == "thickening_basal_anterior_percent"
    assert inward.segments[15].curve == "inward_apical_lateral_percent"
    html = render("wall.html", wall=measured(), of_reader=False)
    assert html.count("<figure hidden data-plays=") == 2
    assert html.count("data-curve=") == 2 * len(WALL_SEGMENTS)


def without_tags(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html)


def test_a_score_shows_its_range_and_which_one_a_reader_has_given() -> None:
    scores = [
        Measurement(motion_name(WALL_SEGMENTS[0]), 2.0, "{score}", (1.0, 3.0)),
        Measurement(motion_name(WALL_SEGMENTS[1]), 4.0, "{score}"),
    ]
    given = {motion_name(WALL_SEGMENTS[1]): 4.0}
    proposed = motion_scores([replace(score, value=3.0, interval=(1.0, 4.0)) for score in scores])
    shown = {
        "scores": proposed,
        "told": told_scores(motion_scores(scores), proposed, given),
        "chosen": given,
        "summary": None,
    }
    html = render("scores.html", **shown)
    assert "hypokinetic (1–3), AI akinetic (1–4)" in without_tags(html)
    assert "dyskinetic, given, AI akinetic (1–4)" in without_tags(html)
    assert html.count(" selected>") == 1
    assert html.count("<select") == len(WALL_SEGMENTS)
    german = without_tags(render("scores.html", "de", **shown))
    assert "hypokinetisch (1–3), KI akinetisch (1–4)" in german
