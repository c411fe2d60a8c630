"""What a model loses when the same hearts come in other images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.models.segmenter import Segmenter
from cvai.training.datasets.data import LabelledVolume
from cvai.training.evaluation.distances import dice
from cvai.training.tasks.sax.evaluation.conditions import CONDITIONS, Condition
from cvai.training.tasks.sax.evaluation.scores import Labels, segment_volume

UNCHANGED = Condition("unchanged", "unchanged", lambda volume: volume)


MeanDice = Mapping[Structure, float | None]


@dataclass(frozen=True, slots=True)
class Changed:
    """Scores under one condition.

    Args:
        title: the condition, for readers.
        dice: mean over both phases of all patients, by structure; a refused heart counts as 0. None where
            the structure was not drawn.
        loss: Dice of the unchanged images minus this one; negative where the change helped.
        refused: volumes in which no heart was found.
    """

    title: str
    dice: MeanDice
    loss: MeanDice
    refused: int


@dataclass(frozen=True, slots=True)
class Robustness:
    """Scores of the same volumes under every condition.

    Args:
        volumes: how many there are.
        conditions: by name, ``unchanged`` first.
    """

    volumes: int
    conditions: Mapping[str, Changed]


@dataclass(frozen=True, slots=True)
class _Outcome:
    dice: Mapping[Structure, float | None]
    refused: bool


def robustness(
    volumes: Iterable[LabelledVolume],
    segmenter: Segmenter,
    conditions: tuple[Condition, ...] = CONDITIONS,
) -> Robustness:
    """Segment every volume as it is and under every condition; labels are compared on the changed grid.

    Args:
        volumes: at least one; each is looked at once.
        segmenter: what to try.
        conditions: how to change the volumes.
    """
    tried = (UNCHANGED, *conditions)
    outcomes: dict[str, list[_Outcome]] = {condition.name: [] for condition in tried}
    for volume in volumes:
        for condition in tried:
            outcomes[condition.name].append(_outcome(condition.change(volume), segmenter))
    baseline = _mean_dice(outcomes[UNCHANGED.name])
    return Robustness(
        volumes=len(outcomes[UNCHANGED.name]),
        conditions={c.name: _changed(c.title, outcomes[c.name], baseline) for c in tried},
    )


def _outcome(volume: LabelledVolume, segmenter: Segmenter) -> _Outcome:
    labels, refused = segment_volume(volume, segmenter)
    return _Outcome({s: _dice(labels, volume, s) for s in SAX_LABELS}, refused is not None)


def _dice(labels: Labels, volume: LabelledVolume, structure: Structure) -> float | None:
    value, slices = SAX_LABELS[structure], volume.drawn_slices(structure)
    return None if slices is None else dice(labels[slices] == value, volume.labels[slices] == value)


def _mean_dice(outcomes: list[_Outcome]) -> MeanDice:
    columns = {s: [d for o in outcomes if (d := o.dice[s]) is not None] for s in SAX_LABELS}
    return {s: float(np.mean(column)) if column else None for s, column in columns.items()}


def _changed(title: str, outcomes: list[_Outcome], baseline: MeanDice) -> Changed:
    mean_dice = _mean_dice(outcomes)
    loss = {s: _loss(baseline[s], mean_dice[s]) for s in SAX_LABELS}
    return Changed(title, mean_dice, loss, sum(outcome.refused for outcome in outcomes))


def _loss(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else before - after
