"""Ultrasound as a reader leaves it: contours and beats of both views, measured again from what was stored."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pydicom import dcmread

from cvai.analyses.echo_apical import SPEC
from cvai.analyses.echo_apical.analysis import EchoAnalysis
from cvai.analyses.echo_apical.page import AXIS, redrawn_loops
from cvai.analyses.echo_apical.reading import ReopenedLoops, labels_of, measured_loops, remeasured_loops
from cvai.analyses.spec import Correction
from cvai.dicom.read.read import read_studies
from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.function import key_discs, mean_volumes
from cvai.domain.echo.views import EchoView
from cvai.domain.phases import KeyPhases
from cvai.errors import HeartRefused
from tests.dicom.write.echo_synthetic import MODEL, echo_analysis
from tests.dicom.write.synthetic import write_results

FOUR, TWO = EchoView.APICAL_4_CHAMBER.value, EchoView.APICAL_2_CHAMBER.value
CAVITY, WALL = ECHO_LABELS[Structure.LV_CAVITY], ECHO_LABELS[Structure.LV_MYOCARDIUM]
FACTORS = {"lv_esv": 0.9}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    root = tmp_path_factory.mktemp("drawn")
    analysis = echo_analysis(root / "study")
    segs = {o.kind: o.path for o in write_results(analysis, root / "results") if o.kind.startswith("seg_")}
    (study,) = read_studies(root / "study").studies
    return SimpleNamespace(analysis=analysis, opened=SPEC.reopen(study, segs))


def correction(
    opened: ReopenedLoops, beats: dict[str, tuple[KeyPhases, ...]] | None = None
) -> tuple[dict[str, np.ndarray], Correction]:
    """Labels to be changed, and the correction that has them."""
    labels = {view: of_view.copy() for view, of_view in labels_of(opened).items()}
    found = {loop.view.value: loop.beats for loop in measured_loops(opened)}
    return labels, Correction(labels, {**found, **(beats or {})}, MODEL, None, FACTORS)


def value(analysis: EchoAnalysis, name: str) -> float:
    measurement = analysis.measurement(name)
    assert measurement is not None
    return measurement.value


def narrowed(frame: np.ndarray) -> None:
    """Give the outer quarters of the cavity's width to the wall."""
    for row in frame:
        inside = np.flatnonzero(row == CAVITY)
        quarter = len(inside) // 4
        row[inside[:quarter]] = row[inside[len(inside) - quarter :]] = WALL


def test_what_the_model_drew_measures_the_same_again(drawn: SimpleNamespace) -> None:
    _, unchanged = correction(drawn.opened)
    again = remeasured_loops(drawn.opened, unchanged)
    assert [loop.beats for loop in again.loops] == [loop.beats for loop in drawn.analysis.loops]
    for name in ("lv_edv", "la_max", "la_ef", "lv_gls_endo", "lv_gls_time_a2c"):
        assert value(again, name) == pytest.approx(value(drawn.analysis, name)), name
    assert value(again, "lv_esv") == pytest.approx(0.9 * value(drawn.analysis, "lv_esv"))
    assert again.factors == FACTORS


def test_a_corrected_end_systole_is_measured_by_its_discs_as_drawn(drawn: SimpleNamespace) -> None:
    labels, changed = correction(drawn.opened)
    beat = changed.beats[TWO][0]
    narrowed(labels[TWO][beat.end_systole, 0])
    again = remeasured_loops(drawn.opened, changed)
    by_view = {loop.view.value: loop for loop in again.loops}
    discs = [
        [key_discs(loop.segmentation, b, loop.source.loop.spacing_mm) for b in loop.beats]
        for loop in (by_view[FOUR], by_view[TWO])
    ]
    volumes = mean_volumes(*discs)
    assert value(again, "lv_ef") == pytest.approx(volumes.ef_percent)
    assert value(again, "lv_esv") == pytest.approx(volumes.esv_ml)
    assert value(again, "lv_esv") < 0.7 * value(drawn.analysis, "lv_esv")
    assert again.factors == {}
    assert again.correction is None


def test_a_corrected_end_diastole_leaves_the_end_systolic_volume_alone(drawn: SimpleNamespace) -> None:
    labels, changed = correction(drawn.opened)
    narrowed(labels[FOUR][changed.beats[FOUR][0].end_diastole, 0])
    again = remeasured_loops(drawn.opened, changed)
    assert value(again, "lv_edv") < 0.8 * value(drawn.analysis, "lv_edv")
    assert value(again, "lv_esv") == pytest.approx(0.9 * value(drawn.analysis, "lv_esv"), rel=1e-3)


def test_beats_are_those_that_the_reader_has_set(drawn: SimpleNamespace) -> None:
    found = drawn.analysis.loops[0].beats[0]
    earlier = KeyPhases(found.end_diastole, found.end_systole - 4)
    _, changed = correction(drawn.opened, {FOUR: (earlier,)})
    again = remeasured_loops(drawn.opened, changed)
    assert again.loops[0].beats == (earlier,)
    assert again.key_frames["es"] == earlier.end_systole
    assert value(again, "lv_esv") > 1.05 * 0.9 * value(drawn.analysis, "lv_esv")


def test_contours_without_a_mitral_plane_are_refused_with_view_and_frame(drawn: SimpleNamespace) -> None:
    labels, changed = correction(drawn.opened)
    t = changed.beats[FOUR][0].end_systole
    frame = labels[FOUR][t, 0]
    frame[frame == WALL] = 0
    with pytest.raises(HeartRefused, match=f"Apical four-chamber view, frame {t + 1}") as refused:
        remeasured_loops(drawn.opened, changed)
    assert refused.value.code == "mitral_plane_not_found"


def test_lines_are_drawn_again_on_the_frames_asked_for(drawn: SimpleNamespace) -> None:
    labels, changed = correction(drawn.opened)
    t = changed.beats[FOUR][0].end_systole
    narrowed(labels[FOUR][t, 0])
    again = remeasured_loops(drawn.opened, changed)
    four, two = redrawn_loops(again, {FOUR: {t}, TWO: set()})
    assert (set(four.lines), set(two.lines)) == ({t}, set())
    assert len(four.lines[t][AXIS]) == 2, "of ventricle and atrium"
    assert four.beats == changed.beats[FOUR]


def test_a_loop_that_was_not_measured_is_excluded(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    analysis = echo_analysis(folder, n_loops=1)
    segs = {o.kind: o.path for o in write_results(analysis, tmp_path / "results") if o.kind == "seg_a4c"}
    other = next(folder.glob("*.dcm"))
    second = dcmread(other)
    second.SOPInstanceUID = second.file_meta.MediaStorageSOPInstanceUID = f"{second.SOPInstanceUID}.9"
    second.save_as(folder / "second.dcm")
    (study,) = read_studies(folder).studies
    opened = SPEC.reopen(study, segs)
    assert [e.reason for e in opened.excluded] == ["another loop was measured"]
    _, unchanged = correction(opened)
    assert remeasured_loops(opened, unchanged).view == "a4c"
