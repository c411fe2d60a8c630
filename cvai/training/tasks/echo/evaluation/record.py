"""The evaluation of a model for apical views as plain values, for evaluation.json and the model card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from cvai import __version__
from cvai.domain.anatomy import ECHO_LABELS
from cvai.domain.echo.function import Volumes
from cvai.domain.echo.strain import Layer
from cvai.domain.echo.views import EchoView
from cvai.domain.segmentation import ModelIdentity
from cvai.models.card import UncertaintyCard
from cvai.training.evaluation.agreement import Pairs, agreement
from cvai.training.evaluation.bootstrap import Estimate, estimate, mean
from cvai.training.evaluation.calibrate import calibration
from cvai.training.tasks.echo.camus import PHASES
from cvai.training.tasks.echo.evaluation.scores import FOUR, TWO, FrameScore, PatientScore

SCHEMA = "cvai.echo_evaluation/1"
METHODS = ("biplane", FOUR.value, TWO.value)
QUALITIES = ("Good", "Medium", "Poor")
ATRIAL = ("largest_ml", "largest_by_area_ml", "smallest_ml", "emptying_percent")
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
            for name in ATRIAL
        },
        "left_atrium_views_cut": sum(p.n_cut for p in patients),
        "strain": {
            layer.value: {method: _compared(strain_pairs(patients, method, layer)) for method in METHODS}
            for layer in Layer
        },
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


def calibration_of(patients: Sequence[PatientScore]) -> UncertaintyCard:
    """Half-widths of intervals; of one view alone under the measurement's name and the view's.

    Ejection fractions are compared with what the data set states, volumes with those of its contours.

    Raises:
        ValueError: too few patients.
    """
    points, amounts = {}, {}
    for method in METHODS:
        suffix = "" if method == "biplane" else f"_{method}"
        points[f"lv_ef{suffix}"] = ef_pairs(patients, method)
        amounts[f"lv_edv{suffix}"] = _volume_pairs(patients, method, lambda volumes: volumes.edv_ml)
        amounts[f"lv_esv{suffix}"] = _volume_pairs(patients, method, lambda volumes: volumes.esv_ml)
    return calibration(points, amounts)


def ef_pairs(patients: Sequence[PatientScore], method: str, of: str = "measured") -> Pairs:
    """Ejection fractions in percent, from the model's labels or the ``reference``'s, and as stated."""
    chosen = [p for p in patients if method in getattr(p, of)]
    return Pairs(
        patients=tuple(p.patient for p in chosen),
        groups=tuple(p.image_quality for p in chosen),
        measured=np.array([getattr(p, of)[method].ef_percent for p in chosen]),
        reference=np.array([p.stated_ef_percent for p in chosen]),
    )


def atrium_pairs(patients: Sequence[PatientScore], method: str, name: str) -> Pairs:
    """One number of ``AtrialVolumes``, from the model's labels and from the reference's."""
    return _pairs(
        patients,
        {
            p.patient: (getattr(p.atria[method][0], name), getattr(p.atria[method][1], name))
            for p in patients
            if method in p.atria
        },
    )


def strain_pairs(patients: Sequence[PatientScore], method: str, layer: Layer) -> Pairs:
    """Strain from end-diastole to end-systole in percent, of the model's labels and of the reference's."""
    return _pairs(
        patients, {p.patient: p.strain[layer][method] for p in patients if method in p.strain[layer]}
    )


def _pairs(patients: Sequence[PatientScore], both: Mapping[str, tuple[float, float]]) -> Pairs:
    chosen = [p for p in patients if p.patient in both]
    return Pairs(
        patients=tuple(p.patient for p in chosen),
        groups=tuple(p.image_quality for p in chosen),
        measured=np.array([both[p.patient][0] for p in chosen]),
        reference=np.array([both[p.patient][1] for p in chosen]),
    )


def _volume_pairs(
    patients: Sequence[PatientScore], method: str, volume_ml: Callable[[Volumes], float]
) -> Pairs:
    chosen = [p for p in patients if method in p.measured]
    return Pairs(
        patients=tuple(p.patient for p in chosen),
        groups=tuple(p.image_quality for p in chosen),
        measured=np.array([volume_ml(p.measured[method]) for p in chosen]),
        reference=np.array([volume_ml(p.reference[method]) for p in chosen]),
    )


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
