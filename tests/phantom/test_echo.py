from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvai.dicom.read.read import read_studies
from cvai.dicom.read.ultrasound.loops import assemble_loop, select_loops
from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.atrium import KeyAtria, atrial_stack, biplane_atrial_volumes
from cvai.domain.echo.function import KeyDiscs, biplane_volumes, mean_volumes, monoplane_volumes
from cvai.domain.echo.simpson import disc_stack
from cvai.domain.echo.views import EchoView
from cvai.errors import ConfigurationInvalid
from cvai.phantom.echo_apical.dicom import write_loops
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.phantom import VIEWS, EchoPhantom, make_echo_phantom
from cvai.phantom.echo_apical.ventricle import EchoVentricle, beating_ventricle
from cvai.phantom.parameters import PhantomHeart

SMALL = LoopAcquisition(
    n_frames=12, frame_time_ms=50.0, rows=240, columns=280, spacing_y_mm=0.7, spacing_x_mm=0.9, seed=4
)
"""No two axes have the same size or spacing."""

HEART = PhantomHeart.drawn(seed=4, ef_percent=50.0)


@pytest.fixture(scope="module")
def small() -> EchoPhantom:
    return make_echo_phantom(HEART, SMALL)


def key_discs(phantom: EchoPhantom, view: EchoView) -> KeyDiscs:
    """Discs of the true outlines."""
    acquisition, phases = phantom.truth.acquisition, phantom.truth.phases
    spacing = (acquisition.spacing_y_mm, acquisition.spacing_x_mm)
    frames = (phases.end_diastole, phases.end_systole)
    return KeyDiscs(*(disc_stack(phantom.labels[view][t], spacing) for t in frames))


def counted_ml(ventricle: EchoVentricle, grown_mm: float, step_mm: float = 1.0) -> float:
    """Volume by counting points of a grid, cavity alone or with its wall."""
    half = max(ventricle.half_widths_mm) + grown_mm + 2
    z = np.arange(-grown_mm - 2, ventricle.length_mm + 1, step_mm)[:, None, None]
    x, y = np.arange(-half, half, step_mm)[None, :, None], np.arange(-half, half, step_mm)[None, None, :]
    four = x / (ventricle.half_widths_mm[0] + grown_mm) * (ventricle.half_widths_mm[1] + grown_mm)
    inside = ventricle.inside_cavity(z, np.hypot(four, y), 1, grown_mm) >= 0
    return float(np.count_nonzero(inside)) * step_mm**3 / 1000.0


@given(st.floats(40, 250), st.floats(60, 110), st.floats(70, 250))
def test_a_ventricle_has_the_volume_and_the_wall_it_was_asked_for(
    volume_ml: float, length_mm: float, mass_g: float
) -> None:
    ventricle = EchoVentricle.of_volume(volume_ml, length_mm, mass_g)
    assert ventricle.volume_ml == pytest.approx(volume_ml)
    assert ventricle.mass_g == pytest.approx(mass_g)


def test_the_closed_forms_are_what_counting_gives() -> None:
    ventricle = EchoVentricle.of_volume(130.0, 82.0, 150.0)
    assert counted_ml(ventricle, 0.0) == pytest.approx(ventricle.volume_ml, rel=0.02)
    wall_ml = counted_ml(ventricle, ventricle.wall_mm) - counted_ml(ventricle, 0.0)
    assert wall_ml * 1.05 == pytest.approx(ventricle.mass_g, rel=0.03)


def test_the_base_comes_down_and_the_wall_thickens_as_blood_is_ejected() -> None:
    diastole, systole = beating_ventricle(HEART, np.array([0.0, 1.0]))
    assert diastole.volume_ml == pytest.approx(HEART.edv_ml)
    assert systole.volume_ml == pytest.approx(HEART.esv_ml)
    assert diastole.length_mm - systole.length_mm == pytest.approx(HEART.mitral_descent_mm)
    assert systole.wall_mm > 1.15 * diastole.wall_mm
    assert systole.mass_g == pytest.approx(diastole.mass_g)


