"""Volumes, ejection fractions and mass against the reference, patient by patient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from cvai.domain.anatomy import Structure
from cvai.domain.function import ventricle_measurements
from cvai.domain.volumes import mass_g
from cvai.training.evaluation.agreement import Agreement, Pairs, agreement
from cvai.training.tasks.sax.evaluation.scores import PHASES, VolumeScore

QUANTITIES = {
    "lv_edv": "LV EDV (mL)",
    "lv_esv": "LV ESV (mL)",
    "lv_sv": "LV SV (mL)",
    "lv_ef": "LV EF (points)",
    "lv_mass": "LV mass (g)",
    "rv_edv": "RV EDV (mL)",
    "rv_esv": "RV ESV (mL)",
    "rv_sv": "RV SV (mL)",
    "rv_ef": "RV EF (points)",
}
"""What is compared, by its name in result.json, with the title and unit it has for readers."""


def agreements(scores: Iterable[VolumeScore]) -> dict[str, Agreement]:
    """Agreement of every quantity that was measured in at least one patient."""
    return {name: agreement(pairs) for name, pairs in paired(scores).items()}


def paired(scores: Iterable[VolumeScore]) -> dict[str, Pairs]:
    """Every quantity of QUANTITIES with the patients that have it.

    A heart that was refused has no volumes, an empty ventricle no ejection fraction (as in the service), an
    undrawn structure no reference: there is no number, so none is compared. ``n`` shows how many are missing.
    """
    patients = _whole_patients(scores)
    measured = {
        p: quantities_of({phase: _measured(s) for phase, s in v.items()}) for p, v in patients.items()
    }
    reference = {
        p: quantities_of({phase: _reference(s) for phase, s in v.items()}) for p, v in patients.items()
    }
    out = {}
    for name in QUANTITIES:
        having = tuple(p for p in sorted(patients) if name in measured[p] and name in reference[p])
        if having:
            groups = tuple(patients[p]["ED"].group for p in having)
            columns = (np.array([values[p][name] for p in having]) for values in (measured, reference))
            out[name] = Pairs(having, groups, *columns)
    return out


def _whole_patients(scores: Iterable[VolumeScore]) -> dict[str, dict[str, VolumeScore]]:
    """Volumes by patient and phase, of patients whose heart was found in every phase."""
    found: dict[str, dict[str, VolumeScore]] = {}
    for score in scores:
        if score.refused is None:
            found.setdefault(score.patient, {})[score.phase] = score
    return {patient: phases for patient, phases in found.items() if set(phases) == set(PHASES)}


def _measured(score: VolumeScore) -> dict[Structure, float]:
    return {structure: s.volume_ml for structure, s in score.whole.items()}


def _reference(score: VolumeScore) -> dict[Structure, float]:
    return {k: s.reference_ml for k, s in score.whole.items() if s.reference_ml is not None}


def quantities_of(volumes_ml: Mapping[str, Mapping[Structure, float]]) -> dict[str, float]:
    """What can be computed from volumes by phase and structure, by the names of QUANTITIES."""
    ed_ml, es_ml = volumes_ml["ED"], volumes_ml["ES"]
    quantities = {
        m.name: m.value
        for prefix, cavity in (("lv", Structure.LV_CAVITY), ("rv", Structure.RV_CAVITY))
        if cavity in ed_ml and cavity in es_ml
        for m in ventricle_measurements(prefix, ed_ml[cavity], es_ml[cavity], None)
    }
    if Structure.LV_MYOCARDIUM in ed_ml:
        quantities["lv_mass"] = mass_g(ed_ml[Structure.LV_MYOCARDIUM])
    return quantities
