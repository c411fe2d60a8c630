"""Apical loops that were refused, read by hand: nothing but what is drawn is measured, judged and stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import cast

import numpy as np
import pytest
from pydicom import dcmread

from cvai.analyses.echo_apical import SPEC
from cvai.analyses.echo_apical.analyse import analyse_echo
from cvai.analyses.echo_apical.analysis import EchoAnalysis
from cvai.analyses.echo_apical.besides import SQUARE_PX
from cvai.analyses.echo_apical.by_hand import REFUSALS, first_beat
from cvai.analyses.echo_apical.page import preview_of_loops, shown_loops
from cvai.analyses.echo_apical.reading import ReopenedLoops, labels_of, remeasured_loops, reopen_loops
from cvai.analyses.shown import FewFrames
from cvai.analyses.spec import Correction
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.values import Study
from cvai.dicom.write.result_json import Status, analysed_record, ended_record
from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.function import Volumes, key_discs, mean_volumes
from cvai.domain.echo.loop import EchoLoop, LoopSegmentation
from cvai.domain.echo.views import EchoView
from cvai.domain.findings import Severity
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import ModelIdentity
from cvai.domain.series_choice import SeriesChoice
from cvai.errors import HeartRefused, Refused
from cvai.models.echo import EchoSegmenter
from tests.dicom.read.ultrasound_files import beating_frames, region, write_loop
from tests.dicom.write.echo_synthetic import COLUMNS, MODEL, N_FRAMES, ROWS, beating_labels
from tests.dicom.write.synthetic import write_results

FOUR, TWO = EchoView.APICAL_4_CHAMBER.value, EchoView.APICAL_2_CHAMBER.value
CAVITY, WALL = ECHO_LABELS[Structure.LV_CAVITY], ECHO_LABELS[Structure.LV_MYOCARDIUM]
BEAT = KeyPhases(0, 9)
AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


class LostSegmenter:
    """Refuses every loop, or draws what it is told to."""

    identity = MODEL
    uncertainty = None
    esv_factors = MappingProxyType({FOUR: 0.9})

    def __init__(self, draw: Callable[[], LoopSegmentation]) -> None:
        self._draw = draw

    def segment(self, loop: EchoLoop) -> LoopSegmentation:
        del loop
        return self._draw()


def lost() -> LoopSegmentation:
    raise HeartRefused("heart_not_found", "No left ventricle was found.", "Look.")


def still() -> LoopSegmentation:
    labels = np.repeat(beating_labels(22.0)[:1], N_FRAMES, axis=0)
    return LoopSegmentation(labels, EchoView.APICAL_4_CHAMBER, 0.9)


def study_of(folder: Path, *, n_loops: int = 2, calibrated: bool = True) -> Study:
    for number in range(1, n_loops + 1):
        frames = beating_frames(N_FRAMES, ROWS, COLUMNS, seed=number)
        regions = [region()] if calibrated else []
        write_loop(folder / f"{number}.dcm", frames, number, SequenceOfUltrasoundRegions=regions)
    (study,) = read_studies(folder).studies
    return study


def opened_by_hand(study: Study, *views: str) -> Study:
    uids = {p.instance_number: p.sop_instance_uid for series in study.series for p in series.planes}
    stated = tuple((uids[number], view) for number, view in enumerate(views, start=1))
    loops = tuple(uid for uid, _ in stated)
    choice = SeriesChoice(study.series[0].series_uid, "Hart^Ada", AT, loops, stated, "heart_not_found")
    return replace(study, chosen=choice)


def drawn(reopened: ReopenedLoops, frames: dict[str, list[int]], **changed: np.ndarray) -> EchoAnalysis:
    """With these frames of a beating heart drawn in each view, or with other labels of a view."""
    labels = {view: of_view.copy() for view, of_view in labels_of(reopened).items()}
    for view, of_view in frames.items():
        whole = changed.get(view, beating_labels({FOUR: 24.0, TWO: 20.0}[view]))
        labels[view][of_view, 0] = whole[of_view]
    beats = dict.fromkeys(labels, (BEAT,))
    return remeasured_loops(reopened, Correction(labels, beats, ModelIdentity.of_hand("1.0"), None))


def values(analysis: EchoAnalysis) -> dict[str, float]:
    return {m.name: m.value for m in analysis.measurements}


def codes(analysis: EchoAnalysis) -> set[str]:
    return {finding.code for finding in analysis.findings}


def withheld(analysis: EchoAnalysis) -> str:
    (finding,) = (f for f in analysis.findings if f.code == "structure_not_drawn")
    assert finding.severity is Severity.WITHHELD
    return finding.message


def by_discs(reopened: ReopenedLoops, *widest_px: float) -> Volumes:
    """Of the beating hearts that ``drawn`` draws."""
    discs, spacing_mm = [], reopened.loops[0].source.loop.spacing_mm or SQUARE_PX
    for widest in widest_px:
        segmentation = LoopSegmentation(beating_labels(widest), EchoView.APICAL_4_CHAMBER, 1.0)
        discs.append((key_discs(segmentation, BEAT, spacing_mm),))
    return mean_volumes(discs[0], discs[1] if len(discs) > 1 else ())


@pytest.mark.parametrize("n_loops", [1, 2])
@pytest.mark.parametrize(("draw", "code"), [(lost, "heart_not_found"), (still, "no_ejection")])
def test_loops_that_are_refused_for_their_contours_are_offered_to_be_drawn_on(
    tmp_path: Path, n_loops: int, draw: Callable[[], LoopSegmentation], code: str
) -> None:
    study = study_of(tmp_path, n_loops=n_loops)
    with pytest.raises(Refused) as refused:
        analyse_echo(study, cast(EchoSegmenter, LostSegmenter(draw)), Stopwatch())
    assert refused.value.code == code
    assert code in REFUSALS
    record = ended_record("echo_apical", Status.REFUSED, refused.value, refused.value.excluded, {})  # type: ignore[attr-defined]
    assert [left["loop"]["refused"] for left in record["excluded"]] == [code] * n_loops


def test_an_opened_study_has_no_numbers_and_says_what_to_draw(tmp_path: Path) -> None:
    study = opened_by_hand(study_of(tmp_path), TWO, FOUR)
    analysis = analyse_echo(study, cast(EchoSegmenter, LostSegmenter(lost)), Stopwatch())
    assert analysis.is_to_be_drawn
    assert analysis.measurements == ()
    assert [loop.view.value for loop in analysis.loops] == [FOUR, TWO]
    assert [loop.source.images[0].instance_number for loop in analysis.loops] == [2, 1]
    assert codes(analysis) >= {"read_by_hand", "view_stated_by_reader", "phases_to_be_set"}
    assert "Left ventricle at end-systole (apical two-chamber view)" in withheld(analysis)
    record = analysed_record(analysis, (), {}, study)
    assert (record["factors"], record["curves"]["lv_ml"]) == ({}, None)
    assert not any(loop.labels.any() or any(loop.lines) for loop in shown_loops(reopen_loops(study, {})))


def test_end_systole_stands_a_third_into_the_first_beat_until_it_is_set(tmp_path: Path) -> None:
    (source,) = (loop.source for loop in reopen_loops(opened_by_hand(study_of(tmp_path), FOUR), {}).loops)
    times_ms = np.arange(0.0, 25.0 * N_FRAMES, 25.0)
    assert first_beat(replace(source.loop, times_ms=None)) == KeyPhases(0, round(N_FRAMES / 3))
    assert first_beat(replace(source.loop, times_ms=times_ms, heart_rate_bpm=200.0)) == KeyPhases(0, 4)


def test_only_what_is_drawn_in_both_phases_is_measured(tmp_path: Path) -> None:
    reopened = reopen_loops(opened_by_hand(study_of(tmp_path), FOUR, TWO), {})
    assert not any(labels.any() for labels in labels_of(reopened).values())

    half = drawn(reopened, {FOUR: [0]})
    assert half.measurements == ()
    assert withheld(half).startswith("Not drawn: Left ventricle at end-systole (apical four-chamber view).")

    one = drawn(reopened, {FOUR: [0, 9]})
    assert one.view == FOUR
    assert values(one)["lv_ef"] == pytest.approx(by_discs(reopened, 24.0).ef_percent)
    assert {"single_plane", "phases_not_drawn", "strain_withheld"} <= codes(one)
    assert not codes(one) & {"area_jumps_between_frames", "no_whole_beat", "structure_not_drawn"}
    assert one.curves["lv_ml"] is None
    assert "nothing is drawn in it" in {left.reason for left in one.excluded}

    other = drawn(reopened, {FOUR: [0, 9], TWO: [9]})
    assert other.measurements == (), "a view of which one phase is drawn gives none, nor does the other alone"
    assert withheld(other).startswith("Not drawn: Left ventricle at end-diastole (apical two-chamber view).")

    both = drawn(reopened, {FOUR: [0, 9], TWO: [0, 9]})
    assert both.view == "biplane"
    assert values(both)["lv_ef"] == pytest.approx(by_discs(reopened, 24.0, 20.0).ef_percent)
    assert values(both)["lv_edv"] > values(both)["lv_esv"] > 0
    assert all(m.interval is None for m in both.measurements)
    assert both.factors == {}, "factors are of how a model draws"


def test_a_wall_that_is_not_drawn_is_named_and_one_without_a_gap_refused(tmp_path: Path) -> None:
    reopened = reopen_loops(opened_by_hand(study_of(tmp_path, n_loops=1), FOUR), {})
    labels = beating_labels(24.0)
    labels[9][labels[9] == WALL] = 0
    assert "Left ventricular myocardium at end-systole" in withheld(
        drawn(reopened, {FOUR: [0, 9]}, a4c=labels)
    )
    labels = beating_labels(24.0)
    labels[9][labels[9] != CAVITY] = WALL
    with pytest.raises(HeartRefused, match="Apical four-chamber view, frame 10"):
        drawn(reopened, {FOUR: [0, 9]}, a4c=labels)


def test_an_atrium_is_measured_where_it_is_drawn_in_both_phases(tmp_path: Path) -> None:
    reopened = reopen_loops(opened_by_hand(study_of(tmp_path, n_loops=1), FOUR), {})
    whole = values(drawn(reopened, {FOUR: list(range(N_FRAMES))}))
    sparse = values(drawn(reopened, {FOUR: [0, 9]}))
    assert sparse["la_max"] == pytest.approx(whole["la_max"])
    labels = beating_labels(24.0)
    labels[0][labels[0] == ECHO_LABELS[Structure.LEFT_ATRIUM]] = 0
    analysis = drawn(reopened, {FOUR: [0, 9]}, a4c=labels)
    assert "la_max" not in values(analysis)
    assert "atrium_not_found" in codes(analysis)


def test_where_every_frame_is_drawn_all_is_measured_as_of_a_correction(tmp_path: Path) -> None:
    reopened = reopen_loops(opened_by_hand(study_of(tmp_path, n_loops=1), FOUR), {})
    whole = drawn(reopened, {FOUR: list(range(N_FRAMES))})
    assert "lv_gls_endo_a4c" in values(whole)
    assert "phases_not_drawn" not in codes(whole)
    assert whole.curves["lv_ml"] is not None


def test_without_a_size_of_the_pixels_there_are_no_millilitres(tmp_path: Path) -> None:
    reopened = reopen_loops(opened_by_hand(study_of(tmp_path, n_loops=1, calibrated=False), FOUR), {})
    analysis = drawn(reopened, {FOUR: [0, 9]})
    assert values(analysis)["lv_ef"] == pytest.approx(by_discs(reopened, 24.0).ef_percent)
    assert not {m.name for m in analysis.measurements if m.unit == "mL"}
    assert "calibration_missing" in codes(analysis)


def test_a_preview_has_numbers_once_all_is_drawn(tmp_path: Path) -> None:
    reopened = reopen_loops(opened_by_hand(study_of(tmp_path, n_loops=1), FOUR), {})
    whole, beats = beating_labels(24.0), {FOUR: (BEAT,)}
    first = preview_of_loops(reopened, FewFrames({(FOUR, 0): whole[0]}, beats, {}))
    assert first.measurements == ()
    assert first.lines[FOUR, 0], "discs are drawn as soon as there is a contour"
    both = preview_of_loops(reopened, FewFrames({(FOUR, t): whole[t] for t in (0, 9)}, beats, {}))
    ef = next(m.value for m in both.measurements if m.name == "lv_ef")
    assert ef == pytest.approx(by_discs(reopened, 24.0).ef_percent)


def test_what_is_stored_is_manual_and_of_the_drawn_views_alone(tmp_path: Path) -> None:
    study = opened_by_hand(study_of(tmp_path / "study"), FOUR, TWO)
    written = write_results(drawn(reopen_loops(study, {}), {TWO: [0, 9]}), tmp_path / "results")
    kinds = {o.kind: o.path for o in written}
    assert "seg_a4c" not in kinds
    segments = dcmread(kinds["seg_a2c"]).SegmentSequence
    assert {segment.SegmentAlgorithmType for segment in segments} == {"MANUAL"}
    labels = SPEC.results.drawn(drawn(reopen_loops(study, {}), {TWO: [0, 9]}))[0].labels
    assert np.flatnonzero(labels.any(axis=(1, 2, 3))).tolist() == [0, 9]
