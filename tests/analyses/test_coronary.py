from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from scipy import ndimage

from cvai.analyses.coronary import SPEC
from cvai.analyses.coronary.analyse import analyse_coronary
from cvai.analyses.coronary.analysis import CoronaryAnalysis
from cvai.analyses.coronary.given import PLACES
from cvai.analyses.coronary.marks import preview_of_runs
from cvai.analyses.coronary.page import shown_runs
from cvai.analyses.coronary.reading import labels_of, remeasured_runs, reopen_runs
from cvai.analyses.coronary.tree import joined_maps
from cvai.analyses.registry import ReadyAnalysis, _ready
from cvai.analyses.shown import FewFrames
from cvai.analyses.spec import Correction
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.angiography.runs import select_runs
from cvai.dicom.read.values import Study
from cvai.dicom.write.plan import Extra
from cvai.dicom.write.result_json import result_schema
from cvai.dicom.write.write import write_objects
from cvai.domain.findings import Severity
from cvai.domain.phases import KeyPhases
from cvai.domain.series_choice import SeriesChoice
from cvai.domain.vessels.maps import VesselMaps
from cvai.domain.vessels.narrowings import Grade
from cvai.errors import Refused
from cvai.phantom.coronary.run import PhantomRun, RunParameters, make_run, run_dataset
from cvai.phantom.coronary.trees import Artery
from cvai.phantom.coronary.vessels import PhantomLesion
from cvai.pipeline import analyse_folder
from cvai.review.viewers.loops import write_loops
from tests.analyses.angiography import ThresholdVessels
from tests.dicom.read.angiography_files import set_pixels, study_of

RIGHT = RunParameters(n_frames=14, beat_frames=8, lesions={2: (PhantomLesion(0.5, 8.0, 65.0),)})


@pytest.fixture(scope="module")
def phantom() -> PhantomRun:
    return make_run(RIGHT)


@pytest.fixture(scope="module")
def original(phantom: PhantomRun) -> Dataset:
    return run_dataset(phantom)


@pytest.fixture
def run(original: Dataset) -> Dataset:
    return deepcopy(original)


def analysed(folder: Path, model: ThresholdVessels, *runs: Dataset) -> CoronaryAnalysis:
    return analyse_coronary(study_of(folder, *runs), model, Stopwatch())


