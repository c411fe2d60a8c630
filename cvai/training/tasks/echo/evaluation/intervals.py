"""Intervals of ultrasound measurements: learnt from patients not trained on, and how often they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvai.domain.echo.strain import Layer
from cvai.models.card import ByDoubtCard, UncertaintyCard
from cvai.training.evaluation.agreement import Pairs
from cvai.training.evaluation.by_doubt import FEWEST_PATIENTS, doubt_factor, held_by_others, least_doubt
from cvai.training.evaluation.calibrate import calibration
from cvai.training.tasks.echo.evaluation.pairs import (
    ATRIAL,
    METHODS,
    atrium_pairs,
    ef_pairs,
    strain_pairs,
    volume_pairs,
)
from cvai.training.tasks.echo.evaluation.scores import BIPLANE, PatientScore

Values = NDArray[np.float64]


def calibration_of(patients: Sequence[PatientScore]) -> UncertaintyCard:
    """Half-widths of intervals; of one view alone under the measurement's name and the view's.

    Ejection fractions are compared with what the data set states, the rest with what its contours give.
    Atria and strain are measured in fewer patients than the card states, those whose atrium is whole.

    Raises:
        ValueError: too few patients.
    """
    points, amounts = _points(patients), _amounts(patients)
    known = calibration(_of_ventricle(points), _of_ventricle(amounts))
    besides = calibration(_enough(points), _enough(amounts))
    return known.model_copy(
        update={
            "half_widths": {**besides.half_widths, **known.half_widths},
            "shares": {**besides.shares, **known.shares},
            "by_doubt": _by_doubt(patients),
        }
    )


def _of_ventricle(pairs: Mapping[str, Pairs]) -> dict[str, Pairs]:
    """Volumes and ejection fractions, which every patient has."""
    return {name: of for name, of in pairs.items() if name.startswith(("lv_ef", "lv_edv", "lv_esv"))}


def _enough(pairs: Mapping[str, Pairs]) -> dict[str, Pairs]:
    return {name: of for name, of in pairs.items() if len(of.patients) >= FEWEST_PATIENTS}


def intervals_held(patients: Sequence[PatientScore]) -> dict[str, Any]:
    """By name, how often an interval holds that comes from the other patients; see ``held_by_others``.

    Half-widths are points, or shares of what was measured.
    """
    least = _least(patients)
    held: dict[str, Any] = {}
    for name, errors in _errors(patients).items():
        n = len(errors.absolute)
        if n <= FEWEST_PATIENTS:
            continue
        held[name] = {"patients": n, "same_for_all": held_by_others(errors.absolute, np.ones(n))}
        if errors.doubts is not None:
            held[name]["by_doubt"] = held_by_others(errors.absolute, np.maximum(errors.doubts, least))
    return held


@dataclass(frozen=True, slots=True, eq=False)
class _Errors:
    """(n,) absolute errors, in points or as shares, and doubts, None where there are none."""

    absolute: Values
    doubts: Values | None


def _points(patients: Sequence[PatientScore]) -> dict[str, Pairs]:
    points = {_named("lv_ef", method): ef_pairs(patients, method) for method in METHODS}
    for method in METHODS:
        points[_named("la_ef", method)] = atrium_pairs(patients, method, ATRIAL["la_ef"])
        for layer in Layer:
            points[_named(f"lv_gls_{layer.value}", method)] = strain_pairs(patients, method, layer)
    return points


def _amounts(patients: Sequence[PatientScore]) -> dict[str, Pairs]:
    amounts = {}
    for method in METHODS:
        amounts[_named("lv_edv", method)] = volume_pairs(patients, method, lambda volumes: volumes.edv_ml)
        amounts[_named("lv_esv", method)] = volume_pairs(patients, method, lambda volumes: volumes.esv_ml)
        for name, field in ATRIAL.items():
            if name != "la_ef":
                amounts[_named(name, method)] = atrium_pairs(patients, method, field)
    return amounts


def _named(name: str, method: str) -> str:
    return name if method == BIPLANE else f"{name}_{method}"


def _errors(patients: Sequence[PatientScore]) -> dict[str, _Errors]:
    doubts = _doubts(patients)
    found = {name: (np.abs(pairs.difference), pairs) for name, pairs in _points(patients).items()}
    for name, pairs in _amounts(patients).items():
        share = np.abs(pairs.difference) / np.where(pairs.measured > 0, pairs.measured, np.nan)
        found[name] = (np.nan_to_num(share, nan=inf), pairs)
    return {
        name: _Errors(
            absolute,
            np.array([doubts[name][patient] for patient in pairs.patients]) if name in doubts else None,
        )
        for name, (absolute, pairs) in found.items()
    }


def _doubts(patients: Sequence[PatientScore]) -> Mapping[str, Mapping[str, float]]:
    """By name of measurement and patient."""
    found: dict[str, dict[str, float]] = {}
    for patient in patients:
        for method, doubts in patient.doubts.items():
            for name, doubt in doubts.items():
                found.setdefault(_named(name, method), {})[patient.patient] = doubt
    return found


def _least(patients: Sequence[PatientScore]) -> float:
    return least_doubt([patient.doubts[BIPLANE]["lv_ef"] for patient in patients])


def _by_doubt(patients: Sequence[PatientScore]) -> ByDoubtCard:
    least = _least(patients)
    factors = {
        name: doubt_factor(errors.absolute, np.maximum(errors.doubts, least))
        for name, errors in _errors(patients).items()
        if errors.doubts is not None
    }
    return ByDoubtCard(factors=factors, least=least)
