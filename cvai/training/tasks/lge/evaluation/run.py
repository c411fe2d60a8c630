"""One evaluation of a model for late enhancement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvai import __version__
from cvai.domain.segmentation import ModelIdentity
from cvai.domain.uncertainty import grouped_half_width
from cvai.models.card import ByDoubtCard, UncertaintyCard
from cvai.models.lge import LgeSegmenter
from cvai.training.core.spec import Asked
from cvai.training.datasets.data import data_root, load_split, spread_over
from cvai.training.datasets.emidec import load_emidec_patient
from cvai.training.evaluation.agreement import Pairs
from cvai.training.evaluation.bootstrap import Estimate, estimate, mean
from cvai.training.evaluation.by_doubt import FEWEST_PATIENTS, doubt_factor, held_by_others, least_doubt
from cvai.training.evaluation.calibrate import calibration
from cvai.training.evaluation.numbers import DICE_MARGIN, Number, Numbers
from cvai.training.evaluation.progress import shown
from cvai.training.evaluation.report import Grid, Report, estimate_cell, number_cell
from cvai.training.tasks.lge.evaluation.cases import COMPARED, SHARE, case_of
from cvai.training.tasks.lge.evaluation.scores import PARTS, PatientScore, score_patient

SCHEMA = "cvai.lge_evaluation/1"
SPLIT = Path("data/splits/emidec.toml")

_DEFINITIONS = (
    ("Dice", "2|A∩B| / (|A|+|B|), slices of a patient pooled, mean over patients; 1 where both are empty."),
    ("Myocardium", "all of the wall, infarct and no-reflow included."),
    ("Infarct", "no-reflow included, as it is in the share of the myocardium."),
    ("Single slices", "every slice segmented alone, without its neighbours."),
    (
        "Parts",
        "levels and segments of the wall, those of the model turned by 6 degrees.",
    ),
    ("Presence", "whether any infarct was found in a patient, against whether any was drawn."),
    ("Interval", "95 % percentile bootstrap over patients, seeded; none for fewer than five."),
)

_SHARE_MARGIN, _PRESENCE_MARGIN = 0.5, 0.03


def evaluate(folder: Path, asked: Asked) -> Report:
    """Score the validation patients of EMIDEC.

    Raises:
        ConfigurationInvalid: the data is not there.
        ModelInvalid: see ``open_network``.
    """
    segmenter = LgeSegmenter.load(folder, asked.threads)
    split = asked.split or SPLIT
    root = data_root() / (asked.folder or "emidec")
    names = spread_over(load_split(split).validation, asked.at_most)
    stacks = shown((load_emidec_patient(root, name) for name in names), "evaluating", len(names))
    patients = [score_patient(stack, segmenter.segment) for stack in stacks]
    values = record(patients, segmenter.identity, split.name)
    return Report(
        model=segmenter.identity,
        split=split.name,
        n_patients=len(patients),
        record=values,
        metrics=_headline(values),
        refused=tuple(values["refused"]),
        facts=_facts(values),
        grids=(_dice_grid(values), _share_grid(values), _part_grid(values)),
        definitions=_DEFINITIONS,
        calibration=lambda: calibration_of(patients),
        cases=tuple(case_of(patient, segmenter.uncertainty) for patient in patients),
        quantities=COMPARED,
    )


def record(patients: Sequence[PatientScore], model: ModelIdentity, split: str) -> dict[str, Any]:
    """Values that JSON can hold."""
    measured = [p for p in patients if p.share_percent is not None]
    errors = np.array([_error(p) for p in measured])
    changes = np.array([_largest_change(p) for p in measured])
    correct = np.array([_is_present_correct(p) for p in patients], dtype=np.float64)
    return {
        "schema": SCHEMA,
        "cvai_version": __version__,
        "model": asdict(model),
        "split": split,
        "patients": len(patients),
        "refused": [p.patient for p in patients if p.share_percent is None],
        "dice": {part: _over([p.dice[part] for p in patients]) for part in PARTS},
        "dice_of_single_slices": {
            part: _over([p.dice_of_single_slices[part] for p in patients]) for part in PARTS
        },
        "infarct_share_percent": {
            "bias": _estimate(estimate(mean, errors)),
            "mae": _estimate(estimate(mean, np.abs(errors))),
            "worst": round(float(np.abs(errors).max()), 2) if len(errors) else None,
        },
        "parts": {kind: _part(errors) for kind, errors in _part_errors(patients).items()},
        "intervals": {SHARE: _intervals_held(patients)},
        "presence": {
            "accuracy": _estimate(estimate(mean, correct)),
            "wrong": [p.patient for p in patients if not _is_present_correct(p)],
        },
        "distorted": {
            "change": _estimate(estimate(mean, changes)),
            "largest_change": round(float(changes.max()), 2) if len(changes) else None,
        },
        "single_slices_refused": sum(p.refused_slices for p in patients),
        "by_patient": [_by_patient(p) for p in patients],
    }


def measured_on(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every patient."""
    return [(patient["patient"], "infarct_share") for patient in record["by_patient"]]


