"""Phantoms that several tests look at; each is made once."""

from __future__ import annotations

import pytest

from cvai.phantom.cine_sax.phantom import Phantom, make_phantom
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart

ANISOTROPIC = PhantomAcquisition(
    n_phases=12, rows=200, columns=150, spacing_y_mm=1.3, spacing_x_mm=1.9, seed=11, rotation_degrees=140.0
)
"""No two axes have the same size or spacing, and the image is turned far from the usual."""


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    """An ordinary phantom with few phases."""
    return make_phantom(PhantomHeart.drawn(seed=3), PhantomAcquisition(n_phases=12, seed=3))


@pytest.fixture(scope="session")
def anisotropic() -> Phantom:
    """A phantom that shows every mix-up of axes."""
    return make_phantom(PhantomHeart.drawn(seed=11, ef_percent=40.0), ANISOTROPIC)
