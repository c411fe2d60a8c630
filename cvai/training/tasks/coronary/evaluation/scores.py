"""How well a frame's tree, its segments and its stenoses were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cvai.domain.vessels.maps import VesselMaps
from cvai.domain.vessels.segments import CORONARY_LABELS, CoronarySegment
from cvai.training.datasets.arcade import Angiogram
from cvai.training.evaluation.distances import dice

STENOSIS_THRESHOLD = 0.5
SMALLEST_STENOSIS = 4e-4
"""As a share of the frame: about 100 of 512 x 512 pixels."""

Mask = NDArray[np.bool_]


class FindsVessels(Protocol):
    """What is evaluated."""

    def maps(self, frame: NDArray[np.float32]) -> VesselMaps:
        """The tree in one frame."""
        ...


@dataclass(frozen=True, slots=True)
class TreeScore:
    """One frame whose segments are drawn.

    Args:
        image: name of the frame in the data set.
        vessel: Dice of all segments together.
        segments: Dice of every segment that is drawn or found.
    """

    image: str
    vessel: float
    segments: Mapping[CoronarySegment, float]

    @property
    def f1(self) -> float:
        """Mean over the segments; 1 where there is none."""
        return float(np.mean(list(self.segments.values()))) if self.segments else 1.0


@dataclass(frozen=True, slots=True)
class StenosisScore:
    """One frame whose stenoses are drawn.

    Args:
        image: name of the frame in the data set.
        f1: as the challenge counts.
        drawn: how many stenoses there are.
        found: how many the model marks.
        hit: how many of the drawn ones it touches.
    """

    image: str
    f1: float
    drawn: int
    found: int
    hit: int


def tree_score(frame: Angiogram, labels: NDArray[np.uint8]) -> TreeScore:
    """Labels of a model against the drawn ones."""
    both = {s: dice(labels == k, frame.labels == k) for s, k in CORONARY_LABELS.items()}
    vessel = dice(labels > 0, frame.labels > 0)
    return TreeScore(
        frame.name, 1.0 if vessel is None else vessel, {s: v for s, v in both.items() if v is not None}
    )


def stenosis_score(frame: Angiogram, probability: NDArray[np.float32]) -> StenosisScore:
    """A map of stenoses against the drawn ones."""
    drawn = pieces_of(frame.labels > 0)
    found = [
        piece
        for piece in pieces_of(probability > STENOSIS_THRESHOLD)
        if np.count_nonzero(piece) >= SMALLEST_STENOSIS * piece.size
    ]
    hit = sum(any((truth & piece).any() for piece in found) for truth in drawn)
    return StenosisScore(frame.name, challenge_f1(found, drawn), len(drawn), len(found), hit)


def challenge_f1(found: Sequence[Mask], drawn: Sequence[Mask]) -> float:
    """F1 of the stenoses in one frame, as the ARCADE challenge counts.

    Every stenosis found counts with its largest Dice against any that is drawn, and with 0 where it touches
    none; where fewer are found than drawn, each that lacks counts 0. The frame's score is the mean
    (``evaluate_stenosis.py`` of the challenge). A frame without stenoses, for which that is not defined,
    counts 1 where none is found.
    """
    scores = [max((dice(piece, truth) or 0.0 for truth in drawn), default=0.0) for piece in found]
    scores += [0.0] * (len(drawn) - len(found))
    return float(np.mean(scores)) if scores else 1.0


def pieces_of(mask: Mask) -> list[Mask]:
    """The pieces of a mask; stenoses that touch are one."""
    pieces, count = ndimage.label(mask, structure=np.ones((3, 3)))
    return [pieces == number for number in range(1, count + 1)]


def levels_of(frame: Angiogram) -> NDArray[np.float32]:
    """(y, x) grey levels 0..1."""
    return frame.image.astype(np.float32) / np.float32(255)
