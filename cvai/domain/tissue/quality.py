"""What makes an infarct that is drawn doubtful."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvai.domain.findings import Finding, Severity, whole_slices
from cvai.domain.message import listed, say
from cvai.domain.tissue.shares import WHOLE_INFARCT, infarct_share_percent
from cvai.domain.tissue.transmurality import circumferential_share

RULES_DISAGREE_PERCENT = 10.0
"""Points of the myocardium by which the 5-SD rule and the contours may differ before a reader has to look."""

ALL_ROUND = 0.8
"""Share of the circumference, median over slices, beyond which an infarct is of no single coronary territory.
In EMIDEC it is 0.29 in the median and 0.70 at the 99th percentile."""

_FEWEST_SLICES = 3
"""Fewer slices of the heart have none between two others."""


def label_findings(
    labels: NDArray[np.uint8], by_rule_percent: float | None, spacing_mm: tuple[float, float]
) -> tuple[Finding, ...]:
    """What makes an infarct doubtful.

    Args:
        labels: (z, y, x) values of LGE_LABELS.
        spacing_mm: between rows, between columns.
        by_rule_percent: its share by the 5-SD rule, None where that could not be applied.
    """
    return (
        *edge_findings(labels),
        *_rule_findings(infarct_share_percent(labels), by_rule_percent),
        *_around_findings(circumferential_share(labels, spacing_mm)),
    )


def _around_findings(share: float) -> tuple[Finding, ...]:
    if share <= ALL_ROUND:
        return ()
    message = say(
        "Infarct is drawn along {percent:.0f} % of the circumference: diffuse enhancement, as in "
        "amyloidosis, looks so, and its share may be too small.",
        percent=100 * share,
    )
    return (Finding("infarct_all_round", Severity.WARNING, message),)


def _rule_findings(share: float, by_rule: float | None) -> tuple[Finding, ...]:
    if by_rule is None:
        message = say("No remote myocardium is left to compare with: no threshold rule could be applied.")
        return (Finding("no_remote_myocardium", Severity.WARNING, message),)
    if abs(by_rule - share) <= RULES_DISAGREE_PERCENT:
        return ()
    message = say(
        "The contours hold an infarct of {share:.0f} % of the myocardium, the 5-SD rule within them "
        "finds {by_rule:.0f} %.",
        share=share,
        by_rule=by_rule,
    )
    return (Finding("rules_disagree", Severity.WARNING, message),)


def edge_findings(labels: NDArray[np.uint8]) -> tuple[Finding, ...]:
    """What speaks against an infarct of an outermost slice that ends there; EMIDEC's readers drew none."""
    heart = [z for z, plane in enumerate(labels) if plane.any()]
    infarcted = [bool(np.isin(plane, WHOLE_INFARCT).any()) for plane in labels]
    if len(heart) < _FEWEST_SLICES:
        return ()
    ends = ((heart[0], heart[1]), (heart[-1], heart[-2]))
    doubtful = [edge for edge, neighbour in ends if infarcted[edge] and not infarcted[neighbour]]
    if not doubtful:
        return ()
    slices = listed([z + 1 for z in doubtful])
    message = say(
        "Infarct is drawn in slice {slices}, the outermost of the heart, and none next to it: this "
        "may be the valve, the atrium or the apex cut along its edge.",
        slices=slices,
    )
    return (Finding("infarct_in_outermost_slice", Severity.WARNING, message, whole_slices(doubtful)),)
