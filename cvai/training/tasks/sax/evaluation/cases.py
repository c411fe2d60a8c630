"""Every patient of a short-axis evaluation with numbers, intervals, and what a reader would be warned of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import numpy as np

from cvai.domain.findings import Severity
from cvai.domain.function import measure_sax
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.uncertainty import Uncertainty
from cvai.domain.ventricles.doubt import doubt_findings, of_patient, require_like_training
from cvai.domain.ventricles.quality import quality_findings
from cvai.domain.volumes import volume_curves_ml
from cvai.errors import HeartRefused
from cvai.models.segmenter import Segmenter
from cvai.training.datasets.data import NO_GROUP, LabelledVolume
from cvai.training.evaluation.cases import Case
from cvai.training.tasks.sax.evaluation.quantities import QUANTITIES, quantities_of_scores
from cvai.training.tasks.sax.evaluation.scores import PHASES, Segmented, VolumeScore, score, segmented


def findings_of(phases: Sequence[Segmented], known: Uncertainty | None = None) -> tuple[str, ...]:
    """Codes of what warns of one patient's numbers, as the service would tell it; what only informs is left
    out.

    Both phases make a cine of two; findings that need the phases between are not among them. A phase
    without a heart is recorded with the code of its refusal.

    Args:
        phases: end-diastole and end-systole on one grid; of others nothing can be said.
        known: as the model's card states it; without it nobody is warned of strange images.
    """
    refused = tuple(sorted({phase.refused for phase in phases if phase.refused is not None}))
    grids = {(phase.labels.shape, phase.volume.spacing_mm) for phase in phases}
    if refused or tuple(phase.volume.phase for phase in phases) != PHASES or len(grids) > 1:
        return refused
    cine = CineSegmentation(
        np.stack([phase.labels for phase in phases]),
        phases[0].geometry,
        second_heart_ml=max(phase.second_heart_ml for phase in phases),
        shown={t: phase.shown for t, phase in enumerate(phases) if phase.shown is not None},
    )
    both, curves_ml = KeyPhases(0, 1), volume_curves_ml(cine)
    try:
        require_like_training(known, cine, both)
    except HeartRefused as refusal:
        return (refusal.code,)
    patient = of_patient(known, cine, both, measure_sax(curves_ml, both, None))
    findings = (*quality_findings(cine, both, curves_ml), *doubt_findings(known, patient, cine, both))
    return tuple(finding.code for finding in findings if finding.severity is not Severity.INFO)


def half_widths_of(
    phases: Sequence[Segmented], known: Uncertainty | None, measured: Mapping[str, float]
) -> dict[str, float]:
    """Of one patient's intervals by quantity; those of the card where the model showed nothing."""
    shown = [phase.shown for phase in phases if phase.shown is not None]
    if known is None:
        return {}
    if len(shown) == len(PHASES):
        ed, es = shown
        known = known.of_patient(ed, es, measured)
    halves = {name: known.half_width(name, measured[name]) for name in QUANTITIES if name in measured}
    return {name: half for name, half in halves.items() if half is not None}


def case_of(
    phases: Sequence[Segmented], scores: Sequence[VolumeScore], known: Uncertainty | None = None
) -> Case:
    """One patient, from the segmented phases and their scores."""
    measured, reference = quantities_of_scores(scores)
    volume = phases[0].volume
    group = {} if volume.group == NO_GROUP else {"pathology": volume.group}
    return Case(
        patient=volume.patient,
        dice={
            f"{structure} {each.phase}": found.dice
            for each in scores
            for structure, found in each.whole.items()
            if found.dice is not None
        },
        measured=measured,
        reference=reference,
        half_widths=half_widths_of(phases, known, measured),
        findings=findings_of(phases, known),
        stated={**group, **volume.stated},
    )


def score_patients(
    volumes: Iterable[LabelledVolume], segmenter: Segmenter
) -> tuple[tuple[VolumeScore, ...], tuple[Case, ...]]:
    """Scores of every volume, and every patient.

    Args:
        volumes: those of one patient after another, as a cohort reads them.
        segmenter: what to try.
    """
    scores: list[VolumeScore] = []
    cases: list[Case] = []
    for _, phases in groupby(volumes, key=lambda volume: volume.patient):
        found = [segmented(volume, segmenter) for volume in phases]
        of_patient = [score(phase) for phase in found]
        scores += of_patient
        cases.append(case_of(found, of_patient, segmenter.uncertainty))
    return tuple(scores), tuple(cases)
