"""Ultrasound loops as the page gets them: what is cut away, what is drawn, and what is not there."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from cvai.analyses.echo_apical.analysis import EchoAnalysis
from cvai.analyses.echo_apical.page import drawn_discs, shown_loops
from cvai.analyses.echo_apical.reading import ReopenedLoops
from cvai.analyses.shown import ShownLoop
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.ultrasound.loops import assemble_loop, select_loops
from cvai.dicom.write.write import WrittenObject
from cvai.domain.echo.simpson import N_DISCS, disc_stack
from cvai.domain.echo.views import EchoView
from cvai.errors import StudyRefused
from cvai.jobs.job import JobObject, JobState, Outcome, StudyJob
from cvai.jobs.opened import open_analysed
from cvai.review.viewers.loops import PART_FRAMES, LoopPack, write_loops
from tests.dicom.read.ultrasound_files import beating_frames, write_loop, written
from tests.dicom.write.echo_synthetic import beating_labels, echo_analysis
from tests.dicom.write.synthetic import write_results

VIEW = EchoView.APICAL_4_CHAMBER.value
SPACING_MM = (1.0, 0.8)
Analysed = tuple[EchoAnalysis, tuple[WrittenObject, ...], Path]
"""An analysis, its results, and a folder of the study as an archive gives it back."""


def whole_loop(pack: LoopPack, view: str) -> np.ndarray:
    """(t, y, x) all parts of a view in order."""
    (loop,) = (loop for loop in pack.meta["loops"] if loop["view"] == view)
    n_parts = -(-loop["n_phases"] // PART_FRAMES)
    sent = b"".join(pack.frames(view, part) or b"" for part in range(n_parts))
    return np.frombuffer(sent, np.uint8).reshape(loop["n_phases"], loop["rows"], loop["columns"])


def test_nothing_that_is_written_around_the_sector_is_sent(tmp_path: Path) -> None:
    frames = written(beating_frames())
    write_loop(tmp_path / "study" / "1.dcm", frames)
    (study,) = read_studies(tmp_path / "study").studies
    source = assemble_loop(select_loops(study).loops[0])
    labels = np.zeros_like(source.loop.frames)
    pack = LoopPack(tmp_path, write_loops(tmp_path, [ShownLoop(VIEW, "Four chambers", source.loop, labels)]))
    sent = whole_loop(pack, "a4c")
    rows, columns = (np.flatnonzero(source.loop.sector.any(axis=axis)) for axis in (1, 0))
    cut = np.zeros_like(frames)
    cut[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = sent
    assert np.array_equal(cut, frames * source.loop.sector)
    assert not cut[:, 4:12, 4:40].any(), "the line of text beside the sector"
    assert not cut[:, 60:66, 118:150:3].any(), "the one that reaches into it"
    assert sent.any()


def test_discs_are_those_of_the_whole_frame_wherever_the_heart_lies() -> None:
    labels = beating_labels(24.0)[0]
    for shift in ((0, 0), (9, -31), (-14, 40)):
        shifted = np.roll(labels, shift, axis=(0, 1))
        drawn, stack = drawn_discs(shifted, SPACING_MM), disc_stack(shifted, SPACING_MM)
        (axis,) = drawn["axis"]
        axis_mm = np.array(axis) * SPACING_MM
        assert axis_mm == pytest.approx(np.stack([stack.axis.apex_mm, stack.axis.mitral_mm]), abs=0.06)
        assert len(drawn["chords"]) == N_DISCS
        chords_mm = np.array(drawn["chords"]) * SPACING_MM
        widths_mm = np.linalg.norm(chords_mm[:, 1] - chords_mm[:, 0], axis=1)
        assert widths_mm == pytest.approx(stack.diameters_mm, abs=3.0), "as long as the disc is wide"


@pytest.mark.parametrize("value", [0, 1])
def test_a_frame_without_a_mitral_plane_has_no_discs(value: int) -> None:
    labels = np.zeros((40, 50), np.uint8)
    labels[10:20, 10:20] = value
    assert drawn_discs(labels, SPACING_MM) == {}


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Analysed:
    root = tmp_path_factory.mktemp("analysed")
    analysis = echo_analysis(root / "study")
    results = write_results(analysis, root / "results")
    for path in (root / "results").glob("*.dcm"):
        shutil.copy(path, root / "study")
    return analysis, results, root / "study"


def outcome_of(results: tuple[WrittenObject, ...]) -> Outcome:
    stored = tuple(JobObject(o.kind, o.sop_instance_uid, o.path.name) for o in results)
    return Outcome(JobState.ANALYSED, objects=stored)


def loops_of(folder: Path, job: StudyJob, outcome: Outcome) -> tuple[ShownLoop, ...]:
    opened = open_analysed(folder, job, outcome)
    assert isinstance(opened, ReopenedLoops)
    return shown_loops(opened)


def test_an_analysed_study_is_opened_as_it_was_drawn(analysed: Analysed, tmp_path: Path) -> None:
    analysis, results, folder = analysed
    job = StudyJob(analysis.study_uid, "ab" * 32, "cd" * 32)
    opened = loops_of(folder, job, outcome_of(results))
    assert [loop.view for loop in opened] == [loop.view.value for loop in analysis.loops]
    pack = LoopPack(tmp_path, write_loops(tmp_path, opened))
    for drawn, found, told in zip(analysis.loops, opened, pack.meta["loops"], strict=True):
        assert np.array_equal(found.labels, drawn.segmentation.labels)
        assert [(b["ed"], b["es"]) for b in told["beats"]] == [
            (b.end_diastole, b.end_systole) for b in drawn.beats
        ]
        labels = pack.read_labels(drawn.view.value)
        assert labels is not None
        assert np.count_nonzero(labels) == np.count_nonzero(drawn.segmentation.labels)


def test_strain_and_the_discs_of_the_atrium_are_those_of_the_analysis(analysed: Analysed) -> None:
    analysis, results, folder = analysed
    opened = loops_of(folder, StudyJob(analysis.study_uid, "ab" * 32, "cd" * 32), outcome_of(results))
    for drawn, shown in zip(analysis.loops, opened, strict=True):
        for layer, curve in drawn.strain.curves_percent.items():
            assert shown.traces[layer] == pytest.approx(curve.tolist())
        beat = drawn.beats[0]
        assert len(shown.lines[beat.end_systole]["axis"]) == 2, "of ventricle and atrium"
        assert len(shown.lines[beat.end_diastole]["axis"]) == 1


def test_loops_whose_contours_are_gone_are_refused(
    analysed: Analysed,
) -> None:
    analysis, _, folder = analysed
    job = StudyJob(analysis.study_uid, "ab" * 32, "cd" * 32)
    with pytest.raises(StudyRefused) as refused:
        loops_of(folder, job, Outcome(JobState.ANALYSED))
    assert refused.value.code == "no_contours"
    gone = JobObject("seg_a4c", "1.2.3", "gone.dcm")
    with pytest.raises(StudyRefused) as refused:
        loops_of(folder, job, Outcome(JobState.ANALYSED, objects=(gone,)))
    assert refused.value.code == "segmentation_not_in_archive"


def test_views_and_parts_that_are_not_there_are_not_found(analysed: Analysed, tmp_path: Path) -> None:
    analysis, results, folder = analysed
    job = StudyJob(analysis.study_uid, "ab" * 32, "cd" * 32)
    pack = LoopPack(tmp_path, write_loops(tmp_path, loops_of(folder, job, outcome_of(results))))
    assert pack.frames("a4c", 0) is not None
    for view, part in (("a4c", -1), ("a4c", 99), ("../a4c", 0), ("plax", 0)):
        assert pack.frames(view, part) is None
    assert pack.labels("../a4c") is None
