"""Every patient of an evaluation of late enhancement, as evaluations of all tasks know them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cvai.domain.tissue.quality import RULES_DISAGREE_PERCENT
from cvai.domain.uncertainty import Uncertainty
from cvai.training.evaluation.cases import Case, Quantity
from cvai.training.tasks.lge.evaluation.scores import PatientScore

SHARE = "infarct_share"

COMPARED: Mapping[str, Quantity] = MappingProxyType(
    {SHARE: Quantity("infarct share (points)", gross=RULES_DISAGREE_PERCENT, is_main=True)}
)
"""A share is grossly wrong where a rule that was off by as much would be doubted."""

_GROUPS = {"P": "pathological", "N": "normal"}
"""By the letter in ``Case_P001``."""


def case_of(patient: PatientScore, known: Uncertainty | None) -> Case:
    """One patient."""
    share = patient.share_percent
    if known is not None and patient.open_percent is not None:
        known = known.at_doubts({SHARE: patient.open_percent})
    half = None if known is None or share is None else known.half_width(SHARE, share)
    return Case(
        patient=patient.patient,
        dice=patient.dice,
        measured={} if share is None else {SHARE: share},
        reference={SHARE: patient.reference_percent},
        half_widths={} if half is None else {SHARE: half},
        findings=patient.findings,
        stated={"pathology": _GROUPS[patient.patient.removeprefix("Case_")[0]]},
    )
