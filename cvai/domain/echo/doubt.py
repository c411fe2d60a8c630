"""How far numbers of a ventricle are in doubt, from what the network left open in their frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cvai.domain.findings import Finding, Place, Severity
from cvai.domain.message import say
from cvai.domain.ventricles.doubt import WIDEST_LV_EF_POINTS


def volume_doubts(end_diastole: Sequence[float], end_systole: Sequence[float]) -> dict[str, float]:
    """Doubts of volumes and ejection fraction, by name of measurement.

    Args:
        end_diastole: of the frames of all beats and views, the share of the cavity that was left open.
        end_systole: the same.

    >>> found = volume_doubts([0.03, 0.04], [0.05, 0.05])
    >>> {name: round(doubt, 3) for name, doubt in found.items()}
    {'lv_edv': 0.035, 'lv_esv': 0.05, 'lv_ef': 0.043}
    """
    both = {"lv_edv": end_diastole, "lv_esv": end_systole, "lv_ef": (*end_diastole, *end_systole)}
    return {name: float(np.sqrt(np.mean(np.square(doubts)))) for name, doubts in both.items()}


def fraction_doubt_findings(
    half_points: float | None, open_shares: Mapping[Place, float]
) -> tuple[Finding, ...]:
    """Whether the interval of an ejection fraction is too wide to decide by; leads to the least clear frame.

    Args:
        half_points: half-width of the interval.
        open_shares: of the cavity, in the frames that were measured.
    """
    if half_points is None or half_points <= WIDEST_LV_EF_POINTS or not open_shares:
        return ()
    message = say(
        "The left ventricular ejection fraction is only known to within {half:.0f} points, more than "
        "{widest:.0f}: the wall can hardly be seen in parts; check the contours of both views.",
        half=half_points,
        widest=WIDEST_LV_EF_POINTS,
    )
    least_clear = max(open_shares, key=open_shares.__getitem__)
    return (Finding("ejection_fraction_uncertain", Severity.WARNING, message, (least_clear,)),)
