"""One evaluation of a model for apical views: scores, record, table, and intervals for the card."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from cvai.domain.anatomy import ECHO_LABELS
from cvai.domain.echo.loop import EchoLoop
from cvai.domain.echo.sector import sector_of_frame
from cvai.domain.echo.views import EchoView
from cvai.errors import HeartRefused
from cvai.models.echo import EchoSegmenter
from cvai.models.intensity import normalised
from cvai.training.datasets.data import data_root, load_acdc_patient, load_split, spread_over
from cvai.training.tasks.echo.camus import PHASES, LabelledFrame, load_camus_patient
from cvai.training.tasks.echo.evaluation import FrameScore, PatientScore, patient_score, score_patients
from cvai.training.tasks.echo.record import METHODS, record
from cvai.training.tasks.echo.reference import load_references

SPLIT = Path("data/splits/camus.toml")
OTHER_SPLIT = Path("data/splits/acdc.toml")
_TITLES = {"biplane": "biplane", "a4c": "four-chamber view alone", "a2c": "two-chamber view alone"}


@dataclass(frozen=True, slots=True, eq=False)
class EchoEvaluation:
    """What an evaluation found.

    Args:
        frames: scores of every frame.
        patients: scores of every patient.
        record: as in evaluation.json.
    """

    frames: Sequence[FrameScore]
    patients: Sequence[PatientScore]
    record: dict[str, Any]


def evaluate_echo(
    segmenter: EchoSegmenter, split: Path = SPLIT, at_most: int | None = None
) -> EchoEvaluation:
    """Score the validation patients of CAMUS, and the views named for slices of cine MR.

    Args:
        segmenter: the model.
        split: whose validation patients are used.
        at_most: take fewer patients, spread over the split.

    Raises:
        ConfigurationInvalid: the data is not there.
    """
    root = data_root() / "camus"
    references = load_references(root)
    names = spread_over(load_split(split).validation, at_most)
    frames = (load_camus_patient(root, name) for name in names)
    by_patient = list(score_patients(_tracked(frames, len(names)), references, segmenter))
    patients = [patient_score(s, references[s[0].patient], segmenter.esv_factors) for s in by_patient]
    scores = [score for of_patient in by_patient for score in of_patient]
    others = [_named(image, segmenter) for image in _other_images(at_most)]
    values = record(scores, patients, others, segmenter.identity, split.name)
    return EchoEvaluation(scores, patients, values)


def _tracked(frames: Iterable[Sequence[LabelledFrame]], total: int) -> Iterable[Sequence[LabelledFrame]]:
    return track(frames, "evaluating", total=total, console=Console(stderr=True), transient=True)


def _other_images(at_most: int | None) -> Iterator[np.ndarray]:
    """(y, x) slices of cine MR of patients that no model was trained on."""
    root = data_root() / "acdc"
    for name in spread_over(load_split(OTHER_SPLIT).validation, at_most):
        for plane in load_acdc_patient(root / name)[0].image:
            yield np.rint(normalised(plane) * 255).astype(np.uint8)


def _named(image: np.ndarray, segmenter: EchoSegmenter) -> EchoView | None:
    try:
        return segmenter.segment(EchoLoop(image[None], sector_of_frame(image), None, None, None)).view
    except HeartRefused:
        return None


def print_echo_tables(console: Console, values: dict[str, Any]) -> None:
    """The headline numbers of a record."""
    dice = Table("structure", *(f"Dice {phase}" for phase in PHASES), title=f"{values['patients']} patients")
    for structure in ECHO_LABELS:
        shown = [_spelled(values["dice"][phase][structure.value], 3) for phase in PHASES]
        dice.add_row(structure.display_name, *shown)
    console.print(dice)
    fraction = Table("ejection fraction", "bias", "SD", "MAE", "r", "n")
    for method in METHODS:
        found = values["ejection_fraction"][method]
        cells = [_spelled(found[key], 2) for key in ("bias", "sd", "mae", "r")]
        fraction.add_row(_TITLES[method], *cells, str(found["n"]))
    console.print(fraction)
    console.print(f"view named rightly: {values['view']['accuracy']}", highlight=False)


def _spelled(cell: dict[str, Any], digits: int) -> str:
    if cell["value"] is None:
        return "–"
    interval = cell["interval"]
    bounds = "" if interval is None else f" ({interval[0]:.{digits}f} to {interval[1]:.{digits}f})"
    return f"{cell['value']:.{digits}f}{bounds}"
