"""The presentation state: checked by dciodvfy, and laid over an image by DCMTK."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.analyses.cine_sax.contoured import CONTOURS, contoured
from cvai.dicom.write.objects.presentation import presentable
from cvai.dicom.write.plan import Extra
from cvai.domain.cine import CineStack
from cvai.pipeline import analyse_folder
from tests.analyses.test_analyse import CINE, DrawnHeart
from tests.dicom.read.dicom_files import images, write
from tests.dicom.write.echo_synthetic import echo_analysis
from tests.dicom.write.synthetic import CREATED, make_analysis, write_results
from tests.dicom.write.test_dciodvfy import complaints
from tests.dicom.write.test_verified import SIGNED
from tests.ready import ready

FILE = "presentation.dcm"


def presented(analysis: CineAnalysis, folder: Path) -> Dataset:
    write_results(analysis, folder, created=CREATED, extras=[Extra.PRESENTATIONS])
    return dcmread(folder / FILE)


@pytest.fixture(scope="module")
def analysis() -> CineAnalysis:
    return make_analysis()


@pytest.fixture(scope="module")
def folder(analysis: CineAnalysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("presentation")
    presented(analysis, folder)
    return folder


@pytest.mark.dciodvfy
def test_it_has_no_errors_or_warnings(
    folder: Path, analysis: CineAnalysis, tmp_path: Path, dciodvfy: str
) -> None:
    (tmp_path / "loops").mkdir()
    write_results(
        echo_analysis(tmp_path / "loops"), tmp_path / "echo", created=CREATED, extras=[Extra.PRESENTATIONS]
    )
    presented(make_analysis(multiframe=True), tmp_path / "enhanced")
    presented(replace(analysis, verification=SIGNED), tmp_path / "signed")
    for written in (folder, tmp_path / "echo", tmp_path / "enhanced", tmp_path / "signed"):
        assert complaints(dciodvfy, written / FILE) == []


def test_every_line_lies_on_its_image_in_the_layer_of_its_structure(
    analysis: CineAnalysis, folder: Path
) -> None:
    state = dcmread(folder / FILE)
    layers = {layer.GraphicLayer: layer.GraphicLayerDescription for layer in state.GraphicLayerSequence}
    *lines, text = state.GraphicAnnotationSequence
    expected = list(contoured(analysis)[0].key_outlines())
    assert len(lines) == len(expected) > 20
    for item, outline in zip(lines, expected, strict=True):
        (graphic,) = item.GraphicObjectSequence
        np.testing.assert_allclose(np.reshape(graphic.GraphicData, (-1, 2)), outline.outline, atol=1e-4)
        assert layers[item.GraphicLayer] == outline.contour.name
        (image,) = item.ReferencedImageSequence
        assert image.ReferencedSOPInstanceUID == outline.plane.sop_instance_uid
    assert text.TextObjectSequence[0].UnformattedTextValue == "AI, not verified. Not for clinical use."
    (series,) = state.ReferencedSeriesSequence
    assert len(series.ReferencedImageSequence) == len(text.ReferencedImageSequence) == 8


def test_windows_are_in_stored_values_since_nothing_is_rescaled(analysis: CineAnalysis) -> None:
    """Every frame has a rescale of its own, and shows the same intensities."""
    stack = analysis.cine.stack
    slopes = np.arange(1.0, 25.0, dtype=np.float32).reshape(6, 4)
    rescaled = CineStack(
        stack.stored, stack.geometry, stack.trigger_times_ms, stack.heart_rate_bpm, slopes, 3 * slopes
    )
    (images,) = contoured(replace(analysis, cine=replace(analysis.cine, stack=rescaled)))
    assert images.window is not None
    shown = np.array([[images.window(t, z) for z in range(4)] for t in range(6)])
    intensities = (shown + 3) * slopes[..., None]
    np.testing.assert_allclose(intensities, np.broadcast_to(intensities[0, 0], intensities.shape), rtol=1e-5)


def test_images_in_colour_have_none(analysis: CineAnalysis, tmp_path: Path) -> None:
    def coloured(header: Dataset, *_: int) -> None:
        header.PhotometricInterpretation = "YBR_FULL_422"

    in_colour = make_analysis(edit_header=coloured)
    assert presentable(contoured(in_colour)) == []
    written = write_results(in_colour, tmp_path, created=CREATED, extras=[Extra.PRESENTATIONS])
    assert "presentation" not in {result.kind for result in written}
    grey = contoured(analysis)
    assert presentable([*grey, *contoured(in_colour)]) == list(grey)


def test_dcmtk_lays_it_over_the_image(tmp_path: Path) -> None:
    """It opens no presentation state without a name, which others take as it stands."""
    program = shutil.which("dcmp2pgm")
    if program is None:
        pytest.skip("dcmp2pgm is not installed (Debian package dcmtk)")
    named = {"PatientName": "Doe^Jane", "PatientID": "1", "PatientBirthDate": "19700101", "PatientSex": "F"}
    write(tmp_path / "study", images(CINE.but(attributes=named)))
    (outcome,) = analyse_folder(
        tmp_path / "study", tmp_path / "out", ready(DrawnHeart()), extras=[Extra.PRESENTATIONS]
    )
    (path,) = (written.path for written in outcome.objects if written.kind == "presentation")
    state = dcmread(path)
    first = state.GraphicAnnotationSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID
    (image,) = (
        image
        for image in (tmp_path / "study").iterdir()
        if dcmread(image, stop_before_pixels=True).SOPInstanceUID == first
    )
    command = [program, "-v", "-p", str(path), str(image), str(tmp_path / "shown.pgm")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    told = done.stdout + done.stderr
    assert re.findall(r"I:   Description: (.*)", told) == [
        *(contour.name for contour in CONTOURS),
        "Who stands for the contours",
    ]
    assert len(re.findall(r"type=polyline filled=no units=pixel", told)) == len(CONTOURS)
    (window,) = re.findall(r"VOI transformation: window center=([-\d.]+) width=", told)
    assert float(window) == pytest.approx(float(state.SoftcopyVOILUTSequence[0].WindowCenter), abs=1)
    assert (tmp_path / "shown.pgm").stat().st_size > CINE.rows * CINE.columns
