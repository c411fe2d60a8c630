"""Whether the myocardium is as bright in one phase as in another, as in images of one heartbeat."""

from __future__ import annotations

import numpy as np

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.cine import CineStack
from cvai.domain.message import say
from cvai.domain.segmentation import CineSegmentation
from cvai.errors import HeartRefused

MOST_BRIGHTENED = 1.5
"""Median of the myocardium in its brighter over its darker phases (90th over 10th percentile). Between
end-diastole and end-systole of 100 ACDC patients it changes by up to 1.31, over two Sunnybrook cines by 1.10,
as tags fade by 1.1; in a first pass of contrast by 2.6, over the echoes of a T2* series by 1.7."""

_PERCENTILES = (10.0, 90.0)


def require_steady_brightness(cine: CineStack, segmentation: CineSegmentation) -> None:
    """Refuse images whose contrast changes from phase to phase.

    Raises:
        HeartRefused: ``brightness_changes``.
    """
    walls = segmentation.labels == SAX_LABELS[Structure.LV_MYOCARDIUM]  # (t, z, y, x)
    medians = [float(np.median(cine.phase(t)[wall])) for t, wall in enumerate(walls) if wall.any()]
    darker, brighter = np.percentile(medians or [0.0], _PERCENTILES)
    if darker <= 0 or brighter <= MOST_BRIGHTENED * darker:
        return
    raise HeartRefused(
        "brightness_changes",
        say(
            "The myocardium is {ratio:.1f} times as bright in some images of a slice as in others: they are "
            "not the phases of one heartbeat, but perfusion, or echoes or inversion times of a map.",
            ratio=brighter / darker,
        ),
        say("Send the short-axis cine of the study."),
    )
