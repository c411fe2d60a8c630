"""The evaluation of a model for apical views as plain values, for evaluation.json and the model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from cvai import __version__
from cvai.domain.anatomy import ECHO_LABELS
from cvai.domain.echo.strain import Layer
from cvai.domain.echo.views import EchoView
from cvai.domain.segmentation import ModelIdentity
from cvai.training.evaluation.agreement import Pairs, agreement
from cvai.training.evaluation.bootstrap import Estimate, estimate, mean
from cvai.training.tasks.echo.camus import PHASES
from cvai.training.tasks.echo.evaluation.intervals import intervals_held
from cvai.training.tasks.echo.evaluation.pairs import ATRIAL, METHODS, atrium_pairs, ef_pairs, strain_pairs
from cvai.training.tasks.echo.evaluation.scores import FOUR, TWO, FrameScore, PatientScore

SCHEMA = "cvai.echo_evaluation/1"
QUALITIES = ("Good", "Medium", "Poor")
STATISTICS = ("bias", "sd", "mae", "r")


def record(
    frames: Sequence[FrameScore],
    patients: Sequence[PatientScore],
    others: Sequence[EchoView | None],
    model: ModelIdentity,
    split: str,
) -> dict[str, Any]:
    """Values that JSON can hold.

    Args:
        frames: every frame of every patient.
        patients: every patient.
        others: the view named for images that are no apical view; None where no heart was found.
        model: which model ran.
        split: name of the split.
    """
    return {
        "schema": SCHEMA,
        "cvai_version": __version__,
        "model": asdict(model),
        "split": split,
        "patients": len(patients),
        "frames": len(frames),
        "refused": [f"{f.patient} {f.view} {f.phase}" for f in frames if f.named is None],
        "dice": {phase: _dice([f for f in frames if f.phase == phase]) for phase in PHASES},
        "dice_by_view": {
            view.value: {p: _dice([f for f in frames if f.view is view and f.phase == p]) for p in PHASES}
            for view in (FOUR, TWO)
        },
        "dice_by_image_quality": {
            quality: {
                phase: _dice([f for f in frames if f.image_quality == quality and f.phase == phase])
                for phase in PHASES
            }
            for quality in QUALITIES
        },
        "ejection_fraction": {method: _agreement(patients, method) for method in METHODS},
        "ejection_fraction_by_image_quality": {
            quality: _agreement([p for p in patients if p.image_quality == quality], "biplane")
            for quality in QUALITIES
        },
        "ejection_fraction_good_or_medium": _agreement(
            [p for p in patients if p.image_quality != "Poor"], "biplane"
        ),
        "of_reference_contours": {method: _agreement(patients, method, of="reference") for method in METHODS},
        "left_atrium": {
            name: {method: _compared(atrium_pairs(patients, method, name)) for method in METHODS}
            for name in ATRIAL.values()
        },
        "left_atrium_views_cut": sum(p.n_cut for p in patients),
        "strain": {
            layer.value: {method: _compared(strain_pairs(patients, method, layer)) for method in METHODS}
            for layer in Layer
        },
        "intervals": intervals_held(patients),
        "view": _views(frames, others),
        "by_patient": [_patient(p) for p in patients],
    }


def headline_metrics(values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers one compares models by, flat, as an experiment tracker takes them."""
    metrics = {
        f"dice_{structure}_{phase.lower()}": dice["value"]
        for phase, by_structure in values["dice"].items()
        for structure, dice in by_structure.items()
    }
    for method, found in values["ejection_fraction"].items():
        if found is not None:
            metrics |= {f"ef_{method}_{name}": found[name]["value"] for name in STATISTICS}
    metrics["view_accuracy"] = values["view"]["accuracy"]
    return {name: value for name, value in metrics.items() if value is not None}


def _dice(frames: Sequence[FrameScore]) -> dict[str, Any]:
    """Mean over frames; the interval is over frames, which come in twos and fours of one patient."""
    return {
        structure.value: _estimate(estimate(mean, np.array([f.dice[structure] for f in frames])))
        for structure in ECHO_LABELS
    }


def _estimate(found: Estimate) -> dict[str, Any]:
    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 4)

    interval = None if found.interval is None else [rounded(bound) for bound in found.interval]
    return {"value": rounded(found.value), "interval": interval}


def _agreement(patients: Sequence[PatientScore], method: str, of: str = "measured") -> dict[str, Any] | None:
    """Ejection fractions against what the data set states; None where there is no patient."""
    return _compared(ef_pairs(patients, method, of))


def _compared(pairs: Pairs) -> dict[str, Any] | None:
    """None where there is no patient."""
    if not pairs.patients:
        return None
    found = agreement(pairs)
    return {
        "n": found.n,
        "bias": _estimate(found.bias),
        "sd": _estimate(found.sd),
        "mae": _estimate(found.mae),
        "r": _estimate(found.correlation),
        "worst": {"patient": found.worst_patient, "error": round(found.worst, 1)},
    }


def _views(frames: Sequence[FrameScore], others: Sequence[EchoView | None]) -> dict[str, Any]:
    wrong = [f"{f.patient} {f.view} {f.phase}: {f.named}" for f in frames if f.named is not f.view]
    mistaken = sum(named in (FOUR, TWO) for named in others)
    n = len(frames) + len(others)
    return {
        "accuracy": round(1 - (len(wrong) + mistaken) / n, 4) if n else None,
        "frames_wrong": wrong,
        "others": len(others),
        "others_taken_for_a_view": mistaken,
    }


def _patient(patient: PatientScore) -> dict[str, Any]:
    return {
        "patient": patient.patient,
        "image_quality": patient.image_quality,
        "stated_ef_percent": patient.stated_ef_percent,
        **{
            part: {method: _volumes(patient, part, method) for method in METHODS}
            for part in ("measured", "reference")
        },
    }


def _volumes(patient: PatientScore, part: str, method: str) -> dict[str, float] | None:
    volumes = getattr(patient, part).get(method)
    if volumes is None:
        return None
    return {
        "edv_ml": round(volumes.edv_ml, 1),
        "esv_ml": round(volumes.esv_ml, 1),
        "ef_percent": round(volumes.ef_percent, 1),
    }
