"""Evaluations of one model on several data sets as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace

from cvai import __version__
from cvai.models.card import UncertaintyCard
from cvai.training.evaluation.cases import Case
from cvai.training.evaluation.report import Report

SCHEMA = "cvai.evaluations/1"
DATASET = "data set"
"""What is stated of every patient, beside what the data sets state: so that each data set has a line."""


def joined(reports: Mapping[str, Report]) -> Report:
    """The patients of all data sets in one report, without sections; see ``with_sections``.

    Args:
        reports: of the same model, by name of the data set, which becomes a part of every patient's id.
    """
    first = next(iter(reports.values()))
    refused = tuple(f"{name}/{each}" for name, report in reports.items() for each in report.refused)
    splits = {name: report.split for name, report in reports.items()}
    patients = sum(report.n_patients for report in reports.values())
    return Report(
        model=first.model,
        split=", ".join(splits.values()),
        n_patients=patients,
        record={
            "schema": SCHEMA,
            "cvai_version": __version__,
            "model": asdict(first.model),
            "splits": splits,
            "patients": patients,
            "refused": refused,
        },
        metrics={},
        refused=refused,
        facts=tuple((f"Patients of {name}", str(report.n_patients)) for name, report in reports.items()),
        grids=(),
        definitions=first.definitions,
        calibration=_no_calibration,
        cases=tuple(case for name, report in reports.items() for case in _of(name, report.cases)),
        quantities=first.quantities,
    )


def _of(name: str, cases: Iterable[Case]) -> Iterable[Case]:
    for case in cases:
        yield replace(case, patient=f"{name}/{case.patient}", stated={DATASET: name, **case.stated})


def _no_calibration() -> UncertaintyCard:
    raise ValueError("intervals are learnt from one data set at a time")
