"""Long-axis cines of a phantom: the same heart, cut by the same valve plane."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import center_of_mass

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.crossing import crossing_of, cuts_through
from cvai.phantom.cine_sax.dicom import write_long_axes
from cvai.phantom.cine_sax.long_axes import make_long_axes
from cvai.phantom.cine_sax.phantom import make_phantom
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart

SMALL = PhantomAcquisition(n_phases=8, rows=112, columns=120, spacing_y_mm=3.0, spacing_x_mm=2.6, seed=5)
HEART = PhantomHeart.drawn(5)


def test_slices_with_a_left_ventricle_lie_below_the_valve_plane_in_every_phase() -> None:
    labels = make_phantom(HEART, SMALL).labels
    cavity = labels.labels == SAX_LABELS[Structure.LV_CAVITY]
    wall = labels.labels[0] == SAX_LABELS[Structure.LV_MYOCARDIUM]
    for view in make_long_axes(HEART, SMALL):
        assert cuts_through(labels.geometry, cavity[0], view.geometry)
        for z in np.flatnonzero((cavity[0] | wall).any(axis=(1, 2))):
            y, x = center_of_mass(cavity[0, z] | wall[z])
            _, row = crossing_of(labels.geometry, int(z), view.geometry).to_pixel @ [x, y, 1.0]
            is_below = row < view.mitral_rows  # the apex is on top
            is_within = cavity[:, z].any(axis=(1, 2))
            assert (is_within <= is_below).all(), "a slice with a cavity is below the valve"


def test_the_cavity_is_as_long_and_as_bright_as_in_the_stack() -> None:
    phantom = make_phantom(HEART, SMALL)
    cavity = phantom.labels.labels[0] == SAX_LABELS[Structure.LV_CAVITY]
    in_stack = np.median(phantom.pixels[0][cavity])
    for view in make_long_axes(HEART, SMALL):
        middle = view.pixels[0][:, SMALL.columns // 2]
        row = round(float(view.mitral_rows[0])) - 8
        assert middle[row] == pytest.approx(in_stack, rel=0.25)


@pytest.mark.dciodvfy
def test_dciodvfy_finds_no_error_and_no_warning(tmp_path: Path, dciodvfy: str) -> None:
    files = write_long_axes(tmp_path, make_phantom(HEART, SMALL), make_long_axes(HEART, SMALL))
    assert len(files) == 2 * SMALL.n_phases
    for path in (files[0], files[-1]):
        said = subprocess.run([dciodvfy, str(path)], capture_output=True, text=True, check=False).stderr
        assert [line for line in said.splitlines() if "Error" in line or "Warning" in line] == []
