"""Every patient of an ultrasound evaluation with numbers, intervals, and what a reader would be warned of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from cvai.domain.anatomy import ECHO_LABELS
from cvai.domain.echo.doubt import fraction_doubt_findings
from cvai.domain.echo.function import KeyDiscs, Volumes
from cvai.domain.echo.quality import biplane_findings, disc_findings, volume_findings
from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.phases import KeyPhases
from cvai.domain.uncertainty import Uncertainty
from cvai.training.datasets.data import age_band
from cvai.training.evaluation.cases import Case, Quantity
from cvai.training.tasks.echo.camus import PHASES
from cvai.training.tasks.echo.evaluation.scores import BIPLANE, FOUR, TWO, FrameScore, PatientScore, key_discs
from cvai.training.tasks.echo.reference import PatientReference

GROSS_ERROR_POINTS = 12.0
"""As in cine MR: enough to move a patient over any threshold of treatment."""

_SUFFIXES: Mapping[str, str] = MappingProxyType({BIPLANE: "", FOUR.value: "_a4c", TWO.value: "_a2c"})
_VIEWS: Mapping[str, str] = MappingProxyType({BIPLANE: "", FOUR.value: ", A4C", TWO.value: ", A2C"})

COMPARED: Mapping[str, Quantity] = MappingProxyType(
    {
        f"{name}{suffix}": Quantity(
            f"{title}{_VIEWS[method]} ({unit})",
            GROSS_ERROR_POINTS if name == "lv_ef" and method == BIPLANE else None,
            is_main=name == "lv_ef" and method == BIPLANE,
        )
        for method, suffix in _SUFFIXES.items()
        for name, title, unit in (
            ("lv_ef", "LV EF", "points"),
            ("lv_edv", "LV EDV", "mL"),
            ("lv_esv", "LV ESV", "mL"),
        )
    }
)
"""By the names of result.json, of one view alone with its name."""

_BEAT = KeyPhases(0, 1)
"""End-diastole and end-systole of a patient, which are frames by themselves in the data."""


def case_of(
    scores: Sequence[FrameScore],
    patient: PatientScore,
    reference: PatientReference,
    known: Uncertainty | None,
) -> Case:
    """One patient, from the scores of all frames.

    Ejection fractions are compared with what the data set states, volumes with those of its contours.
    """
    measured = dict(_quantities(patient.measured))
    doubts = {
        f"{name}{_SUFFIXES[method]}": doubt
        for method, of_method in patient.doubts.items()
        for name, doubt in of_method.items()
    }
    own = None if known is None else known.at_doubts(doubts)
    halves = {} if own is None else {name: own.half_width(name, value) for name, value in measured.items()}
    return Case(
        patient=patient.patient,
        dice={
            f"{structure} {phase}": float(np.mean([s.dice[structure] for s in scores if s.phase == phase]))
            for structure in ECHO_LABELS
            for phase in PHASES
        },
        measured=measured,
        reference={
            name: patient.stated_ef_percent if name.startswith("lv_ef") else value
            for name, value in _quantities(patient.reference)
        },
        half_widths={name: half for name, half in halves.items() if half is not None},
        findings=findings_of(scores, patient, halves.get("lv_ef")),
        stated=_stated(reference),
    )


def findings_of(
    scores: Sequence[FrameScore], patient: PatientScore, half_points: float | None = None
) -> tuple[str, ...]:
    """Codes of what warns of one patient's numbers, as far as the discs of single frames can show it."""
    if BIPLANE not in patient.measured:
        return ("heart_not_found",)
    keys = key_discs(scores, lambda score: score.discs)
    open_shares = {Place(PHASES.index(s.phase), view=s.view.value): s.doubt for s in scores}
    findings = [
        *_findings(keys, patient.measured[BIPLANE]),
        *fraction_doubt_findings(half_points, open_shares),
    ]
    return tuple(finding.code for finding in findings if finding.severity is not Severity.INFO)


def _findings(keys: Mapping[str, KeyDiscs], biplane: Volumes) -> Iterator[Finding]:
    beats = dict.fromkeys(keys, _BEAT)
    for view, discs in keys.items():
        yield from disc_findings(view, discs, _BEAT)
    yield from biplane_findings(keys[FOUR.value], keys[TWO.value], (None, None), beats, one_scale=True)
    yield from volume_findings(biplane, beats, calibrated=True)


def _quantities(by_method: Mapping[str, Volumes]) -> Iterator[tuple[str, float]]:
    for method, volumes in by_method.items():
        suffix = _SUFFIXES[method]
        yield f"lv_ef{suffix}", volumes.ef_percent
        yield f"lv_edv{suffix}", volumes.edv_ml
        yield f"lv_esv{suffix}", volumes.esv_ml


def _stated(reference: PatientReference) -> dict[str, str]:
    age = {} if reference.age_years is None else {"age": age_band(reference.age_years)}
    return {"sex": reference.sex, **age, "image quality": reference.image_quality}
