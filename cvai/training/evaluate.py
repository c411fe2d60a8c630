"""How good a model is on patients it has not seen, through the same code that runs in the service."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvai.errors import HeartRefused
from cvai.heart.anatomy import SAX_LABELS, Structure
from cvai.heart.cine import CineStack
from cvai.heart.function import ejection_fraction_percent
from cvai.heart.geometry import StackGeometry
from cvai.heart.volumes import mass_g
from cvai.inference.segmenter import Segmenter
from cvai.training.data import LabelledVolume


@dataclass(frozen=True, slots=True)
class VolumeScore:
    """One phase of one patient: overlap and volumes of every structure, by its name."""

    patient: str
    group: str
    phase: str
    dice: dict[str, float]
    volume_ml: dict[str, float]
    reference_ml: dict[str, float]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Measured against reference over patients, in the unit of the quantity."""

    n: int
    bias: float
    sd: float
    mae: float
    worst: float
    worst_patient: str
    correlation: float


def stack_of(volume: LabelledVolume) -> CineStack:
    """A one-phase cine from a labelled volume; its place in the patient is not known and does not matter."""
    sz, sy, sx = volume.spacing_mm
    positions_mm = np.zeros((len(volume.image), 3))
    positions_mm[:, 2] = np.arange(len(volume.image)) * sz
    geometry = StackGeometry(positions_mm, np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), sy, sx)
    return CineStack(volume.image[None], geometry, None, None)


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Dice coefficient; two empty masks agree.

    >>> dice(np.array([True, True, False]), np.array([True, False, False]))
    0.6666666666666666
    """
    total = int(a.sum() + b.sum())
    return 1.0 if total == 0 else float(2 * int((a & b).sum()) / total)


def score_volume(volume: LabelledVolume, segmenter: Segmenter) -> VolumeScore:
    """Segment one labelled volume and compare; a refused heart scores as an empty segmentation."""
    try:
        labels = segmenter.segment(stack_of(volume)).labels[0]
    except HeartRefused:
        labels = np.zeros_like(volume.labels)
    voxel_ml = float(np.prod(volume.spacing_mm)) / 1000.0
    masks = {s.value: (labels == k, volume.labels == k) for s, k in SAX_LABELS.items()}
    return VolumeScore(
        patient=volume.patient,
        group=volume.group,
        phase=volume.phase,
        dice={name: dice(a, b) for name, (a, b) in masks.items()},
        volume_ml={name: int(a.sum()) * voxel_ml for name, (a, _) in masks.items()},
        reference_ml={name: int(b.sum()) * voxel_ml for name, (_, b) in masks.items()},
    )


def evaluate(
    volumes: Iterable[LabelledVolume],
    segmenter: Segmenter,
    announce: Callable[[VolumeScore], None] = lambda _: None,
) -> list[VolumeScore]:
    """Score every volume."""
    scores = []
    for volume in volumes:
        scores.append(score_volume(volume, segmenter))
        announce(scores[-1])
    return scores


def agreement(measured: dict[str, float], reference: dict[str, float]) -> Agreement:
    """Compare two sets of numbers, both keyed by patient; SD is that of the differences."""
    patients = sorted(reference)
    a, b = (np.array([values[p] for p in patients]) for values in (measured, reference))
    difference = a - b
    worst = int(np.abs(difference).argmax())
    return Agreement(
        n=len(patients),
        bias=float(difference.mean()),
        sd=float(difference.std(ddof=1)),
        mae=float(np.abs(difference).mean()),
        worst=float(difference[worst]),
        worst_patient=patients[worst],
        correlation=float(np.corrcoef(a, b)[0, 1]),
    )


def mean_dice(scores: list[VolumeScore]) -> dict[str, dict[str, float]]:
    """Mean Dice of every structure, by phase."""
    return {
        phase: {
            s.value: float(np.mean([v.dice[s.value] for v in scores if v.phase == phase])) for s in Structure
        }
        for phase in ("ED", "ES")
    }


Paired = tuple[dict[str, float], dict[str, float]]
"""Measured and reference values, each by patient."""


def paired(scores: list[VolumeScore]) -> dict[str, Paired]:
    """Measured and reference values by the names of result.json; a refused heart counts as empty."""
    measured = _by_patient((v.patient, v.phase, v.volume_ml) for v in scores)
    reference = _by_patient((v.patient, v.phase, v.reference_ml) for v in scores)
    names = next(iter(reference.values())).keys()
    return {name: (_column(measured, name), _column(reference, name)) for name in names}


def _column(values: dict[str, dict[str, float]], name: str) -> dict[str, float]:
    return {patient: of_patient[name] for patient, of_patient in values.items()}


def _by_patient(volumes: Iterable[tuple[str, str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    phases: dict[str, dict[str, dict[str, float]]] = {}
    for patient, phase, volume_ml in volumes:
        phases.setdefault(patient, {})[phase] = volume_ml
    return {patient: _function(of["ED"], of["ES"]) for patient, of in sorted(phases.items())}


def _function(ed_ml: dict[str, float], es_ml: dict[str, float]) -> dict[str, float]:
    """What is measured on one heart, from the volumes of its structures at end-diastole and end-systole."""
    values: dict[str, float] = {}
    for side, structure in (("lv", Structure.LV_CAVITY), ("rv", Structure.RV_CAVITY)):
        edv_ml, esv_ml = ed_ml[structure], es_ml[structure]
        values |= {f"{side}_edv": edv_ml, f"{side}_esv": esv_ml, f"{side}_sv": edv_ml - esv_ml}
        values[f"{side}_ef"] = ejection_fraction_percent(edv_ml, esv_ml) if edv_ml > 0 else 0.0
    return values | {"lv_mass": mass_g(ed_ml[Structure.LV_MYOCARDIUM])}


def agreements(scores: list[VolumeScore]) -> dict[str, Agreement]:
    """Agreement of volumes (mL), ejection fractions (points) and LV mass (g)."""
    return {name: agreement(*pair) for name, pair in paired(scores).items()}


def report(scores: list[VolumeScore]) -> dict[str, Any]:
    """The evaluation as plain values, for JSON and MLflow."""
    return {
        "patients": len({v.patient for v in scores}),
        "dice": mean_dice(scores),
        "agreement": {name: asdict(a) for name, a in agreements(scores).items()},
        "volumes": [asdict(v) for v in scores],
    }


def report_json(scores: list[VolumeScore]) -> str:
    """The evaluation as JSON text."""
    return json.dumps(report(scores), indent=1)