def numbers(record: Mapping[str, Any]) -> Numbers:
    """Dice, infarct share, presence and hearts that were not found."""
    for part, dice in record["dice"].items():
        yield f"Dice {part}", Number(dice["value"], DICE_MARGIN, higher_is_better=True)
    share, presence = record["infarct_share_percent"], record["presence"]
    yield "infarct share MAE", Number(share["mae"]["value"], _SHARE_MARGIN)
    yield (
        "infarct present or not",
        Number(presence["accuracy"]["value"], _PRESENCE_MARGIN, higher_is_better=True),
    )
    yield "hearts not found", Number(len(record["refused"]), 0.0)


def calibration_of(patients: Sequence[PatientScore]) -> UncertaintyCard:
    """Half-widths of intervals of the infarct's share, of levels and of segments.

    Raises:
        ValueError: too few patients.
    """
    measured = [p for p in patients if p.share_percent is not None]
    pairs = Pairs(
        patients=tuple(p.patient for p in measured),
        groups=tuple(p.patient[5] for p in measured),
        measured=np.array([p.share_percent for p in measured]),
        reference=np.array([p.reference_percent for p in measured]),
    )
    known = calibration({"infarct_share": pairs}, {})
    parts = {
        kind: round(grouped_half_width(errors, known.confidence), 2)
        for kind, errors in _part_errors(patients).items()
    }
    half_widths = {**known.half_widths, **parts}
    return known.model_copy(update={"half_widths": half_widths, "by_doubt": _by_doubt(patients)})


def _by_doubt(patients: Sequence[PatientScore]) -> ByDoubtCard | None:
    """None where the model does not show its doubt."""
    errors, doubts, least = _doubted(patients)
    if len(errors) < FEWEST_PATIENTS:
        return None
    return ByDoubtCard(factors={SHARE: doubt_factor(errors, np.maximum(doubts, least))}, least=least)


def _doubted(patients: Sequence[PatientScore]) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """(n,) absolute errors of the share, (n,) doubts, and the least doubt that is believed."""
    rows = [(abs(_error(p)), p.open_percent) for p in patients if p.open_percent is not None]
    errors, doubts = np.array(rows, dtype=np.float64).reshape(-1, 2).T
    return errors, doubts, least_doubt(doubts.tolist()) if len(doubts) else 0.0


def _intervals_held(patients: Sequence[PatientScore]) -> dict[str, Any]:
    """How often intervals of the share hold that come from the other patients."""
    errors, doubts, least = _doubted(patients)
    return {
        "patients": len(errors),
        "same_for_all": held_by_others(errors, np.ones(len(errors))),
        "by_doubt": held_by_others(errors, np.maximum(doubts, least)),
    }


def _error(patient: PatientScore) -> float:
    return (patient.share_percent or 0.0) - patient.reference_percent


