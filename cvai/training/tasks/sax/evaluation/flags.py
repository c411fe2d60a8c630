"""Whether a reader is warned of the patients whose ejection fraction is far off, and how often without a
cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
from cvai.training.datasets.data import LabelledVolume
from cvai.training.tasks.sax.evaluation.judged import Judged
from cvai.training.tasks.sax.evaluation.quantities import paired
from cvai.training.tasks.sax.evaluation.scores import PHASES, Segmented, VolumeScore, score, segmented

GROSS_ERROR_POINTS = 12.0
"""LVEF this far from the reference is a gross failure: far beyond what readers differ by (SD 4.6 to 7.5
points between seven core labs), enough to move a patient over any threshold of treatment."""


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


@dataclass(frozen=True, slots=True)
class FlaggedPatient:
    """One patient with what a reader would be warned of.

    Args:
        patient: id in the data set.
        lv_ef_error: measured minus reference in points, None where either is missing.
        findings: codes.
    """

    patient: str
    lv_ef_error: float | None
    findings: tuple[str, ...]

    @property
    def is_gross(self) -> bool:
        """Whether the ejection fraction is off by more than GROSS_ERROR_POINTS."""
        return self.lv_ef_error is not None and abs(self.lv_ef_error) > GROSS_ERROR_POINTS


@dataclass(frozen=True, slots=True)
class Flags:
    """All patients of an evaluation."""

    patients: tuple[FlaggedPatient, ...]

    @property
    def gross(self) -> tuple[FlaggedPatient, ...]:
        """Patients with a gross error."""
        return tuple(p for p in self.patients if p.is_gross)

    @property
    def missed(self) -> tuple[FlaggedPatient, ...]:
        """Gross errors that nothing warns of."""
        return tuple(p for p in self.gross if not p.findings)

    @property
    def false_alarms(self) -> tuple[FlaggedPatient, ...]:
        """Patients whose ejection fraction was measured, not grossly wrong, and is put in doubt."""
        return tuple(p for p in self.patients if p.findings and p.lv_ef_error is not None and not p.is_gross)

    @property
    def n_sound(self) -> int:
        """Patients whose ejection fraction was measured and is not grossly wrong."""
        return sum(p.lv_ef_error is not None and not p.is_gross for p in self.patients)


def flags(scores: Iterable[VolumeScore], findings: Mapping[str, tuple[str, ...]]) -> Flags:
    """Errors beside findings, by patient."""
    pairs = paired(scores).get("lv_ef")
    errors = {} if pairs is None else dict(zip(pairs.patients, pairs.difference.tolist(), strict=True))
    return Flags(tuple(FlaggedPatient(p, errors.get(p), codes) for p, codes in sorted(findings.items())))


def score_patients(
    volumes: Iterable[LabelledVolume], segmenter: Segmenter
) -> tuple[tuple[VolumeScore, ...], dict[str, tuple[str, ...]], tuple[Judged, ...]]:
    """Scores of every volume, findings by patient, and the patients whose doubt the model showed.

    Args:
        volumes: those of one patient after another, as a cohort reads them.
        segmenter: what to try.
    """
    scores: list[VolumeScore] = []
    findings: dict[str, tuple[str, ...]] = {}
    judged: list[Judged] = []
    for patient, phases in groupby(volumes, key=lambda volume: volume.patient):
        found = [segmented(volume, segmenter) for volume in phases]
        scores += [score(phase) for phase in found]
        findings[patient] = findings_of(found, segmenter.uncertainty)
        seen = Judged.of(found)
        judged += [] if seen is None else [seen]
    return tuple(scores), findings, tuple(judged)
