"""One evaluation of a model for apical views."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cvai.domain.anatomy import ECHO_LABELS
from cvai.domain.echo.loop import EchoLoop
from cvai.domain.echo.sector import sector_of_frame
from cvai.domain.echo.views import EchoView
from cvai.errors import HeartRefused
from cvai.models.echo import EchoSegmenter
from cvai.models.intensity import normalised
from cvai.training.core.spec import Asked
from cvai.training.datasets.data import data_root, load_acdc_patient, load_split, spread_over
from cvai.training.evaluation.bootstrap import Estimate
from cvai.training.evaluation.progress import shown
from cvai.training.evaluation.report import Grid, Report, estimate_cell, number_cell
from cvai.training.tasks.echo.camus import PHASES, load_camus_patient
from cvai.training.tasks.echo.evaluation.cases import COMPARED, case_of
from cvai.training.tasks.echo.evaluation.intervals import calibration_of
from cvai.training.tasks.echo.evaluation.pairs import METHODS
from cvai.training.tasks.echo.evaluation.record import headline_metrics, record
from cvai.training.tasks.echo.evaluation.scores import patient_score, score_patients
from cvai.training.tasks.echo.reference import load_references

SPLIT = Path("data/splits/camus.toml")
OTHER_SPLIT = Path("data/splits/acdc.toml")
_TITLES = {"biplane": "biplane", "a4c": "four-chamber alone", "a2c": "two-chamber alone"}

_DEFINITIONS = (
    ("Dice", "2|A∩B| / (|A|+|B|), mean over frames; 1 where both are empty."),
    ("Ejection fraction", "by discs, from the model's labels; compared with what the data set states."),
    ("Left atrium", "by discs, where the sector does not cut it off; compared with the reference's labels."),
    ("Strain", "from end-diastole to end-systole; compared with the reference's labels."),
    ("Interval", "95 % percentile bootstrap, seeded; none for fewer than five."),
)


def evaluate(folder: Path, asked: Asked) -> Report:
    """Score the validation patients of CAMUS, and the views named for slices of cine MR.

    Raises:
        ConfigurationInvalid: the data is not there.
        ModelInvalid: see ``open_network``.
    """
    segmenter = EchoSegmenter.load(folder, asked.threads)
    root = data_root() / "camus"
    references = load_references(root)
    names = spread_over(load_split(SPLIT).validation, asked.at_most)
    frames = shown((load_camus_patient(root, name) for name in names), "evaluating", len(names))
    by_patient = list(score_patients(frames, references, segmenter))
    patients = [patient_score(s, references[s[0].patient], segmenter.esv_factors) for s in by_patient]
    scores = [score for of_patient in by_patient for score in of_patient]
    cases = [
        case_of(s, patient, references[patient.patient], segmenter.uncertainty)
        for s, patient in zip(by_patient, patients, strict=True)
    ]
    others = [_named(image, segmenter) for image in _other_images(asked.at_most)]
    values = record(scores, patients, others, segmenter.identity, SPLIT.name)
    return Report(
        model=segmenter.identity,
        split=SPLIT.name,
        n_patients=len(patients),
        record=values,
        metrics=headline_metrics(values),
        refused=tuple(values["refused"]),
        facts=_facts(values),
        grids=(
            _dice_grid(values),
            _agreement_grid("Ejection fraction, measured minus stated (points)", values["ejection_fraction"]),
            _agreement_grid("Left atrium, largest volume (mL)", values["left_atrium"]["largest_ml"]),
            _agreement_grid("Longitudinal strain, endocardium (points)", values["strain"]["endo"]),
            _agreement_grid("Longitudinal strain, mid-wall (points)", values["strain"]["mid"]),
        ),
        definitions=_DEFINITIONS,
        calibration=lambda: calibration_of(patients),
        cases=tuple(cases),
        quantities=COMPARED,
    )


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


def _facts(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return (("View named rightly", number_cell(values["view"]["accuracy"], ".4f")),)


def _dice_grid(values: Mapping[str, Any]) -> Grid:
    rows = [
        (
            structure.display_name,
            *(_cell(values["dice"][phase][structure.value], ".3f") for phase in PHASES),
        )
        for structure in ECHO_LABELS
    ]
    return Grid("Overlap", ("structure", *(f"Dice {phase}" for phase in PHASES)), tuple(rows))


def _agreement_grid(title: str, by_method: Mapping[str, Any]) -> Grid:
    rows = [
        (
            _TITLES[method],
            *(_cell(found[key], ".1f") for key in ("bias", "sd", "mae")),
            _cell(found["r"], ".2f"),
            str(found["n"]),
        )
        for method in METHODS
        if (found := by_method[method]) is not None
    ]
    return Grid(title, ("method", "bias", "SD", "MAE", "r", "n"), tuple(rows))


def _cell(written: Mapping[str, Any], form: str) -> str:
    interval = written["interval"]
    return estimate_cell(Estimate(written["value"], None if interval is None else tuple(interval)), form)
