"""What one patient's labels are scored by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.tissue.labelled import LabelledSlices
from cvai.domain.tissue.quality import label_findings
from cvai.domain.tissue.rules import n_sd_percent
from cvai.domain.tissue.shares import CAVITY, INFARCT, NO_REFLOW, WALL, WHOLE_INFARCT, infarct_share_percent
from cvai.errors import HeartRefused
from cvai.training.datasets.emidec import EnhancementStack
from cvai.training.tasks.lge.evaluation.parts import part_errors

PARTS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "lv_cavity": (CAVITY,),
        "myocardium": WALL,
        "infarct": WHOLE_INFARCT,
        "infarct_without_no_reflow": (INFARCT,),
        "no_reflow": (NO_REFLOW,),
    }
)
"""Labels that are compared as one: the myocardium with all that lies in it, the infarct with no-reflow."""

DISTORTION = 1.35
"""Columns are stretched by it and rows shrunk by it, and the other way round."""

Segment = Callable[[NDArray[np.float32]], LabelledSlices]
"""Labels (z, y, x) images; raises HeartRefused."""


@dataclass(frozen=True, slots=True)
class PatientScore:
    """One patient.

    Args:
        patient: id in the data set.
        dice: of each of PARTS over the slices pooled; 1 where it is absent and was not found.
        dice_of_single_slices: the same with every slice segmented without its neighbours.
        share_percent: the infarct's share of the myocardium as found; None where no heart was.
        reference_percent: the same of the reference.
        distorted_percent: as found with proportions distorted either way, where a heart was found.
        refused_slices: slices in which no heart was found when they were shown alone.
        findings: codes of what warns a reader of the share.
        part_errors: in points, see ``part_errors``; empty where no heart was found.
        open_percent: what the network leaves open of the infarct, in percent of the wall; None where no heart
            was found or it does not show it.
    """

    patient: str
    dice: Mapping[str, float]
    dice_of_single_slices: Mapping[str, float]
    share_percent: float | None
    reference_percent: float
    distorted_percent: tuple[float, ...]
    refused_slices: int
    findings: tuple[str, ...]
    part_errors: Mapping[str, tuple[float, ...]]
    open_percent: float | None = None


def score_patient(stack: EnhancementStack, segment: Segment) -> PatientScore:
    """Segment the slices of one patient together, one by one, and with other proportions."""
    images = stack.image.astype(np.float32)
    labelled = _labelled(images, segment)
    found = None if labelled is None else labelled.labels
    alone = [_found(plane[None], segment) for plane in images]
    blank = np.zeros((1, *images.shape[1:]), dtype=np.uint8)
    distorted = (_found(image, segment) for image in (_stretched(images), _stretched(images, 1 / DISTORTION)))
    return PatientScore(
        patient=stack.patient,
        dice=_dice(np.zeros_like(stack.labels) if found is None else found, stack.labels),
        dice_of_single_slices=_dice(
            np.concatenate([blank if labels is None else labels for labels in alone]), stack.labels
        ),
        share_percent=None if found is None else infarct_share_percent(found),
        reference_percent=infarct_share_percent(stack.labels),
        distorted_percent=tuple(infarct_share_percent(labels) for labels in distorted if labels is not None),
        refused_slices=sum(labels is None for labels in alone),
        findings=_findings(images, found),
        part_errors={} if found is None else part_errors(found, stack.labels),
        open_percent=None if labelled is None else labelled.infarct_open_percent,
    )


def _findings(images: NDArray[np.float32], labels: NDArray[np.uint8] | None) -> tuple[str, ...]:
    if labels is None:
        return ("heart_not_found",)
    pixel_mm = (1.0, 1.0)  # lost in EMIDEC
    return tuple(found.code for found in label_findings(labels, n_sd_percent(images, labels), pixel_mm))


def _labelled(images: NDArray[np.float32], segment: Segment) -> LabelledSlices | None:
    try:
        return segment(images)
    except HeartRefused:
        return None


def _found(images: NDArray[np.float32], segment: Segment) -> NDArray[np.uint8] | None:
    labelled = _labelled(images, segment)
    return None if labelled is None else labelled.labels


def _stretched(images: NDArray[np.float32], factor: float = DISTORTION) -> NDArray[np.float32]:
    """Columns stretched by ``factor``, rows shrunk by it."""
    zoomed = ndimage.zoom(images, (1.0, 1 / factor, factor), order=1, grid_mode=True, mode="nearest")
    return np.asarray(zoomed, dtype=np.float32)


def _dice(found: NDArray[np.uint8], truth: NDArray[np.uint8]) -> dict[str, float]:
    return {part: _overlap(np.isin(found, values), np.isin(truth, values)) for part, values in PARTS.items()}


def _overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    total = np.count_nonzero(a) + np.count_nonzero(b)
    return 1.0 if total == 0 else 2 * np.count_nonzero(a & b) / total
