"""Long-axis cines are found beside the stack where they are placed beyond doubt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from cvai.dicom.read.cine.assemble import assemble_cine
from cvai.dicom.read.cine.cine_finder import select_sax_cine
from cvai.dicom.read.cine.long_axes import long_axes_of
from cvai.dicom.read.read import read_studies
from cvai.domain.crossing import CrossingCine
from cvai.phantom.cine_sax.long_axes import make_long_axes
from cvai.phantom.cine_sax.study import DICOM_FOLDER, write_phantom_study
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart

SMALL = PhantomAcquisition(n_phases=8, rows=112, columns=120, spacing_y_mm=3.0, spacing_x_mm=2.6, seed=5)
HEART = PhantomHeart.drawn(5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("phantom")
    write_phantom_study(written, HEART, SMALL, with_long_axes=True)
    return written / DICOM_FOLDER


def found_in(folder: Path) -> list[CrossingCine]:
    (study,) = read_studies(folder).studies
    return list(long_axes_of(study, assemble_cine(select_sax_cine(study))))


def test_both_views_are_found_with_their_pixels_and_their_place(folder: Path) -> None:
    found = found_in(folder)
    made = make_long_axes(HEART, SMALL)
    assert [cine.title for cine in found] == ["Synthetic cine 4-chamber", "Synthetic cine 2-chamber"]
    for cine, view in zip(found, made, strict=True):
        np.testing.assert_array_equal(cine.pixels, view.pixels)
        np.testing.assert_allclose(cine.geometry.position_mm, view.geometry.position_mm, atol=1e-6)
        assert cine.phases == tuple(range(SMALL.n_phases))


@pytest.mark.parametrize(
    ("keyword", "value"), [("FrameOfReferenceUID", "1.2.3"), ("SeriesDescription", "LAX stress")]
)
def test_a_view_in_another_frame_of_reference_or_condition_is_not_shown(
    folder: Path, tmp_path: Path, keyword: str, value: str
) -> None:
    for path in folder.iterdir():
        ds = dcmread(path)
        if ds.SeriesNumber == 11:
            setattr(ds, keyword, value)
        ds.save_as(tmp_path / path.name)
    assert [cine.title for cine in found_in(tmp_path)] == ["Synthetic cine 2-chamber"]


def test_a_view_that_lost_the_pixels_of_a_frame_is_not_shown(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        ds = dcmread(path)
        if (ds.SeriesNumber, ds.InstanceNumber) == (12, 3):
            ds.PixelData = ds.PixelData[:100]
        ds.save_as(tmp_path / path.name)
    assert [cine.title for cine in found_in(tmp_path)] == ["Synthetic cine 4-chamber"]
