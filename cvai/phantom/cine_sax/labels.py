"""The true labels: what a voxel's centre lies in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.segmentation import CineSegmentation
from cvai.phantom.cine_sax.stack import SliceStack
from cvai.phantom.cine_sax.ventricles import Boundaries, Ventricles
from cvai.phantom.cine_sax.view import HeartView


def true_labels(ventricles: Ventricles, stack: SliceStack, views: tuple[HeartView, ...]) -> CineSegmentation:
    """Labels of every voxel by the structure at its centre; papillary muscles and trabeculae are cavity.

    Args:
        ventricles: the beating heart.
        stack: the slices.
        views: the heart's place in every slice.
    """
    middle = ventricles.boundaries(stack.discs.depths_mm)
    shape = (len(ventricles.cavity_mm), stack.geometry.n_slices, *stack.u_mm.shape)
    labels = np.zeros(shape, dtype=np.uint8)
    for index, view in enumerate(views):
        labels[:, index][:, *view.window] = _slice_labels(middle, index, view)
    return CineSegmentation(labels, stack.geometry)


def _slice_labels(middle: Boundaries, index: int, view: HeartView) -> NDArray[np.uint8]:
    """(t, y, x) labels of one slice inside the view's window."""
    labels = np.zeros((len(middle.endocardium), *view.radius_mm.shape), dtype=np.uint8)
    for boundary, structure in (
        (middle.rv_free_wall, Structure.RV_CAVITY),
        (middle.epicardium, Structure.LV_MYOCARDIUM),
        (middle.endocardium, Structure.LV_CAVITY),
    ):
        labels[view.inside_mm(boundary[:, index]) > 0] = SAX_LABELS[structure]
    return labels
