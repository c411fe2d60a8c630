"""Which signed studies a model would learn most from: where it was wrong and sure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.registry import AnySpec
from cvai.review.decisions import Decision
from cvai.review.measured import Pack, with_edits

MOST_MOVED = 3.0
"""Half-widths of the interval beyond which a number counts no more: it is wrong either way."""


@dataclass(frozen=True, slots=True)
class Learning:
    """How much a signed study has to tell.

    Args:
        dice: of the model's and the signed contours of the exported frames, mean over structures.
        moved: how far the main measurement moved, in half-widths of the model's interval; None where one of
            them is not stated.
    """

    dice: float
    moved: float | None

    @property
    def score(self) -> float:
        """Disagreement of the contours, up to four times as much where the model was sure and wrong.

        >>> Learning(dice=0.75, moved=1.0).score, Learning(dice=1.0, moved=None).score
        (0.5, 0.0)
        """
        return (1.0 - self.dice) * (1.0 + min(self.moved or 0.0, MOST_MOVED))


def learning_from(decision: Decision, pack: Pack, spec: AnySpec) -> Learning:
    """What a model would learn from one signed study.

    Args:
        decision: that stands for contours.
        pack: the study's images, with the model's labels.
        spec: the analysis, whose ``labels`` are compared.
    """
    drawn, reading = pack.read_views(), decision.reading
    signed = with_edits(drawn, reading.edits)
    scores: list[float] = []
    for view, beats in reading.beats_by_view.items():
        frames = sorted({beats[0].end_diastole, beats[0].end_systole})
        scores += _dice_by_label(drawn[view][frames], signed[view][frames], set(spec.labels.values()))
    return Learning(float(np.mean(scores)) if scores else 1.0, _moved(decision, spec))


def _dice_by_label(
    drawn: NDArray[np.uint8], signed: NDArray[np.uint8], labels: Collection[int]
) -> list[float]:
    """Of every label that either has."""
    found = []
    for label in sorted(labels):
        one, other = drawn == label, signed == label
        if sizes := int(np.count_nonzero(one)) + int(np.count_nonzero(other)):
            found.append(2.0 * int(np.count_nonzero(one & other)) / sizes)
    return found


def _moved(decision: Decision, spec: AnySpec) -> float | None:
    name = spec.headline.name if spec.headline is not None else ""
    interval = decision.comparison.get("intervals", {}).get(name)
    if interval is None or name not in decision.comparison["measured"]:
        return None
    model, signed = decision.comparison["measured"][name]
    half_width = (interval[1] - interval[0]) / 2.0
    return abs(signed - model) / half_width if half_width > 0 else None