def test_biplane_discs_of_the_true_outlines_give_the_closed_form_volumes(small: EchoPhantom) -> None:
    discs = [key_discs(small, view) for view in VIEWS]
    measured, true = biplane_volumes(*discs), small.truth.by_discs
    assert measured.edv_ml == pytest.approx(true.edv_ml, rel=0.02)
    assert measured.esv_ml == pytest.approx(true.esv_ml, rel=0.02)
    assert measured.ef_percent == pytest.approx(true.ef_percent, abs=1.0)
    assert mean_volumes(discs[:1], discs[1:]).edv_ml == pytest.approx(measured.edv_ml)


def test_one_plane_alone_is_wrong_by_how_oval_the_ventricle_is(small: EchoPhantom) -> None:
    four, two = (monoplane_volumes(key_discs(small, view)).edv_ml for view in VIEWS)
    assert four / two == pytest.approx(1.12**2, rel=0.03)


def test_discs_of_one_height_see_less_ejection_than_there_is(small: EchoPhantom) -> None:
    truth = small.truth
    assert truth.continuous.ef_percent == pytest.approx(50.0)
    lost = truth.by_discs.esv_ml / truth.continuous.esv_ml
    assert lost == pytest.approx(HEART.long_axis_mm / (HEART.long_axis_mm - HEART.mitral_descent_mm))


def test_blood_is_darker_than_wall_and_nothing_lies_beside_the_sector(small: EchoPhantom) -> None:
    for view in VIEWS:
        frames, labels = small.frames[view], small.labels[view]
        cavity, wall = (
            frames[labels == ECHO_LABELS[s]].mean() for s in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM)
        )
        assert wall > 1.8 * cavity
        assert frames[:, :, 0].max() == 0
        assert frames[:, 0].max() == 0


def test_the_same_arguments_write_the_same_bytes(small: EchoPhantom) -> None:
    again = make_echo_phantom(HEART, SMALL)
    for view in VIEWS:
        np.testing.assert_array_equal(again.frames[view], small.frames[view])
    assert again.truth == small.truth


def test_its_loops_are_read_back_with_size_times_and_sector(
    small: EchoPhantom, tmp_path: Path, dciodvfy: str
) -> None:
    files = write_loops(tmp_path, small)
    (study,) = read_studies(tmp_path).studies
    assert study.study_uid == small.truth.study_uid
    for path, images in zip(files, select_loops(study).loops, strict=True):
        source = assemble_loop(images)
        assert source.loop.spacing_mm == pytest.approx((0.7, 0.9))
        assert source.findings == ()
        assert source.loop.times_ms is not None
        assert source.loop.times_ms[-1] == pytest.approx(550.0)
        report = subprocess.run([dciodvfy, path], capture_output=True, text=True, check=False)
        assert "Error" not in report.stdout + report.stderr


def test_an_image_too_shallow_for_a_heart_is_refused() -> None:
    with pytest.raises(ConfigurationInvalid) as refused:
        LoopAcquisition(rows=200)
    assert refused.value.code == "phantom_parameter_out_of_range"


def test_biplane_discs_of_the_true_atrium_give_its_closed_form_volume(small: EchoPhantom) -> None:
    acquisition, truth = small.truth.acquisition, small.truth
    spacing = (acquisition.spacing_y_mm, acquisition.spacing_x_mm)
    phases = (truth.phases.end_systole, int(np.argmin(truth.atrium_ml)))
    views = [KeyAtria(*(atrial_stack(small.labels[view][t], spacing) for t in phases)) for view in VIEWS]
    measured, true = biplane_atrial_volumes(*views), truth.to_json()["measurements"]
    assert measured.largest_ml == pytest.approx(true["la_max"], rel=0.03)
    assert measured.smallest_ml == pytest.approx(true["la_min"], rel=0.04)
    assert measured.emptying_percent == pytest.approx(true["la_ef"], abs=2.0)
