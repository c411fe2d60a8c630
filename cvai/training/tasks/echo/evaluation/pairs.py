"""What an ultrasound model measured of each patient beside the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from cvai.domain.echo.function import Volumes
from cvai.domain.echo.strain import Layer
from cvai.training.evaluation.agreement import Pairs
from cvai.training.tasks.echo.evaluation.scores import BIPLANE, FOUR, TWO, PatientScore

METHODS = (BIPLANE, FOUR.value, TWO.value)

ATRIAL: Mapping[str, str] = MappingProxyType(
    {
        "la_max": "largest_ml",
        "la_max_area_length": "largest_by_area_ml",
        "la_min": "smallest_ml",
        "la_ef": "emptying_percent",
    }
)
"""Fields of ``AtrialVolumes`` by the names of result.json."""


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


def volume_pairs(
    patients: Sequence[PatientScore], method: str, volume_ml: Callable[[Volumes], float]
) -> Pairs:
    """One volume, from the model's labels with its correction, and from the reference's."""
    chosen = [p for p in patients if method in p.measured]
    return Pairs(
        patients=tuple(p.patient for p in chosen),
        groups=tuple(p.image_quality for p in chosen),
        measured=np.array([volume_ml(p.measured[method]) for p in chosen]),
        reference=np.array([volume_ml(p.reference[method]) for p in chosen]),
    )
