"""Volumes, ejection fractions and mass against the reference, patient by patient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from cvai.domain.anatomy import Structure
from cvai.domain.function import ventricle_measurements
from cvai.domain.volumes import mass_g
from cvai.training.evaluation.agreement import Agreement, Pairs, agreement
from cvai.training.evaluation.cases import Quantity
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

GROSS_ERROR_POINTS = 12.0
"""LVEF this far from the reference is a gross failure: far beyond what readers differ by (SD 4.6 to 7.5
points between seven core labs), enough to move a patient over any threshold of treatment."""

COMPARED = {
    name: Quantity(title, GROSS_ERROR_POINTS if name == "lv_ef" else None, is_main=name.endswith("_ef"))
    for name, title in QUANTITIES.items()
}
"""QUANTITIES as evaluations of all tasks know them."""


def agreements(scores: Iterable[VolumeScore]) -> dict[str, Agreement]:
    """Agreement of every quantity that was measured in at least one patient."""
    return {name: agreement(pairs) for name, pairs in paired(scores).items()}


def paired(scores: Iterable[VolumeScore]) -> dict[str, Pairs]:
    """Every quantity of QUANTITIES with the patients that have it.

    A heart that was refused has no volumes, an empty ventricle no ejection fraction (as in the service), an
    undrawn structure no reference: there is no number, so none is compared. ``n`` shows how many are missing.
    """
    patients = _whole_patients(scores)
    both = {patient: quantities_of_scores(tuple(phases.values())) for patient, phases in patients.items()}
    measured = {patient: values[0] for patient, values in both.items()}
    reference = {patient: values[1] for patient, values in both.items()}
    out = {}
    for name in QUANTITIES:
        having = tuple(p for p in sorted(patients) if name in measured[p] and name in reference[p])
        if having:
            groups = tuple(patients[p]["ED"].group for p in having)
            columns = (np.array([values[p][name] for p in having]) for values in (measured, reference))
            out[name] = Pairs(having, groups, *columns)
    return out


def quantities_of_scores(scores: Sequence[VolumeScore]) -> tuple[dict[str, float], dict[str, float]]:
    """Of one patient, by the names of QUANTITIES: as measured, and of the reference.

    Nothing is measured where the heart was refused in a phase; both are empty where a phase is missing.
    """
    phases = {score.phase: score for score in scores}
    if set(phases) != set(PHASES):
        return {}, {}
    is_found = all(score.refused is None for score in scores)
    measured = quantities_of({p: _measured(s) for p, s in phases.items()}) if is_found else {}
    return measured, quantities_of({p: _reference(s) for p, s in phases.items()})


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