@pytest.fixture(scope="module")
def measured(
    phantom: PhantomRun, original: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> CoronaryAnalysis:
    return analysed(tmp_path_factory.mktemp("right"), ThresholdVessels(phantom.labels), original)


def test_the_lesion_of_a_phantom_is_found_named_and_measured(measured: CoronaryAnalysis) -> None:
    (found,) = measured.lesions
    run, lesion = found.run, found.lesion
    assert run.frame in RIGHT.r_waves
    assert run.artery == "right"
    assert measured.view == "coronary_right"
    assert lesion.segment.number == "2"
    assert lesion.grade is Grade.MODERATE
    values = {m.name: m for m in measured.measurements}
    assert values["lesion_1_stenosis"].value == pytest.approx(65.0, abs=5.0)
    assert values["max_stenosis"].value == values["lesion_1_stenosis"].value
    minimum = values["lesion_1_minimal_diameter"]
    assert minimum.value == pytest.approx(3.45 * 0.35, abs=0.2)
    assert minimum.interval is not None
    assert 4.0 < values["lesion_1_length"].value < 9.6
    assert {"calibration_source", "one_view", "lesion_by_profile"} <= {f.code for f in measured.findings}


def test_results_are_written_and_opened_again(
    measured: CoronaryAnalysis, original: Dataset, tmp_path: Path
) -> None:
    objects = write_objects(measured, SPEC.results, tmp_path / "out")
    files = {o.kind: o.path for o in objects}
    assert set(files) == {"seg_run_1", "sr", "pdf"}
    seg = dcmread(files["seg_run_1"])
    codes = {s.SegmentedPropertyTypeCodeSequence[0].CodeValue for s in seg.SegmentSequence}
    assert "450960006" in codes
    text = str(dcmread(files["sr"]))
    assert "Lumen Diameter Stenosis" in text
    assert "Mid Right Coronary Artery" in text
    assert (tmp_path / "out" / "report.pdf").stat().st_size > 20_000
    (tmp_path / "study").mkdir()
    reopened = reopen_runs(study_of(tmp_path / "study", original), files)
    (shown,) = shown_runs(reopened)
    frame = measured.runs[0].frame
    assert np.array_equal(shown.labels[frame], measured.runs[0].labels)
    assert shown.beats[0].end_diastole == frame
    assert len(shown.lines[frame]["edges"]) > 4
    (tmp_path / "page").mkdir()
    (sent,) = write_loops(tmp_path / "page", (shown,))["loops"]
    assert (sent["view"], sent["n_phases"], sent["calibrated"]) == ("run1", 14, True)
    assert sent["beats"] == [{"ed": frame, "es": frame}]


def reread(
    folder: Path, measured: CoronaryAnalysis, chosen: dict[str, float], *runs: Dataset
) -> CoronaryAnalysis:
    """What a reader makes of an analysis by giving stenoses."""
    objects = write_objects(measured, SPEC.results, folder / "objects")
    (folder / "reread").mkdir()
    reopened = reopen_runs(study_of(folder / "reread", *runs), {o.kind: o.path for o in objects})
    beats = {f"run{n}": (KeyPhases(run.frame, run.frame),) for n, run in enumerate(measured.runs, start=1)}
    signed = Correction(labels_of(reopened), beats, measured.model, None, measured.factors, chosen)
    return remeasured_runs(reopened, signed)


@pytest.mark.slow
def test_measured_again_a_study_gives_the_same(run: Dataset, phantom: PhantomRun, tmp_path: Path) -> None:
    places = [np.argwhere(phantom.labels == n).mean(axis=0).round().astype(int) for n in (2, 3)]
    model = ThresholdVessels(phantom.labels, [(int(y), int(x)) for y, x in places])
    other = second_run(run, (40.0, 0.0), with_lesion=False)
    (tmp_path / "first").mkdir()
    measured = analysed(tmp_path / "first", model, run, other)
    again = reread(tmp_path, measured, {}, run, other)
    assert again.measurements == measured.measurements
    assert sorted(again.findings, key=str) == sorted(measured.findings, key=str)
    assert "narrowing_not_measured" in {finding.code for finding in again.findings}
    assert again.factors == measured.factors
    assert again.remarks == ()


def test_a_stenosis_that_a_reader_gives_takes_the_place_of_the_measured_one(
    measured: CoronaryAnalysis, original: Dataset, tmp_path: Path
) -> None:
    given = reread(tmp_path, measured, {"lesion_1_stenosis": 90.0}, original)
    values = {m.name: m.value for m in given.measurements}
    assert values["lesion_1_stenosis"] == values["max_stenosis"] == 90.0
    assert "lesion_1_minimal_diameter" not in values, "it would contradict the percentage"
    assert given.lesions[0].lesion.grade is Grade.SEVERE
    percent = measured.lesions[0].lesion.narrowing.percent
    words = f"lesion 1, {given.lesions[0].lesion.segment.display_name}, 90 % (measured {percent:.0f} %)"
    assert given.remarks == (f"Stenoses as a reader has given them: {words}.",)
    assert "lesion_by_profile" not in {f.code for f in given.findings}, "the reader has seen it"
    objects = {o.kind: o.path for o in write_objects(given, SPEC.results, tmp_path / "signed")}
    texts = [str(e.value) for e in dcmread(objects["sr"]).iterall() if e.keyword == "TextValue"]
    assert any(words in text for text in texts)
    assert any("severe" in text for text in texts)


LESION = "lesion_1_stenosis"


def test_ends_that_a_reader_drags_measure_as_the_analysis_does(
    measured: CoronaryAnalysis, original: Dataset, tmp_path: Path
) -> None:
    found = measured.lesions[0].lesion.narrowing
    drawn = {f"{LESION}:begin": found.first - 10.0, f"{LESION}:end": found.last + 5.0}
    again = reread(tmp_path, measured, drawn, original)
    values, before = ({m.name: m.value for m in a.measurements} for a in (again, measured))
    assert values[LESION] == pytest.approx(before[LESION], abs=1.0)
    assert values["lesion_1_minimal_diameter"] == before["lesion_1_minimal_diameter"]
    mm = measured.runs[0].source.run.pixel_size.mm
    assert values["lesion_1_length"] == pytest.approx(before["lesion_1_length"] + 15 * mm)
    assert again.remarks[0].startswith("Measured where a reader has drawn them: lesion 1, ")
    assert again.factors == measured.factors, "what the network has seen stays as it was"


def test_edges_that_a_reader_draws_are_in_every_result(
    measured: CoronaryAnalysis, original: Dataset, tmp_path: Path
) -> None:
    at = measured.lesions[0].lesion.narrowing.narrowest
    places = {"minimum_at": at, "minimum_left": -2.0, "minimum_right": 2.5}
    places |= {"reference_at": 60.0, "reference_left": -9.0, "reference_right": 9.0}
    drawn = reread(tmp_path, measured, {f"{LESION}:{n}": float(v) for n, v in places.items()}, original)
    values = {m.name: m.value for m in drawn.measurements}
    mm = measured.runs[0].source.run.pixel_size.mm
    assert values[LESION] == values["max_stenosis"] == 75.0
    assert values["lesion_1_minimal_diameter"] == pytest.approx(4.5 * mm)
    assert values["lesion_1_reference_diameter"] == pytest.approx(18.0 * mm)
    assert "lesion_by_profile" not in {f.code for f in drawn.findings}
    objects = {o.kind: o.path for o in write_objects(drawn, SPEC.results, tmp_path / "signed")}
    report = dcmread(objects["sr"])
    numbers = [float(e.value) for e in report.iterall() if e.keyword == "NumericValue"]
    assert {75.0, round(18.0 * mm, 3)} <= {round(n, 3) for n in numbers}
    meanings = [str(e.value) for e in report.iterall() if e.keyword == "CodeMeaning"]
    assert "User chosen value" in meanings
    assert "Interpolated Local Reference" not in meanings
    bundle = json.loads((tmp_path / "signed" / "fhir.json").read_text())
    resources = [entry["resource"] for entry in bundle["entry"]]
    sent = [float(r["valueQuantity"]["value"]) for r in resources if r["resourceType"] == "Observation"]
    assert {75.0, round(18.0 * mm, 3)} <= {round(n, 3) for n in sent}


def test_a_lesion_that_a_reader_adds_is_measured_and_named(
    measured: CoronaryAnalysis, original: Dataset, tmp_path: Path
) -> None:
    added = {"view": 1.0, "course": 1.0, "begin": 400.0, "end": 440.0}
    chosen = {f"lesion_2_stenosis:{name}": value for name, value in added.items()}
    again = reread(tmp_path, measured, {**chosen, LESION: 0.0}, original)
    (found,) = again.lesions
    assert (found.number, found.lesion.found) == (2, None)
    assert found.lesion.percent < 25.0, "the vessel is healthy there"
    assert again.measurement("lesion_2_length").value > 5.0
    assert again.coding("lesion_2_stenosis").words.startswith("lesion 2, ")
    assert "(added)" in again.remarks[1]
    assert again.factors == measured.factors


@pytest.mark.parametrize(
    ("chosen", "code"),
    [
        ({"lesion_2_stenosis:begin": 3.0}, "reading_does_not_fit"),
        ({"lesion_2_stenosis": 50.0}, "reading_does_not_fit"),
        ({f"lesion_2_stenosis:{n}": 1.0 for n in ("view", "course", "begin")}, "reading_does_not_fit"),
        ({f"{LESION}:begin": 0.0, f"{LESION}:end": 8000.0}, "lesion_not_measurable"),
        ({f"{LESION}:reference_{n}": 4.0 for n in ("at", "left", "right")}, "lesion_not_measurable"),
    ],
)
def test_what_a_reader_draws_is_measured_or_refused(
    measured: CoronaryAnalysis, original: Dataset, tmp_path: Path, chosen: dict[str, float], code: str
) -> None:
    with pytest.raises(Refused) as refused:
        reread(tmp_path, measured, chosen, original)
    assert refused.value.code == code
    assert refused.value.hint


def test_marks_have_handles_where_the_lesion_was_measured(
    measured: CoronaryAnalysis, original: Dataset, tmp_path: Path
) -> None:
    objects = write_objects(measured, SPEC.results, tmp_path / "objects")
    (tmp_path / "study").mkdir()
    reopened = reopen_runs(study_of(tmp_path / "study", original), {o.kind: o.path for o in objects})
    preview = preview_of_runs(reopened, FewFrames({}, {}, measured.factors))
    assert preview.measurements == measured.measurements
    (mark,) = preview.marks["run1"]
    found = measured.lesions[0].lesion
    handles = {handle.name: handle for handle in mark.handles}
    assert (mark.name, mark.number, mark.frame) == (LESION, 1, measured.runs[0].frame)
    assert (handles["begin"].value, handles["end"].value) == (found.narrowing.first, found.narrowing.last)
    assert mark.at == tuple(found.profile.path.points[found.narrowing.narrowest])
    for handle in mark.handles:
        assert min(handle.span) <= handle.value <= max(handle.span)
        assert set(handle.beside) | {handle.name} <= set(PLACES)
    begin, low = handles["begin"], int(handles["begin"].span[0])
    at_begin = begin.track[int(begin.value) - low]
    assert at_begin == tuple(found.profile.path.points[found.narrowing.first])
    left, right = handles["minimum_left"], handles["minimum_right"]
    assert right.value - left.value == pytest.approx(found.narrowing.minimal_px, abs=0.11)


def test_a_lesion_that_a_reader_takes_out_is_none(
    measured: CoronaryAnalysis, original: Dataset, tmp_path: Path
) -> None:
    without = reread(tmp_path, measured, {"lesion_1_stenosis": 0.0}, original)
    assert without.lesions == ()
    assert [m.name for m in without.measurements] == ["max_stenosis"]
    assert without.measurements[0].value < 25.0
    assert Severity.WARNING in {f.severity for f in without.findings if f.code == "no_lesion"}
    assert "none (measured" in without.remarks[0]


def test_a_result_of_an_older_version_is_not_measured_again(
    measured: CoronaryAnalysis, original: Dataset, tmp_path: Path
) -> None:
    reopened = reopen_runs(study_of(tmp_path, original), {})
    with pytest.raises(Refused) as refused:
        remeasured_runs(reopened, Correction({}, {}, measured.model, None))
    assert refused.value.code == "result_too_old"


@pytest.mark.slow
def test_the_pipeline_writes_a_result_that_keeps_the_schema(
    original: Dataset, phantom: PhantomRun, tmp_path: Path
) -> None:
    (tmp_path / "study").mkdir()
    original.save_as(tmp_path / "study" / "run.dcm", enforce_file_format=True)
    model = ThresholdVessels(phantom.labels)
    ready = ReadyAnalysis(SPEC, lambda: model)
    (outcome,) = analyse_folder(tmp_path / "study", tmp_path / "out", (ready,), extras=list(Extra))
    assert outcome.status == "analysed"
    record = json.loads((outcome.folder / "result.json").read_text())
    jsonschema.validate(record, result_schema())
    (entry,) = record["analyses"]
    assert (entry["kind"], entry["view"]) == ("coronary", "coronary_right")
    assert {o["kind"] for o in entry["objects"]} == {
        "seg_run_1",
        "sr",
        "pdf",
        "panels",
        "sr_contours",
        "presentation",
    }


def test_runs_after_the_first_twelve_are_left_out_and_a_reader_is_told(
    run: Dataset, phantom: PhantomRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cvai.analyses.coronary.analyse.MOST_RUNS", 1)
    later = run_dataset(phantom, 2)
    found = analysed(tmp_path, ThresholdVessels(phantom.labels), later, run)
    assert [r.source.series_uid for r in found.runs] == [run.SeriesInstanceUID]
    assert [e.series_uid for e in found.excluded] == [later.SeriesInstanceUID]
    assert "runs_left_out" in {f.code for f in found.findings}


def choosing(study: Study, *frames: int) -> Study:
    """The study with these frames of its runs chosen, in the order of the runs."""
    runs = select_runs(study).runs
    pairs = tuple((images[0].sop_instance_uid, frame) for images, frame in zip(runs, frames, strict=False))
    at = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    return replace(study, chosen=SeriesChoice(runs[0][0].series_uid, "Hart^Ada", at, frames=pairs))


def test_the_frame_that_a_reader_chose_is_measured(
    run: Dataset, phantom: PhantomRun, measured: CoronaryAnalysis, tmp_path: Path
) -> None:
    model, frame = ThresholdVessels(phantom.labels), measured.runs[0].frame - 1
    del run.RWavePointer
    study = choosing(study_of(tmp_path, run), frame)
    chosen = analyse_coronary(study, model, Stopwatch())
    assert [found.frame for found in chosen.runs] == [frame]
    (finding,) = (f for f in chosen.findings if f.code == "series_chosen_by_reader")
    assert "chosen by Hart Ada on 2026-03-01 09:30 UTC" in str(finding.message)
    assert "phase_by_motion" not in {f.code for f in chosen.findings}
    files = {o.kind: o.path for o in write_objects(chosen, SPEC.results, tmp_path / "objects")}
    reopened = reopen_runs(study, files)
    signed = Correction(labels_of(reopened), {}, chosen.model, None, chosen.factors, {})
    assert remeasured_runs(reopened, signed).findings == chosen.findings


def test_a_frame_that_cannot_be_measured_leaves_no_result_without_its_run(
    run: Dataset, phantom: PhantomRun, tmp_path: Path
) -> None:
    study = study_of(tmp_path, run, second_run(run, (40.0, 0.0), with_lesion=False))
    with pytest.raises(Refused) as missing:
        analyse_coronary(choosing(study, 14), ThresholdVessels(phantom.labels), Stopwatch())
    assert missing.value.code == "chosen_frame_missing"
    with pytest.raises(Refused) as empty:
        analyse_coronary(choosing(study, 0), ThresholdVessels(phantom.labels), Stopwatch())
    assert empty.value.code == "vessels_not_found"


def test_whose_images_a_run_shows_is_doubted_where_its_header_contradicts_itself(
    run: Dataset, phantom: PhantomRun, tmp_path: Path
) -> None:
    run.PatientBirthDate, run.StudyDate = "19951025", "19941013"
    found = analysed(tmp_path, ThresholdVessels(phantom.labels), run)
    assert "patient_values_contradicted" in {f.code for f in found.findings}
    again = reread(tmp_path, found, {}, run)
    assert "patient_values_contradicted" in {f.code for f in again.findings}


@pytest.mark.slow
def test_runs_of_two_visits_are_flagged(run: Dataset, phantom: PhantomRun, tmp_path: Path) -> None:
    other = second_run(run, (40.0, 0.0))
    run.AcquisitionDate, other.AcquisitionDate = "20240102", "20230620"
    found = analysed(tmp_path, ThresholdVessels(phantom.labels), run, other)
    assert "days_differ" in {f.code for f in found.findings}


def test_a_later_choice_keeps_the_frames_of_other_runs() -> None:
    at = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    first = SeriesChoice("1.2", "Hart^Ada", at, frames=(("1.3", 4), ("1.4", 5)))
    later = SeriesChoice("1.2", "Chief^Cem", at, frames=(("1.4", 7),)).after(first)
    assert later.frames == (("1.3", 4), ("1.4", 7))
    assert SeriesChoice.from_text(later.to_text()) == later


@pytest.mark.slow
def test_a_copy_of_a_run_is_measured_once(run: Dataset, phantom: PhantomRun, tmp_path: Path) -> None:
    copy, reduced = second_instance(run, 2), second_instance(run, 3)
    set_pixels(reduced, ndimage.zoom(run.pixel_array, (1, 0.5, 0.5), order=1))
    reduced.ImagerPixelSpacing = [2 * mm for mm in run.ImagerPixelSpacing]
    found = analysed(tmp_path, ThresholdVessels(phantom.labels), reduced, run, copy)
    assert [measured.image.sop_instance_uid for measured in found.runs] == [run.SOPInstanceUID]
    assert [str(left.reason) for left in found.excluded] == ["a copy of a run that was measured"] * 2
    assert "runs_left_out" not in {f.code for f in found.findings}


def test_a_run_that_was_made_again_from_the_same_side_is_no_copy(
    run: Dataset, phantom: PhantomRun, tmp_path: Path
) -> None:
    later = second_instance(run, 2)
    later.AcquisitionTime = "235900"
    found = analysed(tmp_path, ThresholdVessels(phantom.labels), run, later)
    assert len(found.runs) == 2


def test_neighbours_take_away_what_one_frame_alone_shows_and_correct_its_names() -> None:
    vessel = np.zeros((96, 96), dtype=np.float32)
    vessel[20:26, 10:80] = 1.0
    labels = np.where(vessel > 0, 2, 0).astype(np.uint8)
    beside = VesselMaps(np.roll(labels, 5, axis=0), np.roll(vessel, 5, axis=0), np.zeros_like(vessel))
    with_ghost, misnamed = vessel.copy(), labels.copy()
    with_ghost[60:68, 20:70] = 1.0
    misnamed[60:68, 20:70] = 2
    misnamed[20:26, 40:50] = 7
    first = VesselMaps(misnamed, with_ghost, np.zeros_like(vessel))
    joined = joined_maps((first, beside, beside, beside), np.ones(vessel.shape, dtype=bool))
    assert np.array_equal(joined.labels > 0, vessel > 0)
    assert set(np.unique(joined.labels)) == {0, 2}


def test_without_a_model_a_study_is_refused(original: Dataset, tmp_path: Path) -> None:
    spec = replace(SPEC, model="absent")
    with pytest.raises(Refused) as refused:
        _ready(spec, "absent", 1, "auto", None).analyse(study_of(tmp_path, original), Stopwatch())
    assert refused.value.code == "model_not_installed"


@pytest.mark.parametrize(("imager_mm", "is_odd"), [(0.15, True), (0.3, False), (0.6, True)])
def test_vessels_of_an_unusual_width_are_flagged(
    run: Dataset, phantom: PhantomRun, tmp_path: Path, imager_mm: float, is_odd: bool
) -> None:
    run.ImagerPixelSpacing = [imager_mm, imager_mm]
    analysis = analysed(tmp_path, ThresholdVessels(phantom.labels), run)
    assert ("vessel_size_implausible" in {f.code for f in analysis.findings}) is is_odd


def test_a_smoothed_run_is_flagged_by_an_analysis_and_after_a_correction(
    run: Dataset, phantom: PhantomRun, measured: CoronaryAnalysis, tmp_path: Path
) -> None:
    assert "angiogram_blurred" not in {f.code for f in measured.findings}
    set_pixels(run, ndimage.gaussian_filter(run.pixel_array, (0, 2.0, 2.0)))
    (tmp_path / "first").mkdir()
    smoothed = analysed(tmp_path / "first", ThresholdVessels(phantom.labels), run)
    assert smoothed.lesions[0].lesion.percent < measured.lesions[0].lesion.percent - 8
    assert "angiogram_blurred" in {f.code for f in smoothed.findings}
    assert reread(tmp_path, smoothed, {}, run).findings == smoothed.findings


def test_a_run_exported_with_few_pixels_is_flagged_and_a_cropped_one_is_not(
    run: Dataset, phantom: PhantomRun, measured: CoronaryAnalysis, tmp_path: Path
) -> None:
    frames = run.pixel_array
    inner = (slice(40, 480), slice(40, 480))
    for name in ("cropped", "halved"):
        (tmp_path / name).mkdir()
    set_pixels(run, frames[(slice(None), *inner)])
    cropped = analysed(tmp_path / "cropped", ThresholdVessels(phantom.labels[inner]), run)
    n_frames, rows, columns = frames.shape
    set_pixels(run, frames.reshape(n_frames, rows // 2, 2, columns // 2, 2).mean(axis=(2, 4)))
    halved = analysed(tmp_path / "halved", ThresholdVessels(phantom.labels[::2, ::2]), run)
    told = [any(f.code == "angiogram_coarse" for f in a.findings) for a in (measured, cropped, halved)]
    assert told == [False, False, True]
    assert halved.lesions[0].lesion.percent > measured.lesions[0].lesion.percent + 5


def test_without_calibration_there_are_ratios_only(run: Dataset, phantom: PhantomRun, tmp_path: Path) -> None:
    del run.EstimatedRadiographicMagnificationFactor
    found = analysed(tmp_path, ThresholdVessels(phantom.labels), run)
    assert {m.unit for m in found.measurements} == {"%"}
    assert "calibration_missing" in {f.code for f in found.findings}


@pytest.mark.slow
def test_a_lesion_that_the_network_sees_needs_less_of_a_profile(tmp_path: Path) -> None:
    p = RunParameters(n_frames=14, beat_frames=8, lesions={2: (PhantomLesion(0.5, 8.0, 38.0),)})
    phantom = make_run(p)
    line = next(v for v in phantom.vessels if v.segment == 2).line_px((512, 512))
    y, x = line[len(line) // 2].round().astype(int)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    alone = analysed(tmp_path / "a", ThresholdVessels(phantom.labels), run_dataset(phantom))
    assert alone.lesions == ()
    assert "no_lesion" in {f.code for f in alone.findings}
    assert alone.measurements[0].value == pytest.approx(38.0, abs=5.0)
    joined = analysed(
        tmp_path / "b", ThresholdVessels(phantom.labels, ((int(y), int(x)),)), run_dataset(phantom)
    )
    (found,) = joined.lesions
    assert found.lesion.probability > 0.5
    assert found.lesion.grade is Grade.MILD
    assert reread(tmp_path / "b", joined, {}, run_dataset(phantom)).measurements == joined.measurements


def test_what_the_network_sees_and_no_profile_shows_is_said(
    run: Dataset, phantom: PhantomRun, tmp_path: Path
) -> None:
    y, x = np.argwhere(phantom.labels == 3).mean(axis=0).round().astype(int)
    found = analysed(tmp_path, ThresholdVessels(phantom.labels, ((int(y), int(x)),)), run)
    assert "narrowing_not_measured" in {f.code for f in found.findings}


@cache
def drawn_from(angles: tuple[float, float], with_lesion: bool) -> Dataset:
    lesions = RIGHT.lesions if with_lesion else {}
    return run_dataset(make_run(replace(RIGHT, lesions=lesions, angles=angles)), 2)


def second_run(first: Dataset, angles: tuple[float, float], with_lesion: bool = True) -> Dataset:
    other = deepcopy(drawn_from(angles, with_lesion))
    other.StudyInstanceUID = first.StudyInstanceUID
    return other


def second_instance(run: Dataset, number: int) -> Dataset:
    copy = deepcopy(run)
    copy.SOPInstanceUID = copy.file_meta.MediaStorageSOPInstanceUID = f"{run.SOPInstanceUID}.{number}"
    copy.SeriesInstanceUID = f"{run.SeriesInstanceUID}.{number}"
    return copy


@pytest.mark.slow
@pytest.mark.parametrize(
    ("second", "code"),
    [
        (((40.0, 0.0), True), "two_views"),
        (((-30.0, 0.0), True), "one_view"),  # 20 degrees from the first
        (((40.0, 0.0), False), "views_disagree"),
        (((-30.0, 0.0), False), "one_view"),
    ],
)
def test_a_second_view_confirms_a_narrowing_or_does_not(
    run: Dataset, phantom: PhantomRun, tmp_path: Path, second: tuple[tuple[float, float], bool], code: str
) -> None:
    angles, with_lesion = second
    other = second_run(run, angles, with_lesion=with_lesion)
    found = analysed(tmp_path, ThresholdVessels(phantom.labels), run, other)
    assert len(found.lesions) == 1 + with_lesion
    (told,) = (f for f in found.findings if f.code in {"two_views", "views_disagree", "one_view"})
    assert told.code == code
    assert "RAO 30 / CRA 20" in told.message
    n_views = 1 if code == "one_view" and not with_lesion else 2
    assert [place.view for place in told.where] == ["run1", "run2"][:n_views]


def test_runs_whose_angles_are_not_stated_are_no_second_view(
    run: Dataset, phantom: PhantomRun, tmp_path: Path
) -> None:
    other = second_run(run, (40.0, 0.0))
    del other.PositionerPrimaryAngle
    found = analysed(tmp_path, ThresholdVessels(phantom.labels), run, other)
    assert "one_view" in {f.code for f in found.findings}


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"contrast": 0.0}, "no_contrast"), ({"ventricle": True}, "not_coronary")],
)
def test_runs_of_something_else_are_refused(tmp_path: Path, changes: dict[str, object], code: str) -> None:
    phantom = make_run(RunParameters(n_frames=14, beat_frames=8, **changes))
    with pytest.raises(Refused) as refused:
        analysed(tmp_path, ThresholdVessels(phantom.labels), run_dataset(phantom))
    assert refused.value.code == code
    assert refused.value.hint


def test_a_wrong_photometric_sign_is_refused(run: Dataset, phantom: PhantomRun, tmp_path: Path) -> None:
    set_pixels(run, 1023 - run.pixel_array)
    with pytest.raises(Refused) as refused:
        analysed(tmp_path, ThresholdVessels(phantom.labels), run)
    assert refused.value.code == "grey_inverted"


def test_a_run_in_which_the_model_finds_nothing_is_refused(run: Dataset, tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        analysed(tmp_path, ThresholdVessels(np.zeros((512, 512), np.uint8)), run)
    assert refused.value.code == "vessels_not_found"


@pytest.mark.slow
def test_the_left_artery_is_told(tmp_path: Path) -> None:
    p = RunParameters(
        artery=Artery.LEFT,
        n_frames=14,
        beat_frames=8,
        lesions={7: (PhantomLesion(0.5, 9.0, 75.0),)},
        noise=0.005,
    )
    phantom = make_run(p)
    found = analysed(tmp_path, ThresholdVessels(phantom.labels), run_dataset(phantom))
    assert found.view == "coronary_left"
    lesion = found.lesions[0].lesion
    assert lesion.segment.number == "7"
    assert lesion.narrowing.percent == pytest.approx(75.0, abs=5.0)
    assert json.dumps(found.key_frames)
