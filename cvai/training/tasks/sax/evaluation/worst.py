"""The volumes a model did worst on, and how they look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.models.segmenter import Segmenter
from cvai.training.datasets.data import LabelledVolume
from cvai.training.tasks.sax.evaluation.cohort import Cohort
from cvai.training.tasks.sax.evaluation.quantities import QUANTITIES
from cvai.training.tasks.sax.evaluation.scores import Labels, VolumeScore, segment_volume
from cvai.training.tasks.sax.evaluation.summary import Evaluation

REFERENCE_COLOUR, MODEL_COLOUR = "#56b4e9", "#ff8c1a"
_MARGIN_MM = 15.0
_SLICES_IN_A_ROW = 6

_LOWEST = 2
"""Volumes shown for each structure."""

_SHOWN_ERRORS = {"lv_ef": ("ED", "ES"), "rv_ef": ("ED", "ES"), "lv_mass": ("ED",)}
"""Quantities whose worst patient is shown, with the phases they are measured in."""


@dataclass(frozen=True, slots=True)
class WorstCase:
    """One volume worth looking at.

    Args:
        score: the volume.
        reasons: why it was chosen, for readers.
    """

    score: VolumeScore
    reasons: tuple[str, ...]

    @property
    def file_stem(self) -> str:
        """Name of its picture, without the ending."""
        return f"worst_{self.score.patient}_{self.score.phase}"


def worst_cases(evaluation: Evaluation) -> tuple[WorstCase, ...]:
    """Refused hearts, the lowest Dice of each structure, the largest errors of ejection fractions and mass.

    A volume stands once, with all its reasons. Ejection fractions come from both phases; both are shown.
    """
    reasons: dict[tuple[str, str], list[str]] = {}
    for score, reason in (*_refused(evaluation), *_lowest_dice(evaluation), *_largest_errors(evaluation)):
        reasons.setdefault((score.patient, score.phase), []).append(reason)
    scores = {(score.patient, score.phase): score for score in evaluation.scores}
    return tuple(WorstCase(scores[key], tuple(why)) for key, why in reasons.items())


Chosen = Iterator[tuple[VolumeScore, str]]
"""Volumes, each with the reason why it is looked at."""


def _refused(evaluation: Evaluation) -> Chosen:
    for score in evaluation.refused:
        yield score, f"refused: {score.refused}"


def _lowest_dice(evaluation: Evaluation) -> Chosen:
    for structure in SAX_LABELS:
        ranked = sorted(evaluation.scores, key=lambda score: _dice_or_one(score, structure))
        for score in ranked[:_LOWEST]:
            yield score, f"low Dice of the {structure.display_name.lower()}"


def _largest_errors(evaluation: Evaluation) -> Chosen:
    for name, phases in _SHOWN_ERRORS.items():
        if name not in evaluation.agreement:
            continue
        agreement = evaluation.agreement[name]
        for score in evaluation.scores:
            if score.patient == agreement.worst_patient and score.phase in phases:
                yield score, f"largest error of {QUANTITIES[name]}, {agreement.worst:+z.1f}"


def _dice_or_one(score: VolumeScore, structure: Structure) -> float:
    dice = score.whole[structure].dice
    return 1.0 if dice is None else dice


def worst_case_figure(case: WorstCase, volume: LabelledVolume, labels: Labels) -> Figure:
    """Every slice around the heart, with the model's contours over those of the reference.

    Args:
        case: what is shown.
        volume: image and reference.
        labels: (z, y, x) the model's.
    """
    rows = ceil(len(labels) / _SLICES_IN_A_ROW)
    columns = ceil(len(labels) / rows)
    figure = Figure(figsize=(2.1 * _SLICES_IN_A_ROW, 2.25 * rows + 1.1), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    view = _around_heart(volume, labels)
    grey = volume.image[:, view[0], view[1]]
    black, white = np.percentile(grey, (1.0, 99.5))
    aspect = volume.spacing_mm[1] / volume.spacing_mm[2]
    for axis in axes.flat:
        axis.axis("off")
    for z, axis in enumerate(axes.flat[: len(labels)]):
        axis.imshow(grey[z], cmap="gray", vmin=black, vmax=white, aspect=aspect)
        _contours(axis, volume.labels[z][view], REFERENCE_COLOUR)
        _contours(axis, labels[z][view], MODEL_COLOUR)
        axis.set_title(f"slice {z + 1}", fontsize=8, pad=2)
    figure.suptitle(_title(case), fontsize=10)
    lines = [Line2D([], [], color=colour, lw=2) for colour in (REFERENCE_COLOUR, MODEL_COLOUR)]
    figure.legend(lines, ["reference", "model"], loc="outside lower center", ncols=2, frameon=False)
    return figure


def _around_heart(volume: LabelledVolume, labels: Labels) -> tuple[slice, slice]:
    """Rows and columns that hold what either drew, with room around it."""
    heart = ((volume.labels > 0) | (labels > 0)).any(axis=0)
    found = ndimage.find_objects(heart.astype(np.uint8))[0]
    margins = [round(_MARGIN_MM / spacing) for spacing in volume.spacing_mm[1:]]
    rows, columns = (
        slice(max(0, extent.start - margin), extent.stop + margin)
        for extent, margin in zip(found, margins, strict=True)
    )
    return rows, columns


def _contours(axis: Axes, labels: NDArray[np.uint8], colour: str) -> None:
    for value in SAX_LABELS.values():
        mask = labels == value
        if mask.any():
            axis.contour(mask, levels=[0.5], colors=colour, linewidths=1.0)


def _title(case: WorstCase) -> str:
    score = case.score
    dice = ", ".join(
        f"{structure.display_name} {'–' if s.dice is None else f'{s.dice:.3f}'}"
        for structure, s in score.whole.items()
    )
    why = fill("; ".join(case.reasons), width=120)
    return f"{score.patient} {score.phase} ({score.group}). Dice: {dice}\n{why}"


def draw_worst_cases(evaluation: Evaluation, cohort: Cohort, segmenter: Segmenter) -> dict[str, Figure]:
    """A figure of each worst case by its file stem; volumes are read and segmented again, not kept."""
    figures = {}
    for case in worst_cases(evaluation):
        volume = cohort.volume(case.score.patient, case.score.phase)
        labels, _ = segment_volume(volume, segmenter)
        figures[case.file_stem] = worst_case_figure(case, volume, labels)
    return figures
