"""Ejection fraction by discs on CAMUS's own contours against what it states.

``python benchmarks/camus_simpson.py`` is the gate of the method: contours are the reference's, so what
differs is the arithmetic. Patients whose frames have no known size are left out. The area-length formula
stands beside it as a check.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from cvai.domain.echo.function import KeyDiscs, area_length_volumes, biplane_volumes, monoplane_volumes
from cvai.domain.echo.simpson import disc_stack
from cvai.domain.echo.views import EchoView
from cvai.training.datasets.data import data_root
from cvai.training.tasks.echo.camus import load_camus_patient
from cvai.training.tasks.echo.reference import PatientReference, load_references

LARGEST_BIAS, LARGEST_SD, SMALLEST_R = 1.0, 3.0, 0.97


def key_discs(patient: PatientReference) -> dict[EchoView, KeyDiscs]:
    """Both views of a patient, from the reference contours."""
    found = {}
    for frame in load_camus_patient(data_root() / "camus", patient.patient):
        spacing_mm = patient.spacing_mm(frame.labels.shape)
        assert spacing_mm is not None
        found[frame.view, frame.phase] = disc_stack(frame.labels, spacing_mm)
    return {view: KeyDiscs(found[view, "ED"], found[view, "ES"]) for view in {v for v, _ in found}}


def measured_ef_percent(patient: PatientReference) -> dict[str, float]:
    """Ejection fraction by every method."""
    discs = key_discs(patient)
    four, two = discs[EchoView.APICAL_4_CHAMBER], discs[EchoView.APICAL_2_CHAMBER]
    return {
        "biplane discs": biplane_volumes(four, two).ef_percent,
        "discs, four-chamber view": monoplane_volumes(four).ef_percent,
        "discs, two-chamber view": monoplane_volumes(two).ef_percent,
        "area-length, four-chamber view": area_length_volumes(four).ef_percent,
        "area-length, two-chamber view": area_length_volumes(two).ef_percent,
    }


def agreement(measured: Sequence[float], stated: Sequence[float]) -> tuple[float, float, float, float]:
    """Bias, SD of the differences, mean absolute difference, correlation."""
    difference = np.asarray(measured) - np.asarray(stated)
    r = float(np.corrcoef(measured, stated)[0, 1])
    return float(difference.mean()), float(difference.std(ddof=1)), float(np.abs(difference).mean()), r


def main() -> int:
    patients = [p for p in load_references(data_root() / "camus").values() if p.size_mm is not None]
    by_patient = [measured_ef_percent(patient) for patient in patients]
    stated = [patient.ef_percent for patient in patients]
    print(f"{len(patients)} patients\n")
    print("| method | bias | SD | mean absolute difference | r |")
    print("| --- | ---: | ---: | ---: | ---: |")
    gate = agreement([m["biplane discs"] for m in by_patient], stated)
    for method in by_patient[0]:
        bias, sd, mae, r = agreement([m[method] for m in by_patient], stated)
        print(f"| {method} | {bias:+.2f} | {sd:.2f} | {mae:.2f} | {r:.3f} |")
    passed = abs(gate[0]) <= LARGEST_BIAS and gate[1] <= LARGEST_SD and gate[3] >= SMALLEST_R
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
