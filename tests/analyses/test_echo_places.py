"""Where the findings of an ultrasound study can be looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cvai.analyses.echo_apical.analysis import EchoAnalysis
from cvai.analyses.echo_apical.measure import may_share_scale
from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.function import KeyDiscs, Volumes
from cvai.domain.echo.loop import EchoLoop
from cvai.domain.echo.quality import biplane_findings, length_findings, volume_findings
from cvai.domain.echo.simpson import disc_stack
from cvai.domain.echo.views import EchoView
from cvai.domain.findings import Place
from cvai.domain.phases import KeyPhases
from tests.analyses.test_echo_choice import FOUR, TWO, Loop, analysed
from tests.dicom.write.echo_synthetic import beating_labels

BOTH: list[Loop] = [(FOUR, 0.9, {}), (TWO, 0.9, {})]


def where(analysis: EchoAnalysis, code: str) -> tuple[Place, ...]:
    (finding,) = (finding for finding in analysis.findings if finding.code == code)
    return finding.where


@pytest.mark.parametrize("view", [FOUR, TWO])
def test_what_is_said_of_one_loop_leads_to_its_view(view: EchoView, tmp_path: Path) -> None:
    analysis = analysed(tmp_path, [(view, 0.9, {"ViewName": "A2C" if view is FOUR else "A4C"})])
    assert where(analysis, "single_plane") == (Place(view=view.value),)
    assert where(analysis, "view_contradicts_header") == (Place(view=view.value),)


def test_a_frame_that_jumps_is_named_with_its_view(tmp_path: Path) -> None:
    steady, jumping = beating_labels(22.0), beating_labels(22.0)
    jumping[4][jumping[4] == ECHO_LABELS[Structure.LV_CAVITY]] = 0
    drawn = iter([steady, jumping])
    analysis = analysed(tmp_path, BOTH, lambda: next(drawn))
    assert where(analysis, "area_jumps_between_frames") == (Place(phase=4, view="a2c"),)


def test_what_both_loops_lack_leads_to_both(tmp_path: Path) -> None:
    analysis = analysed(tmp_path, [(FOUR, 0.9, {"FrameTime": None}), (TWO, 0.9, {"FrameTime": None})])
    assert where(analysis, "times_unknown") == (Place(view="a4c"), Place(view="a2c"))


def test_what_tells_two_views_apart_leads_to_both(tmp_path: Path) -> None:
    short = np.zeros_like(beating_labels(22.0))
    short[:, 40:100] = beating_labels(22.0)[:, ::2]  # of half the length
    drawn = iter([beating_labels(22.0), short])
    loops: list[Loop] = [(FOUR, 0.9, {"HeartRate": 72}), (TWO, 0.9, {"HeartRate": 88})]
    analysis = analysed(tmp_path, loops, lambda: next(drawn))
    ed = [loop.beats[0].end_diastole for loop in analysis.loops]
    assert where(analysis, "view_foreshortened") == (Place(ed[0], view="a4c"), Place(ed[1], view="a2c"))
    assert where(analysis, "heart_rates_differ") == (Place(view="a4c"), Place(view="a2c"))


def test_an_atrium_that_the_sector_cuts_off_is_withheld_in_both_views(tmp_path: Path) -> None:
    cut = beating_labels(22.0)
    cut[:, 80:, 60:100] = ECHO_LABELS[Structure.LEFT_ATRIUM]
    analysis = analysed(tmp_path, [(FOUR, 0.9, {}), (TWO, 0.9, {})], lambda: cut)
    es = [loop.beats[0].end_systole for loop in analysis.loops]
    assert where(analysis, "atrium_cut")[-1] == Place(es[1], view="a2c")
    assert analysis.measurement("la_ef") is None


def test_an_atrium_that_one_view_lacks_is_measured_from_neither(tmp_path: Path) -> None:
    without = np.where(beating_labels(22.0) == ECHO_LABELS[Structure.LEFT_ATRIUM], 0, beating_labels(22.0))
    drawn = iter([beating_labels(22.0), without.astype(np.uint8)])
    analysis = analysed(tmp_path, BOTH, lambda: next(drawn))
    assert [place.view for place in where(analysis, "atrium_not_found")] == ["a2c"]
    assert analysis.measurement("la_ef") is None


def test_borders_that_do_not_come_back_give_no_strain(tmp_path: Path) -> None:
    labels = beating_labels(22.0)
    shorter = np.zeros_like(labels)
    shorter[:, 20:] = labels[:, :-20]
    shorter[:, 90:] = 0
    labels[14:] = shorter[14:]
    analysis = analysed(tmp_path, [(FOUR, 0.9, {})], lambda: labels)
    (finding,) = (finding for finding in analysis.findings if finding.code == "strain_withheld")
    assert "does not cycle" in finding.message
    assert analysis.measurement("lv_gls_endo_a4c") is None


def test_volumes_that_cannot_be_lead_to_the_phase_they_are_of() -> None:
    beats = {"a4c": KeyPhases(2, 9), "a2c": KeyPhases(0, 8)}
    found = volume_findings(Volumes(edv_ml=15.0, esv_ml=2.0), beats, calibrated=True)
    assert {finding.code: finding.where for finding in found} == {
        "ejection_fraction_very_high": (Place(9, view="a4c"), Place(8, view="a2c")),
        "lv_implausibly_small": (Place(2, view="a4c"), Place(0, view="a2c")),
    }


def test_a_ventricle_larger_than_any_leads_to_end_diastole() -> None:
    beats = {"a4c": KeyPhases(2, 9)}
    (found,) = volume_findings(Volumes(edv_ml=900.0, esv_ml=450.0), beats, calibrated=True)
    assert (found.code, found.where) == ("lv_implausibly_large", (Place(2, view="a4c"),))
    assert volume_findings(Volumes(edv_ml=900.0, esv_ml=450.0), beats, calibrated=False) == ()


@pytest.mark.parametrize(("one_scale", "codes"), [(True, ["view_foreshortened"]), (False, [])])
def test_lengths_are_compared_between_views_of_one_scale_only(one_scale: bool, codes: list[str]) -> None:
    frame = beating_labels(22.0)[0]
    near, far = (disc_stack(frame, (size_mm, size_mm)) for size_mm in (1.0, 1.5))
    found = biplane_findings(
        KeyDiscs(near, near), KeyDiscs(far, far), (None, None), {"a4c": KeyPhases(0, 1)}, one_scale=one_scale
    )
    assert [finding.code for finding in found] == codes


@pytest.mark.parametrize(("rows", "alike"), [(60, True), (90, False)])
def test_views_of_one_matrix_without_a_size_of_their_pixels_may_be_of_one_scale(
    rows: int, alike: bool
) -> None:
    loops = [
        EchoLoop(np.zeros((8, n, 60), np.uint8), np.ones((n, 60), dtype=bool), None, None, None)
        for n in (60, rows)
    ]
    assert may_share_scale(*loops) is alike


@pytest.mark.parametrize(("long_mm", "is_told"), [(40.0, True), (50.0, False), (110.0, False), (120.0, True)])
def test_a_ventricle_that_is_too_long_or_too_short_is_told(long_mm: float, is_told: bool) -> None:
    labels = beating_labels(22.0)[0]
    pixel_mm = long_mm / disc_stack(labels, (1.0, 1.0)).axis.length_mm
    stack = disc_stack(labels, (pixel_mm, pixel_mm))
    found = length_findings("four-chamber", KeyDiscs(stack, stack), KeyPhases(2, 9))
    assert [(f.code, f.where) for f in found] == [("lv_length_implausible", (Place(2),))] * is_told
