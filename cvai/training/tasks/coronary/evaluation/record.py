"""The evaluation of a model for coronary angiograms as plain values, for evaluation.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from cvai import __version__
from cvai.domain.segmentation import ModelIdentity
from cvai.domain.vessels.segments import CoronarySegment
from cvai.training.evaluation.bootstrap import estimate, mean
from cvai.training.tasks.coronary.evaluation.scores import StenosisScore, TreeScore

SCHEMA = "cvai.coronary_evaluation/1"
WORST = 5


def record(
    trees: Sequence[TreeScore], stenoses: Sequence[StenosisScore], model: ModelIdentity, split: str
) -> dict[str, Any]:
    """Values that JSON can hold.

    Args:
        trees: every frame with segments.
        stenoses: every frame with stenoses.
        model: which model ran.
        split: name of the split.
    """
    return {
        "schema": SCHEMA,
        "cvai_version": __version__,
        "model": asdict(model),
        "split": split,
        "images": len(trees) + len(stenoses),
        "vessel_dice": _estimate([tree.vessel for tree in trees]),
        "segment_f1": _estimate([tree.f1 for tree in trees]),
        "stenosis_f1": _estimate([score.f1 for score in stenoses]),
        "stenoses": {
            "drawn": sum(score.drawn for score in stenoses),
            "found": sum(score.found for score in stenoses),
            "hit": sum(score.hit for score in stenoses),
        },
        "by_segment": {segment.value: _of_segment(trees, segment) for segment in CoronarySegment},
        "worst": {
            "segments": [tree.image for tree in sorted(trees, key=lambda tree: tree.f1)[:WORST]],
            "vessel": [tree.image for tree in sorted(trees, key=lambda tree: tree.vessel)[:WORST]],
        },
        "by_image": [*map(_tree, trees), *map(_stenosis, stenoses)],
    }


def _of_segment(trees: Sequence[TreeScore], segment: CoronarySegment) -> dict[str, Any]:
    """Over the frames in which it is drawn or found."""
    scores = [tree.segments[segment] for tree in trees if segment in tree.segments]
    return {"images": len(scores), **_estimate(scores)}


def _estimate(scores: Sequence[float]) -> dict[str, Any]:
    found = estimate(mean, np.array(scores, dtype=np.float64))
    interval = None if found.interval is None else [round(bound, 4) for bound in found.interval]
    return {"value": None if found.value is None else round(found.value, 4), "interval": interval}


def _tree(score: TreeScore) -> dict[str, Any]:
    return {
        "image": score.image,
        "vessel_dice": round(score.vessel, 4),
        "segment_f1": round(score.f1, 4),
        "segments": {segment.value: round(value, 4) for segment, value in score.segments.items()},
    }


def _stenosis(score: StenosisScore) -> dict[str, Any]:
    return {
        "image": score.image,
        "stenosis_f1": round(score.f1, 4),
        "drawn": score.drawn,
        "found": score.found,
        "hit": score.hit,
    }
