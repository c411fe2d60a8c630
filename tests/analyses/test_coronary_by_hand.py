"""Refused runs are opened, and measured along the lines that a reader draws; without a browser."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from cvai.analyses.coronary import SPEC
from cvai.analyses.coronary.analyse import analyse_coronary
from cvai.analyses.coronary.analysis import CoronaryAnalysis
from cvai.analyses.coronary.by_hand import REFUSALS
from cvai.analyses.coronary.marks import preview_of_runs
from cvai.analyses.coronary.page import shown_runs
from cvai.analyses.coronary.reading import labels_of, remeasured_runs, reopen_runs
from cvai.analyses.coronary.tree import VesselModel
from cvai.analyses.shown import FewFrames
from cvai.analyses.spec import Correction
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.angiography.runs import select_runs
from cvai.dicom.read.values import Study
from cvai.dicom.write.write import write_objects
from cvai.domain.segmentation import ModelIdentity
from cvai.domain.series_choice import SeriesChoice
from cvai.domain.vessels.centreline import Points, vessel_paths
from cvai.domain.vessels.segments import CORONARY_LABELS, CoronarySegment
from cvai.errors import HeartRefused, Refused, StudyRefused
from cvai.phantom.coronary.run import PhantomRun, RunParameters, make_run, run_dataset
from cvai.phantom.coronary.vessels import PhantomLesion
from tests.analyses.angiography import ThresholdVessels
from tests.dicom.read.angiography_files import study_of

RIGHT = RunParameters(n_frames=14, beat_frames=8, lesions={2: (PhantomLesion(0.5, 8.0, 65.0),)})
FRAME, LESION = 4, "lesion_1_stenosis"
SEGMENT = CORONARY_LABELS[CoronarySegment.SEGMENT_2]


@pytest.fixture(scope="module")
def phantom() -> PhantomRun:
    return make_run(RIGHT)


@pytest.fixture(scope="module")
def original(phantom: PhantomRun) -> Dataset:
    return run_dataset(phantom)


def opened(folder: Path, *runs: Dataset, code: str = "vessels_not_found", frame: int | None = FRAME) -> Study:
    study = study_of(folder, *(deepcopy(run) for run in runs))
    first = select_runs(study).runs[0][0]
    frames = () if frame is None else ((first.sop_instance_uid, frame),)
    at = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    return replace(study, chosen=SeriesChoice(first.series_uid, "Hart^Ada", at, by_hand=code, frames=frames))


def middle_of(phantom: PhantomRun) -> Points:
    """(n, 2) of the segment with the lesion, a pixel apart."""
    points = vessel_paths(phantom.labels > 0)[0].points
    return points[phantom.labels[tuple(points.round().astype(int).T)] == SEGMENT]


def line(points: Points, number: int = 1, run: int = 1, segment: int = SEGMENT) -> dict[str, float]:
    name = f"lesion_{number}_stenosis"
    places = {f"{name}:view": float(run), f"{name}:segment": float(segment)}
    for place, (y, x) in enumerate(points, start=1):
        places |= {f"{name}:y{place}": round(float(y), 1), f"{name}:x{place}": round(float(x), 1)}
    return places


def drawn(study: Study, chosen: Mapping[str, float]) -> CoronaryAnalysis:
    reopened = reopen_runs(study, {})
    correction = Correction(labels_of(reopened), {}, ModelIdentity.of_hand("1"), None, {}, chosen)
    return remeasured_runs(reopened, correction)


def codes(analysis: CoronaryAnalysis) -> set[str]:
    return {finding.code for finding in analysis.findings}


def test_refusals_that_are_read_by_hand_are_of_sound_images(original: Dataset, tmp_path: Path) -> None:
    nothing = ThresholdVessels(np.zeros((512, 512), dtype=np.uint8))
    with pytest.raises(Refused) as refused:
        analyse_coronary(study_of(tmp_path, original), nothing, Stopwatch())
    assert refused.value.code in REFUSALS
    assert "grey_inverted" not in REFUSALS


def test_an_opened_run_has_no_numbers_and_is_at_the_chosen_frame(original: Dataset, tmp_path: Path) -> None:
    study = opened(tmp_path, original, frame=FRAME + 2)
    analysis = analyse_coronary(study, cast(VesselModel, None), Stopwatch())
    assert analysis.is_to_be_drawn
    assert (analysis.view, analysis.measurements) == ("coronary", ())
    assert [run.frame for run in analysis.runs] == [FRAME + 2]
    assert codes(analysis) >= {"read_by_hand", "series_chosen_by_reader", "lesions_to_be_drawn"}
    (shown,) = shown_runs(reopen_runs(study, {}))
    assert (shown.beats[0].end_diastole, shown.courses, shown.labels.any()) == (FRAME + 2, [], False)
    assert preview_of_runs(reopen_runs(study, {}), FewFrames({}, {}, {})).measurements == ()
    with pytest.raises(Refused) as missing:
        analyse_coronary(opened(tmp_path, frame=14), cast(VesselModel, None), Stopwatch())
    assert missing.value.code == "chosen_frame_missing"


@pytest.mark.parametrize(("step", "beside_px"), [(25, 0.0), (25, 2.0), (40, 0.0)])
def test_a_line_measures_the_lesion_though_it_is_not_in_the_middle(
    original: Dataset, phantom: PhantomRun, tmp_path: Path, step: int, beside_px: float
) -> None:
    analysis = drawn(opened(tmp_path, original), line(middle_of(phantom)[::step] + beside_px))
    values = {m.name: m.value for m in analysis.measurements}
    assert values[LESION] == pytest.approx(65.0, abs=5.0)
    assert values["lesion_1_minimal_diameter"] == pytest.approx(3.45 * 0.35, abs=0.2)
    assert analysis.view == "coronary_right"
    assert "lesions_to_be_drawn" not in codes(analysis)
    lumen = analysis.runs[0].labels == SEGMENT
    truth = phantom.labels == SEGMENT
    assert (lumen & truth).sum() > 0.8 * lumen.sum()


def test_ends_and_edges_of_a_line_are_dragged(original: Dataset, phantom: PhantomRun, tmp_path: Path) -> None:
    study, chosen = opened(tmp_path, original), line(middle_of(phantom)[::25])
    (mark,) = preview_of_runs(reopen_runs(study, {}), FewFrames({}, {}, {}, chosen)).marks["run1"]
    handles = {handle.name: handle for handle in mark.handles}
    left = handles["minimum_left"]
    edges = {f"{LESION}:{name}": value for name, value in {**left.beside, left.name: left.value - 1}.items()}
    analysis = drawn(study, chosen | edges | {f"{LESION}:begin": handles["begin"].value - 5})
    narrowing = analysis.lesions[0].lesion.narrowing
    assert narrowing.first == handles["begin"].value - 5
    assert narrowing.minimal_px == pytest.approx(handles["minimum_right"].value - left.value + 1)


def test_without_a_pixel_size_there_are_no_millimetres(
    original: Dataset, phantom: PhantomRun, tmp_path: Path
) -> None:
    run = deepcopy(original)
    for name in ("ImagerPixelSpacing", "PixelSpacing", "DistanceSourceToPatient", "DistanceSourceToDetector"):
        if name in run:
            delattr(run, name)
    analysis = drawn(opened(tmp_path, run), line(middle_of(phantom)[::25]))
    assert [m.name for m in analysis.measurements] == ["max_stenosis", LESION]


def test_what_gives_no_diameters_or_names_no_segment_is_refused(
    original: Dataset, phantom: PhantomRun, tmp_path: Path
) -> None:
    study, points = opened(tmp_path, original), middle_of(phantom)
    with pytest.raises(HeartRefused) as short:
        drawn(study, line(points[:20:10]))
    assert short.value.code == "lesion_not_measurable"
    with pytest.raises(StudyRefused) as unnamed:
        drawn(study, line(points[::25], segment=0))
    assert unnamed.value.code == "reading_does_not_fit"


def test_results_are_manual_and_name_who_opened_it(
    original: Dataset, phantom: PhantomRun, tmp_path: Path
) -> None:
    analysis = drawn(opened(tmp_path, original), line(middle_of(phantom)[::25]))
    files = {str(o.kind): o.path for o in write_objects(analysis, SPEC.results, tmp_path / "objects")}
    seg = dcmread(files["seg_run_1"])
    assert {segment.SegmentAlgorithmType for segment in seg.SegmentSequence} == {"MANUAL"}
    named = {segment.SegmentNumber: segment.SegmentLabel for segment in seg.SegmentSequence}
    frames = seg.PerFrameFunctionalGroupsSequence
    inside = np.atleast_3d(seg.pixel_array).reshape(len(frames), -1).any(axis=1)
    numbers = [frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber for frame in frames]
    drawn_in = [named[number] for number, is_drawn in zip(numbers, inside, strict=True) if is_drawn]
    assert drawn_in == [CoronarySegment.SEGMENT_2.display_name]
    text = " ".join(str(e.value) for e in dcmread(files["sr"]).iterall() if e.keyword == "TextValue")
    assert "Hart Ada opened it" in text
    assert "a reader has drawn" in text
