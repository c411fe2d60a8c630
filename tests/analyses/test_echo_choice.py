"""Which loops of an ultrasound study are measured, with a model that draws what it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvai.analyses.echo_apical.analyse import analyse_echo
from cvai.analyses.echo_apical.analysis import EchoAnalysis
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.values import CineNotFound, Study
from cvai.domain.echo.function import Volumes, require_ejection
from cvai.domain.echo.loop import EchoLoop, LoopSegmentation
from cvai.domain.echo.views import EchoView
from cvai.domain.series_choice import SeriesChoice
from cvai.domain.uncertainty import ByDoubt, Uncertainty
from cvai.errors import Refused
from cvai.models.echo import EchoSegmenter
from tests.dicom.read.ultrasound_files import STUDY, beating_frames, write_loop
from tests.dicom.write.echo_synthetic import COLUMNS, FOUR, MODEL, N_FRAMES, ROWS, TWO, beating_labels
from tests.dicom.write.synthetic import CREATED, write_results
from tests.dicom.write.test_pdf import run

OTHER = EchoView.OTHER
WHOLE_BEAT_BPM = 72
"""At which the loops hold nine tenths of a beat and more."""

Loop = tuple[EchoView, float, Mapping[str, Any]]
"""What the model sees in it, how surely, and what its header states."""


class DrawingSegmenter:
    """Draws the same heart into every loop and names the views it is given, in turn, with one doubt."""

    identity = MODEL
    uncertainty: Uncertainty | None = None
    doubt: float | None = None
    esv_factors: Mapping[str, float] = MappingProxyType({})

    def __init__(self, views: Iterable[tuple[EchoView, float]], draw: Callable[[], np.ndarray]) -> None:
        self._views, self._draw = iter(views), draw
        self.n_loops = 0

    def segment(self, loop: EchoLoop) -> LoopSegmentation:
        assert loop.n_frames == N_FRAMES
        self.n_loops += 1
        doubts = None if self.doubt is None else np.full(N_FRAMES, self.doubt, dtype=np.float32)
        return LoopSegmentation(self._draw(), *next(self._views), doubts)


def drawn() -> np.ndarray:
    return beating_labels(22.0)


def analysed(
    folder: Path,
    loops: list[Loop],
    draw: Callable[[], np.ndarray] = drawn,
    chosen: tuple[int, ...] = (),
    views: Mapping[int, str] = MappingProxyType({}),
) -> EchoAnalysis:
    """``number`` in the header of a loop is its place in the study, from 1; ``chosen`` are such numbers, with
    the views that a reader states of them."""
    for number, (_, _, changes) in enumerate(loops, start=1):
        frames = beating_frames(N_FRAMES, ROWS, COLUMNS, seed=number)
        write_loop(folder / f"{number}.dcm", frames, number, **{"HeartRate": WHOLE_BEAT_BPM, **changes})
    (study,) = read_studies(folder).studies
    study = replace(study, chosen=choice_of(study, chosen, views) if chosen else None)
    segmenter = DrawingSegmenter([(view, surely) for view, surely, _ in loops], draw)
    return analyse_echo(study, cast(EchoSegmenter, segmenter), Stopwatch())


def choice_of(study: Study, chosen: tuple[int, ...], views: Mapping[int, str]) -> SeriesChoice:
    uids = {p.instance_number: p.sop_instance_uid for series in study.series for p in series.planes}
    at = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    stated = tuple((uids[n], view) for n, view in views.items())
    return SeriesChoice(study.series[0].series_uid, "Hart^Ada", at, tuple(uids[n] for n in chosen), stated)


def measured(analysis: EchoAnalysis) -> list[int | None]:
    return [loop.source.images[0].instance_number for loop in analysis.loops]


def codes(analysis: EchoAnalysis) -> set[str]:
    return {finding.code for finding in analysis.findings}


def values(analysis: EchoAnalysis) -> dict[str, float]:
    return {m.name: m.value for m in analysis.measurements}


def test_loops_of_two_stages_are_never_combined(tmp_path: Path) -> None:
    loops: list[Loop] = [(FOUR, 0.9, {"StageName": "REST"}), (TWO, 0.9, {"StageName": "PEAK"})]
    analysis = analysed(tmp_path, loops)
    assert analysis.view == "a4c"
    assert measured(analysis) == [1]
    assert {"several_stages", "single_plane"} <= codes(analysis)
    assert [p.reason for p in analysis.excluded] == [
        'stage "PEAK" at 72/min, not at rest; measured: stage "REST" at 72/min'
    ]


def test_the_network_is_not_asked_about_loops_that_are_left_out(tmp_path: Path) -> None:
    changes = ({"StageName": "PEAK"}, {"ViewName": "PLAX", "StageName": "REST"}, {"StageName": "REST"})
    for number, stated in enumerate(changes, start=1):
        write_loop(tmp_path / f"{number}.dcm", beating_frames(N_FRAMES, ROWS, COLUMNS), number, **stated)
    (study,) = read_studies(tmp_path).studies
    segmenter = DrawingSegmenter([(FOUR, 0.9)], drawn)
    analyse_echo(study, cast(EchoSegmenter, segmenter), Stopwatch())
    assert segmenter.n_loops == 1


def test_what_was_measured_under_stress_alone_says_so_and_is_not_held_to_normal_ranges(
    tmp_path: Path,
) -> None:
    person = {"PatientSex": "M", "PatientAge": "060Y"}
    resting = analysed(tmp_path / "rest", [(FOUR, 0.9, person)])
    stressed = analysed(tmp_path / "peak", [(FOUR, 0.9, {**person, "StageName": "PEAK"})])
    assert any(m.normal is not None for m in resting.measurements)
    assert "not_at_rest" in codes(stressed)
    assert all(m.normal is None for m in stressed.measurements)


def test_loops_at_stress_without_a_name_are_told_by_their_heart_rates(tmp_path: Path) -> None:
    loops: list[Loop] = [
        (FOUR, 0.99, {"HeartRate": 134, "FrameTime": "20"}),
        (FOUR, 0.8, {"HeartRate": 62}),
        (TWO, 0.8, {"HeartRate": 66}),
        (TWO, 0.99, {"HeartRate": 140, "FrameTime": "20"}),
    ]
    analysis = analysed(tmp_path, loops)
    assert measured(analysis) == [2, 3]
    assert "rest_by_heart_rate" in codes(analysis)
    assert [p.reason for p in analysis.excluded] == ["acquired at a higher heart rate"] * 2


def test_views_at_somewhat_different_heart_rates_are_combined_with_a_finding(tmp_path: Path) -> None:
    analysis = analysed(tmp_path, [(FOUR, 0.9, {"HeartRate": 72}), (TWO, 0.9, {"HeartRate": 88})])
    assert analysis.view == "biplane"
    assert codes(analysis) == {"heart_rates_differ"}


def test_loops_of_different_days_are_not_combined(tmp_path: Path) -> None:
    def on(date: str, time: str) -> dict[str, str]:
        return {"AcquisitionDate": date, "AcquisitionTime": time}

    loops: list[Loop] = [
        (FOUR, 0.9, on("20240229", "101500")),
        (TWO, 0.9, {**on("20240301", "0915"), "SeriesInstanceUID": f"{STUDY}.2"}),
        (TWO, 0.8, on("20240229", "102000")),
        (FOUR, 0.8, on("20240301", "160000")),
    ]
    analysis = analysed(tmp_path, loops)
    assert measured(analysis) == [1, 3]
    assert "several_examinations" in codes(analysis)
    assert [p.reason for p in analysis.excluded] == ["of another examination in the study"] * 2


def test_loops_of_one_examination_in_several_series_are_combined(tmp_path: Path) -> None:
    later = {"AcquisitionDate": "20240229", "AcquisitionTime": "103500", "SeriesInstanceUID": f"{STUDY}.2"}
    first = {"AcquisitionDate": "20240229", "AcquisitionTime": "101500"}
    analysis = analysed(tmp_path, [(FOUR, 0.9, first), (TWO, 0.9, later)])
    assert analysis.view == "biplane"
    assert codes(analysis) == set()


def test_a_loop_that_looks_like_another_view_than_stated_is_found_and_not_preferred(tmp_path: Path) -> None:
    stated = {"ViewName": "A2C"}
    alone = analysed(tmp_path / "alone", [(FOUR, 0.99, stated)])
    assert "view_contradicts_header" in codes(alone)
    both = analysed(tmp_path / "both", [(FOUR, 0.99, stated), (FOUR, 0.8, {"ViewName": "A4C"})])
    assert measured(both) == [2]
    assert "view_contradicts_header" not in codes(both)


def test_a_loop_in_which_nothing_beats_gives_no_ejection_fraction(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        analysed(tmp_path, [(FOUR, 0.9, {})], lambda: np.repeat(beating_labels(22.0)[:1], N_FRAMES, axis=0))
    assert refused.value.code == "no_ejection"


@pytest.mark.parametrize(("edv_ml", "esv_ml"), [(80.0, 90.0), (80.0, 80.0), (80.0, 0.0), (0.0, 0.0)])
def test_volumes_of_no_heartbeat_are_refused(edv_ml: float, esv_ml: float) -> None:
    with pytest.raises(Refused) as refused:
        require_ejection(Volumes(edv_ml, esv_ml))
    assert refused.value.code == "no_ejection"


def test_a_heart_rate_that_the_loop_contradicts_gives_no_cardiac_output(tmp_path: Path) -> None:
    assert {"heart_rate", "lv_co"} <= values(analysed(tmp_path / "a", [(FOUR, 0.9, {})])).keys()
    analysis = analysed(tmp_path / "b", [(FOUR, 0.9, {"HeartRate": 200})])
    assert "heart_rate_contradicted" in codes(analysis)
    assert not {"heart_rate", "lv_co"} & values(analysis).keys()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"FrameTime": None}, id="not stated"),
        pytest.param({"CineRate": "60"}, id="contradicted"),
        pytest.param({"FrameTime": "120"}, id="three times as long"),
        pytest.param({"FrameTime": "4"}, id="a tenth"),
    ],
)
def test_frame_times_change_no_ejection_fraction(tmp_path: Path, changes: dict[str, Any]) -> None:
    plain = analysed(tmp_path / "a", [(FOUR, 0.9, {})])
    analysis = analysed(tmp_path / "b", [(FOUR, 0.9, changes)])
    assert values(analysis)["lv_ef"] == values(plain)["lv_ef"]
    assert analysis.loops[0].beats == plain.loops[0].beats
    assert codes(plain) == {"single_plane"}
    assert codes(analysis) > {"single_plane"}


def test_a_page_of_loops_without_times_counts_frames(tmp_path: Path) -> None:
    loops: list[Loop] = [(FOUR, 0.9, {}), (TWO, 0.9, {"FrameTime": None})]
    write_results(analysed(tmp_path / "study", loops), tmp_path / "results", created=CREATED)
    page = run("pdftotext", "-layout", tmp_path / "results" / "report.pdf", "-")
    assert "Time (ms)" not in page
    assert "Frame" in page.split("Area of the left ventricle")[1]


def test_a_reason_that_all_loops_share_is_the_reason_of_the_refusal(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        analysed(tmp_path, [(FOUR, 0.9, {"FrameTime": "0.04"}), (TWO, 0.9, {"FrameTime": "0.04"})])
    assert refused.value.code == "frame_times_implausible"


def test_a_loop_stated_as_apical_that_shows_something_else_is_told_so(tmp_path: Path) -> None:
    loops: list[Loop] = [(OTHER, 0.9, {"ViewName": "A4C"}), (FOUR, 0.9, {})]
    (reason,) = (p.reason for p in analysed(tmp_path, loops).excluded)
    assert "though stated as apical four-chamber" in reason


TWICE: list[Loop] = [(FOUR, 0.9, {}), (FOUR, 0.8, {}), (TWO, 0.9, {}), (TWO, 0.8, {})]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        pytest.param((), [1, 3], id="none"),
        pytest.param((2,), [2, 3], id="one view, the other as before"),
        pytest.param((2, 4), [2, 4], id="both views"),
        pytest.param((2, 4, 1), [1, 4], id="the last one of a view counts"),
    ],
)
def test_loops_that_a_reader_chose_are_measured(
    tmp_path: Path, chosen: tuple[int, ...], expected: list[int]
) -> None:
    analysis = analysed(tmp_path, TWICE, chosen=chosen)
    assert measured(analysis) == expected
    assert ("series_chosen_by_reader" in codes(analysis)) == bool(chosen)
    left = [excluded.loop for excluded in analysis.excluded]
    assert [(loop.view, loop.n_frames, loop.heart_rate_bpm) for loop in left if loop] == [
        ("a4c", N_FRAMES, WHOLE_BEAT_BPM),
        ("a2c", N_FRAMES, WHOLE_BEAT_BPM),
    ]


def test_a_chosen_loop_at_stress_is_measured_alone_and_not_called_at_rest(tmp_path: Path) -> None:
    peak = {"HeartRate": 134, "FrameTime": "20"}
    by_rate = analysed(tmp_path / "rate", [(FOUR, 0.9, {}), (TWO, 0.9, {}), (FOUR, 0.8, peak)], chosen=(3,))
    assert measured(by_rate) == [3]
    staged = {**peak, "StageName": "PEAK"}
    loops: list[Loop] = [(FOUR, 0.8, staged), (TWO, 0.9, {"StageName": "REST"})]
    by_name = analysed(tmp_path / "name", loops, chosen=(1,))
    assert measured(by_name) == [1]
    assert "not_at_rest" in codes(by_name)
    (left,) = by_name.excluded
    assert left.loop is not None
    assert left.loop.view == ""


@pytest.mark.slow
def test_a_chosen_loop_of_another_day_brings_the_other_view_of_that_day(tmp_path: Path) -> None:
    def on(date: str) -> dict[str, str]:
        return {"AcquisitionDate": date, "AcquisitionTime": "101500"}

    early, late = on("20240229"), on("20240301")
    loops: list[Loop] = [(FOUR, 0.8, early), (TWO, 0.8, early), (FOUR, 0.9, late), (TWO, 0.9, late)]
    assert measured(analysed(tmp_path / "one", loops)) == [3, 4]
    assert measured(analysed(tmp_path / "other", loops, chosen=(1,))) == [1, 2]
    across = analysed(tmp_path / "across", loops, chosen=(1, 4))
    assert measured(across) == [1, 4]
    assert "several_examinations" in codes(across)


def test_a_chosen_loop_that_shows_no_apical_view_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        analysed(tmp_path, [(FOUR, 0.9, {}), (OTHER, 0.9, {})], chosen=(2,))
    assert refused.value.code == "chosen_loop_not_measured"
    assert "neither an apical four- nor a two-chamber view" in refused.value.message


def test_a_loop_is_measured_as_the_view_that_a_reader_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_widths = {f"lv_ef_{view}": 5.0 for view in ("a4c", "biplane")}
    monkeypatch.setattr(DrawingSegmenter, "uncertainty", Uncertainty(0.9, half_widths, {}))
    loops = [(FOUR, 0.9, {}), (OTHER, 0.9, {})]
    alone = analysed(tmp_path / "alone", loops)
    left = [(left.loop.view, left.loop.n_frames) for left in alone.excluded if left.loop is not None]
    assert (measured(alone), left) == ([1], [("other", N_FRAMES)])
    both = analysed(tmp_path / "both", loops, chosen=(2,), views={2: "a2c"})
    assert measured(both) == [1, 2]
    assert [loop.view for loop in both.loops] == [FOUR, TWO]
    assert {"series_chosen_by_reader", "view_stated_by_reader"} <= codes(both)
    assert [has_interval(analysis) for analysis in (alone, both)] == [True, False]


def interval_points(analysis: EchoAnalysis) -> float:
    (ef,) = (m for m in analysis.measurements if m.name == "lv_ef")
    assert ef.interval is not None
    return ef.interval[1] - ef.value


def test_an_ejection_fraction_of_poorly_seen_walls_has_a_wide_interval_and_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_doubt = ByDoubt({"lv_ef": 100.0, "lv_ef_a4c": 200.0}, least=0.05)
    known = Uncertainty(0.9, {"lv_ef": 7.0, "lv_ef_a4c": 11.0}, {}, by_doubt=by_doubt)
    monkeypatch.setattr(DrawingSegmenter, "uncertainty", known)
    loops = [(FOUR, 0.9, {}), (TWO, 0.9, {})]
    found = {}
    for doubt in (None, 0.01, 0.13):
        monkeypatch.setattr(DrawingSegmenter, "doubt", doubt)
        found[doubt] = analysed(tmp_path / str(doubt), loops)
    widths = [interval_points(analysis) for analysis in found.values()]
    assert widths == pytest.approx([7.0, 5.0, 13.0])
    warned = ["ejection_fraction_uncertain" in codes(analysis) for analysis in found.values()]
    assert warned == [False, False, True]
    monkeypatch.setattr(DrawingSegmenter, "doubt", 0.1)
    alone = analysed(tmp_path / "alone", loops[:1])
    assert interval_points(alone) == pytest.approx(20.0)
    assert "ejection_fraction_uncertain" not in codes(alone), "single_plane says it"


def has_interval(analysis: EchoAnalysis) -> bool:
    return any(measurement.interval is not None for measurement in analysis.measurements)


def test_the_only_loop_is_offered_where_the_model_sees_no_apical_view_in_it(tmp_path: Path) -> None:
    with pytest.raises(CineNotFound, match="neither an apical") as refused:
        analysed(tmp_path, [(OTHER, 0.9, {})])
    (left,) = refused.value.excluded
    assert left.loop is not None
    assert left.loop.view == "other"


def test_a_stated_view_stays_with_its_loop_when_another_is_chosen() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    first = SeriesChoice("1", "Hart^Ada", at, ("1.1",), (("1.1", "a2c"),))
    second = SeriesChoice("1", "Hart^Ada", at, ("1.2",)).after(first)
    assert (second.loops, second.views) == (("1.1", "1.2"), (("1.1", "a2c"),))
    assert SeriesChoice.from_text(second.to_text()) == second
    again = SeriesChoice("1", "Hart^Ada", at, ("1.1",)).after(second)
    assert (again.loops, again.views) == (("1.2", "1.1"), ())


def test_a_chosen_loop_that_is_stated_to_show_another_view_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        analysed(tmp_path, [(FOUR, 0.9, {}), (OTHER, 0.9, {"ViewName": "PLAX"})], chosen=(2,))
    assert refused.value.code == "chosen_loop_not_measured"


STATES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "name": ({"StageName": "BASELINE"}, {"StageName": "PEAK"}),
    "number": ({"StageNumber": 1, "NumberOfStages": 4}, {"StageNumber": 3, "NumberOfStages": 4}),
    "only the stress": ({}, {"StageName": "POST EXERCISE"}),
    "heart rate": ({}, {"HeartRate": 140, "FrameTime": "20"}),
}
"""What the loops at rest and those under stress state."""


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    how=st.sampled_from(sorted(STATES)),
    loops=st.lists(
        st.tuples(st.booleans(), st.sampled_from([FOUR, TWO]), st.floats(0.5, 1.0)), min_size=1, max_size=5
    ),
)
def test_no_mixture_of_rest_and_stress_is_measured_as_one(
    how: str, loops: list[tuple[bool, EchoView, float]]
) -> None:
    """Any number of loops in any order: those at rest give the result, or it says that there are none."""
    stated = [(view, surely, STATES[how][1 if is_stress else 0]) for is_stress, view, surely in loops]
    with TemporaryDirectory() as folder:
        analysis = analysed(Path(folder), stated)
    under_stress = {is_stress for is_stress, _, _ in loops}
    chosen = {loops[(number or 0) - 1][0] for number in measured(analysis)}
    assert len(chosen) == 1
    if len(under_stress) == 2:
        assert chosen == {False}
        assert {"several_stages", "rest_by_heart_rate"} & codes(analysis)
    elif under_stress == {True} and how != "heart rate":
        assert "not_at_rest" in codes(analysis)
