from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from nibabel.loadsave import load

from cvai.domain.findings import Place
from cvai.domain.geometry import StackGeometry
from cvai.domain.turned import turned_findings
from cvai.phantom.cine_sax.phantom import make_phantom
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart

WAYS = {
    "left to right": lambda image: image[:, ::-1],
    "top to bottom": lambda image: image[::-1],
    "half a turn": lambda image: image[::-1, ::-1],
    "a quarter turn": lambda image: image.T[::-1],
}


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, StackGeometry]:
    """(z, y, x) intensities of a square phantom."""
    acquisition = PhantomAcquisition(rows=192, columns=192, n_phases=8)
    phantom = make_phantom(PhantomHeart.drawn(5), acquisition)
    return phantom.pixels[0].astype(np.float32), phantom.labels.geometry


def places(images: np.ndarray, geometry: StackGeometry) -> tuple[Place, ...]:
    return tuple(place for finding in turned_findings(images, geometry) for place in finding.where)


def test_slices_as_they_were_acquired_are_not_told(drawn: tuple[np.ndarray, StackGeometry]) -> None:
    assert places(*drawn) == ()


@pytest.mark.parametrize("way", WAYS)
def test_a_slice_that_is_laid_another_way_is_named(drawn: tuple[np.ndarray, StackGeometry], way: str) -> None:
    images, geometry = drawn[0].copy(), drawn[1]
    images[4] = WAYS[way](images[4])
    assert places(images, geometry) == (Place(slice=4),)


def test_the_outermost_slice_and_half_a_stack_are_told(drawn: tuple[np.ndarray, StackGeometry]) -> None:
    images, geometry = drawn[0].copy(), drawn[1]
    images[0] = images[0, :, ::-1]
    assert places(images, geometry) == (Place(slice=0),)
    images[:4] = drawn[0][:4, :, ::-1]
    assert places(images, geometry) == (Place(slice=3), Place(slice=4)), "which half is turned nobody knows"


def test_slices_that_lie_askew_by_their_positions_are_compared_where_they_lie(
    drawn: tuple[np.ndarray, StackGeometry],
) -> None:
    images, geometry = drawn[0].copy(), drawn[1]
    pixels = 15
    positions_mm = geometry.positions_mm.copy()
    positions_mm[4] -= pixels * geometry.spacing_x_mm * geometry.row_cosine
    askew = StackGeometry(
        positions_mm,
        geometry.row_cosine,
        geometry.column_cosine,
        geometry.spacing_y_mm,
        geometry.spacing_x_mm,
    )
    images[4] = np.roll(images[4], pixels, axis=1)
    assert places(images, askew) == ()
    images[4] = images[4, :, ::-1]
    assert Place(slice=4) in places(images, askew)


@pytest.mark.slow
def test_real_hearts_are_not_told_and_those_with_a_mirrored_slice_are(real_data: Path) -> None:
    patients = sorted((real_data / "acdc").glob("patient*"))[:10]
    if not patients:
        pytest.skip("CVAI_DATA holds no ACDC patients")
    for patient in patients:
        image = load(patient / f"{patient.name}_frame01.nii.gz")
        spacing_mm = image.header.get_zooms()[2::-1]
        images = np.asarray(image.dataobj, dtype=np.float32).T
        geometry = StackGeometry.unplaced(len(images), spacing_mm)
        assert places(images, geometry) == (), patient.name
        middle = len(images) // 2
        images[middle] = images[middle, :, ::-1]
        assert places(images, geometry) == (Place(slice=middle),), patient.name
