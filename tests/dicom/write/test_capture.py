"""Captures: what stands on every frame, where contours lie, and what is left as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.analyses.cine_sax.contoured import CONTOURS, contoured
from cvai.analyses.echo_apical.analysis import EchoAnalysis
from cvai.archive.sameness import has_same_content
from cvai.dicom.read.patient import Patient, is_own_result
from cvai.dicom.read.read import read_studies
from cvai.dicom.write.objects.capture import encoded_picture
from cvai.dicom.write.objects.painted import (
    Grid,
    Tile,
    doubt_text,
    loop_pictures,
    number_text,
    panels_picture,
    standing_text,
)
from cvai.dicom.write.plan import Extra, ShownNumber
from cvai.dicom.write.report.page import ALARM
from cvai.domain.findings import Finding, Severity
from cvai.domain.measurement import Measurement
from cvai.domain.segmentation import ModelIdentity
from tests.dicom.write.echo_synthetic import echo_analysis
from tests.dicom.write.synthetic import CREATED, context_of, make_analysis, write_results
from tests.dicom.write.test_dciodvfy import complaints
from tests.dicom.write.test_verified import SIGNED

CAPTURES = ("capture_cine", "panels")
LOOPS = ("capture_a4c", "capture_a2c", "panels")


@pytest.fixture(scope="module")
def analysis() -> CineAnalysis:
    return make_analysis()


@pytest.fixture(scope="module")
def folder(analysis: CineAnalysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captures")
    write_results(analysis, folder, created=CREATED, extras=[Extra.CAPTURES])
    return folder


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> EchoAnalysis:
    return echo_analysis(tmp_path_factory.mktemp("loops"))


@pytest.fixture(scope="module")
def echo_folder(echo: EchoAnalysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("echo_captures")
    write_results(echo, folder, created=CREATED, extras=[Extra.CAPTURES])
    return folder


def is_like(pixels: np.ndarray, rgb: tuple[int, int, int], tolerance: int = 40) -> np.ndarray:
    """Where a picture has a colour, as far as JPEG leaves it."""
    return (np.abs(pixels.astype(int) - rgb) <= tolerance).all(axis=-1)


@pytest.mark.parametrize("kind", CAPTURES)
@pytest.mark.dciodvfy
def test_captures_of_a_cine_have_no_errors_or_warnings(folder: Path, dciodvfy: str, kind: str) -> None:
    assert complaints(dciodvfy, folder / f"{kind}.dcm") == []


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.dciodvfy
def test_captures_of_loops_have_no_errors_or_warnings(echo_folder: Path, dciodvfy: str, kind: str) -> None:
    assert complaints(dciodvfy, echo_folder / f"{kind}.dcm") == []


def test_the_other_objects_are_byte_for_byte_what_they_are_without(
    analysis: CineAnalysis, folder: Path, tmp_path: Path
) -> None:
    without = write_results(analysis, tmp_path, created=CREATED)
    assert not [written for written in without if written.kind in CAPTURES]
    for written in without:
        assert written.path.read_bytes() == (folder / written.path.name).read_bytes()


def test_a_cine_has_a_frame_for_each_phase_and_its_mean_time(folder: Path) -> None:
    capture = dcmread(folder / "capture_cine.dcm")
    assert capture.pixel_array.shape == (6, capture.Rows, capture.Columns, 3)
    assert (capture.FrameIncrementPointer, float(capture.FrameTime)) == (0x00181063, 40.0)
    assert dcmread(folder / "panels.dcm").NumberOfFrames == 1


def test_every_frame_says_that_nobody_has_verified_it(folder: Path, echo_folder: Path) -> None:
    for path in (*(folder / f"{kind}.dcm" for kind in CAPTURES), echo_folder / "panels.dcm"):
        capture = dcmread(path)
        assert capture.BurnedInAnnotation == "YES"
        for frame in capture.pixel_array.reshape(-1, capture.Rows, capture.Columns, 3):
            assert is_like(frame[2:28, :100], ALARM).mean() > 0.5
            assert is_like(frame[2:28, :300], (255, 255, 255)).any()


def test_a_loop_without_times_is_counted_in_pages(echo: EchoAnalysis, tmp_path: Path, dciodvfy: str) -> None:
    loop = echo.loops[0]
    timeless = replace(loop, source=replace(loop.source, loop=replace(loop.source.loop, times_ms=None)))
    write_results(
        replace(echo, loops=(timeless,)), tmp_path / "out", created=CREATED, extras=[Extra.CAPTURES]
    )
    capture = dcmread(tmp_path / "out" / "capture_a4c.dcm")
    assert capture.FrameIncrementPointer == 0x00182001
    assert list(capture.PageNumberVector) == list(range(1, 21))
    assert "FrameTime" not in capture
    assert complaints(dciodvfy, tmp_path / "out" / "capture_a4c.dcm") == []


def test_contours_lie_where_labels_are_in_true_proportion(analysis: CineAnalysis) -> None:
    """In one slice that fills the picture; rows are 1.9 mm apart and columns 1.3 mm."""
    (images,) = contoured(analysis)
    cavity = CONTOURS[-1]
    alone = replace(images, contours=(cavity,))
    picture = np.asarray(next(loop_pictures(context_of(analysis), alone)))
    tiles = [Tile(alone, 0, z, "") for z in alone.slices]
    grid = Grid.of(tiles)
    rows, columns = (side.stop - side.start for side in alone.cut)
    assert grid.height / grid.width == pytest.approx(rows * 1.9 / (columns * 1.3), rel=0.02)
    left = (picture.shape[1] - grid.columns * grid.width) // 2
    for place, z in enumerate(alone.slices):
        row, column = divmod(place, grid.columns)
        top, start = 62 + row * grid.height, left + column * grid.width
        drawn = is_like(picture[top : top + grid.height, start : start + grid.width], cavity.rgb, 5)
        expected = np.isin(alone.labels[0, z][alone.cut], cavity.labels)
        for axis, (size, n_pixels) in enumerate(((grid.height, rows), (grid.width, columns))):
            found = np.flatnonzero(drawn.any(axis=1 - axis))
            inside = np.flatnonzero(expected.any(axis=1 - axis))
            scale = size / n_pixels
            assert found[0] == pytest.approx(inside[0] * scale, abs=2)
            assert found[-1] == pytest.approx((inside[-1] + 1) * scale, abs=2)


def test_slices_stand_from_base_to_apex_and_those_without_a_heart_are_left_out(
    analysis: CineAnalysis,
) -> None:
    (images,) = contoured(analysis)
    assert images.slices == (0, 1, 2, 3)
    labels = images.labels.copy()
    labels[:, 0] = 0
    labels[:, 1:] = labels[:, :0:-1].copy()
    assert replace(images, labels=labels).slices == (3, 2, 1)
    assert replace(images, labels=np.zeros_like(labels)).slices == (0, 1, 2, 3)


def test_pixels_tell_nothing_of_who_the_patient_is(analysis: CineAnalysis) -> None:
    somebody_else = replace(analysis, patient=Patient(patient_id="9", name="Else^Somebody"))
    pictures = []
    for context in map(context_of, (analysis, somebody_else)):
        images = contoured(context.analysis)
        drawn = (*loop_pictures(context, images[0]), panels_picture(context, images))
        pictures.append([np.asarray(picture) for picture in drawn])
    assert all(map(np.array_equal, *pictures))


def test_a_signed_capture_says_who_stands_for_it_and_is_another_object(
    analysis: CineAnalysis, folder: Path, tmp_path: Path
) -> None:
    write_results(replace(analysis, verification=SIGNED), tmp_path, created=CREATED, extras=[Extra.CAPTURES])
    first, signed = (dcmread(f / "capture_cine.dcm") for f in (folder, tmp_path))
    assert signed.SOPInstanceUID != first.SOPInstanceUID
    assert signed.SeriesDescription == "cvai signed cine with contours (not for clinical use)"
    assert not np.array_equal(signed.pixel_array[:, :30], first.pixel_array[:, :30])
    by_hand = replace(analysis, verification=SIGNED, model=ModelIdentity.of_hand("1.0"))
    assert standing_text(analysis) == "AI, not verified"
    assert standing_text(replace(analysis, verification=SIGNED)) == "Corrected and accepted by a reader"
    accepted = replace(analysis, verification=replace(SIGNED, changed=False))
    assert standing_text(accepted) == "Accepted by a reader"
    assert standing_text(by_hand) == "Drawn by a reader"


def test_a_number_has_its_interval_and_the_gravest_finding_comes_first() -> None:
    measured = Measurement("lv_ef", 55.26, "%", interval=(50.0, 60.4))
    assert number_text(ShownNumber("lv_ef", "LVEF"), measured) == "LVEF 55 % (50–60)"
    assert number_text(ShownNumber("lv_ef", "LVEF", 1), replace(measured, interval=None)) == "LVEF 55.3 %"
    findings = (
        Finding("times_vary", Severity.INFO, "Times vary."),
        Finding("apex_not_covered", Severity.WARNING, "The apex is cut off."),
        Finding("rv_withheld", Severity.WITHHELD, "No right ventricle."),
    )
    assert doubt_text(findings) == "Withheld: 1, Warning: 1, Note: 1. No right ventricle."


def test_a_capture_in_a_study_is_a_result_and_no_image(folder: Path) -> None:
    (study,) = read_studies(folder).studies
    assert study.unreadable == ()
    assert all(not series.planes for series in study.series)
    headers = [dcmread(folder / f"{kind}.dcm", stop_before_pixels=True) for kind in CAPTURES]
    assert all(map(is_own_result, headers))
    assert {str(h.SOPInstanceUID) for h in headers} <= {r.sop_instance_uid for r in study.own_results}


def test_a_capture_with_other_pixels_is_the_same_and_one_of_other_results_is_not(
    folder: Path, tmp_path: Path
) -> None:
    path = folder / "panels.dcm"
    assert has_same_content(path.read_bytes(), path)
    drawn, other = dcmread(path), dcmread(path)
    drawn.PixelData = encapsulate([encoded_picture(Image.fromarray(255 - drawn.pixel_array))])
    drawn.save_as(tmp_path / "drawn.dcm")
    assert has_same_content((tmp_path / "drawn.dcm").read_bytes(), path)
    other.SourceInstanceSequence[0].ReferencedSOPInstanceUID = "1.2.3"
    other.save_as(tmp_path / "other.dcm")
    assert not has_same_content((tmp_path / "other.dcm").read_bytes(), path)