def _part_errors(patients: Sequence[PatientScore]) -> dict[str, list[tuple[float, ...]]]:
    """By kind of part, of every patient that has one."""
    kinds = sorted({kind for patient in patients for kind in patient.part_errors})
    return {kind: [p.part_errors[kind] for p in patients if kind in p.part_errors] for kind in kinds}


def _part(errors: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Of one kind; patients weigh alike, whatever the number of their parts."""
    worst = max(max(of_patient) for of_patient in errors)
    return {
        "patients": len(errors),
        "mae": _over([float(np.mean(of_patient)) for of_patient in errors]),
        "worst": round(worst, 2),
    }


def _by_patient(patient: PatientScore) -> dict[str, Any]:
    """What is kept of one; errors of its parts are summed up in ``parts``."""
    kept = asdict(patient)
    del kept["part_errors"]
    return {name: _rounded(value) for name, value in kept.items()}


def _largest_change(patient: PatientScore) -> float:
    """By which the share changes where proportions do, in points."""
    share = patient.share_percent or 0.0
    return max((abs(distorted - share) for distorted in patient.distorted_percent), default=0.0)


def _is_present_correct(patient: PatientScore) -> bool:
    """Whether an infarct was found where there is one; a heart that was not found is an error."""
    share = patient.share_percent
    return share is not None and (share > 0) == (patient.reference_percent > 0)


def _over(values: Sequence[float]) -> dict[str, Any]:
    return _estimate(estimate(mean, np.array(values)))


def _estimate(found: Estimate) -> dict[str, Any]:
    interval = None if found.interval is None else [round(bound, 4) for bound in found.interval]
    return {"value": None if found.value is None else round(found.value, 4), "interval": interval}


def _rounded(values: Any) -> Any:
    if isinstance(values, float):
        return round(values, 4)
    if isinstance(values, Mapping):
        return {key: _rounded(value) for key, value in values.items()}
    return [_rounded(value) for value in values] if isinstance(values, tuple | list) else values


def _headline(values: Mapping[str, Any]) -> dict[str, float]:
    metrics = {f"dice_{part}": dice["value"] for part, dice in values["dice"].items()}
    metrics["infarct_share_mae"] = values["infarct_share_percent"]["mae"]["value"]
    metrics["presence_accuracy"] = values["presence"]["accuracy"]["value"]
    return {name: value for name, value in metrics.items() if value is not None}


def _facts(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    share = values["infarct_share_percent"]
    return (
        ("Infarct share, mean absolute error", f"{_cell(share['mae'], '.1f')} points"),
        ("Infarct present or not, correct", _cell(values["presence"]["accuracy"], ".3f")),
    )


def _dice_grid(values: Mapping[str, Any]) -> Grid:
    rows = [
        (
            part.replace("_", " "),
            _cell(values["dice"][part], ".3f"),
            _cell(values["dice_of_single_slices"][part], ".3f"),
        )
        for part in PARTS
    ]
    return Grid("Overlap", ("part", "Dice", "single slices"), tuple(rows))


def _share_grid(values: Mapping[str, Any]) -> Grid:
    share, distorted = values["infarct_share_percent"], values["distorted"]
    rows = (
        ("bias", _cell(share["bias"], ".1f")),
        ("MAE", _cell(share["mae"], ".1f")),
        ("largest error", number_cell(share["worst"], ".1f")),
        ("change with distorted proportions, mean", _cell(distorted["change"], ".2f")),
        ("change with distorted proportions, largest", number_cell(distorted["largest_change"], ".2f")),
    )
    return Grid("Infarct's share of the myocardium (points)", ("number", "value"), rows)


def _part_grid(values: Mapping[str, Any]) -> Grid:
    rows = tuple(
        (kind.replace("_", " "), str(part["patients"]), _cell(part["mae"], ".1f"), f"{part['worst']:.1f}")
        for kind, part in values["parts"].items()
    )
    return Grid("Levels and segments (points)", ("part", "patients", "MAE", "largest error"), rows)


def _cell(written: Mapping[str, Any], form: str) -> str:
    interval = written["interval"]
    return estimate_cell(Estimate(written["value"], None if interval is None else tuple(interval)), form)
