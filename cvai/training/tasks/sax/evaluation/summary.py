"""Scores of many volumes as means: by phase and structure, by level, by disease group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.segmentation import ModelIdentity
from cvai.training.evaluation.agreement import Agreement
from cvai.training.evaluation.bootstrap import Estimate, estimate, mean, sd
from cvai.training.evaluation.cases import Case
from cvai.training.tasks.sax.evaluation.levels import Level
from cvai.training.tasks.sax.evaluation.quantities import agreements
from cvai.training.tasks.sax.evaluation.robustness import Robustness
from cvai.training.tasks.sax.evaluation.scores import PHASES, Scores, StructureScore, VolumeScore


@dataclass(frozen=True, slots=True)
class Mean:
    """A score over patients.

    Args:
        n: patients that have it.
        mean: with its interval.
        sd: standard deviation over patients, None for fewer than two.
    """

    n: int
    mean: Estimate
    sd: float | None


ByPhase = Mapping[str, Mapping[Structure, Mean]]


@dataclass(frozen=True, slots=True)
class Summary:
    """Overlap, distance and volume error, each by phase and structure.

    Args:
        dice: over volumes in which segmentation or reference has the structure.
        hd95_mm: over volumes in which both have it.
        volume_error_ml: segmented minus reference, over all volumes.
    """

    dice: ByPhase
    hd95_mm: ByPhase
    volume_error_ml: ByPhase


@dataclass(frozen=True, slots=True)
class Group:
    """Patients of one disease group."""

    patients: int
    summary: Summary
    agreement: Mapping[str, Agreement]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that is known about a model on the patients of a split.

    Args:
        model: which model ran.
        split: file that lists the patients.
        scores: every volume.
        overall: means over all of them.
        by_level: means by level of the ventricle.
        by_group: means by disease group, sorted by name.
        agreement: volumes and function against the reference.
        robustness: the same patients with changed images, None where that was not asked for.
        cases: every patient with intervals and findings; empty where only scores are known.
    """

    model: ModelIdentity
    split: str
    scores: tuple[VolumeScore, ...]
    overall: Summary
    by_level: Mapping[Level, Summary]
    by_group: Mapping[str, Group]
    agreement: Mapping[str, Agreement]
    robustness: Robustness | None = None
    cases: tuple[Case, ...] = ()

    @property
    def patients(self) -> tuple[str, ...]:
        """Ids, sorted."""
        return tuple(sorted({score.patient for score in self.scores}))

    @property
    def refused(self) -> tuple[VolumeScore, ...]:
        """Volumes in which no heart was found."""
        return tuple(score for score in self.scores if score.refused is not None)


def summed_up(
    scores: tuple[VolumeScore, ...],
    model: ModelIdentity,
    split: str,
    robustness: Robustness | None = None,
    *,
    cases: tuple[Case, ...] = (),
) -> Evaluation:
    """Everything that follows from the scores.

    Args:
        scores: every volume.
        model: which model ran.
        split: file that lists the patients.
        robustness: where it was asked for.
        cases: every patient, where more than scores is known.
    """
    return Evaluation(
        model=model,
        split=split,
        scores=scores,
        overall=summary((score.phase, score.whole) for score in scores),
        by_level={level: summary((s.phase, s.levels[level]) for s in scores) for level in Level},
        by_group={name: _group(scores, name) for name in sorted({score.group for score in scores})},
        agreement=agreements(scores),
        robustness=robustness,
        cases=cases,
    )


def _group(scores: tuple[VolumeScore, ...], name: str) -> Group:
    members = [score for score in scores if score.group == name]
    return Group(
        patients=len({score.patient for score in members}),
        summary=summary((score.phase, score.whole) for score in members),
        agreement=agreements(members),
    )


def summary(scores: Iterable[tuple[str, Scores]]) -> Summary:
    """Means of (phase, scores by structure)."""
    listed = list(scores)
    return Summary(
        dice=_by_phase(listed, lambda score: score.dice),
        hd95_mm=_by_phase(listed, lambda score: score.hd95_mm),
        volume_error_ml=_by_phase(listed, lambda score: score.volume_error_ml),
    )


def _by_phase(
    scores: list[tuple[str, Scores]], read: Callable[[StructureScore], float | None]
) -> dict[str, dict[Structure, Mean]]:
    return {
        phase: {
            structure: mean_of(read(by_structure[structure]) for p, by_structure in scores if p == phase)
            for structure in SAX_LABELS
        }
        for phase in PHASES
    }


def mean_of(values: Iterable[float | None]) -> Mean:
    """Mean of the values that are defined."""
    column = np.array([value for value in values if value is not None], dtype=np.float64)
    return Mean(n=len(column), mean=estimate(mean, column), sd=float(sd(column)) if len(column) > 1 else None)
