"""The true strain of phantoms against their boundaries, and against what their true labels measure."""

from __future__ import annotations

import numpy as np
import pytest

from cvai.domain.ventricles.circumferential import Layer, circumferential_strain
from cvai.domain.ventricles.rings import beat_rings
from cvai.phantom.beat import ejected_share
from cvai.phantom.cine_sax.individual import ANGLES_RAD, Individual
from cvai.phantom.cine_sax.phantom import Phantom
from cvai.phantom.cine_sax.stack import lay_slices
from cvai.phantom.cine_sax.strain import true_contours
from cvai.phantom.cine_sax.ventricles import beating_ventricles
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart

SEED, HEART = 3, PhantomHeart(ef_percent=60.0)
ACQUISITION = PhantomAcquisition(
    n_phases=8, rows=176, columns=176, spacing_y_mm=1.5, spacing_x_mm=1.7, seed=SEED
)


def test_the_length_of_a_contour_is_that_of_its_boundary() -> None:
    stack = lay_slices(HEART, ACQUISITION)
    share = ejected_share(np.arange(8) / 8, HEART.heart_rate_bpm)
    ventricles = beating_ventricles(HEART, Individual.drawn(SEED), share, stack.discs)
    contours = true_contours(ventricles, stack.discs)
    radii_mm = ventricles.boundaries(stack.discs.depths_mm).endocardium
    points = radii_mm[..., None] * np.stack([np.cos(ANGLES_RAD), np.sin(ANGLES_RAD)], axis=-1)
    steps_mm = np.linalg.norm(points - np.roll(points, 1, axis=-2), axis=-1)
    middle = list(contours.throughout)
    found = contours.lengths_mm[Layer.ENDOCARDIUM][:, middle]
    assert found == pytest.approx(steps_mm.sum(axis=-1)[:, middle], rel=1e-4)


@pytest.mark.parametrize("layer", Layer)
def test_true_labels_measure_the_true_strain(anisotropic: Phantom, layer: Layer) -> None:
    rings, ed = beat_rings(anisotropic.labels), anisotropic.truth.phases.end_diastole
    found = circumferential_strain(rings, ed, np.ones(len(rings[0]), dtype=np.bool_))
    assert found is not None
    true_percent = anisotropic.truth.contours.strain_percent(layer, ed, found.slices)
    assert found.percent[layer] == pytest.approx(true_percent, abs=0.5)
    assert int(found.percent[layer].argmin()) == pytest.approx(int(true_percent.argmin()), abs=1)


def test_truth_states_the_strain_by_the_names_of_results(anisotropic: Phantom) -> None:
    told = anisotropic.truth.to_json()
    assert told["measurements"]["lv_gcs_endo"] == min(told["curves"]["gcs_endo_percent"])
    assert -40 < told["measurements"]["lv_gcs_endo"] < told["measurements"]["lv_gcs_mid"] < 0
