"""The evaluation as plain values, in the layout that docs/reference/evaluation.md describes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cvai import __version__
from cvai.training.evaluation.agreement import Agreement
from cvai.training.tasks.sax.evaluation.scores import Scores, VolumeScore
from cvai.training.tasks.sax.evaluation.summary import Evaluation, Group, Mean, Summary

SCHEMA = "cvai.evaluation/1"


def record(evaluation: Evaluation) -> dict[str, Any]:
    """Values that JSON can hold; where a number is not defined there is null."""
    robustness = evaluation.robustness
    return {
        "schema": SCHEMA,
        "cvai_version": __version__,
        "model": asdict(evaluation.model),
        "split": evaluation.split,
        "patients": len(evaluation.patients),
        "refused": [{"patient": s.patient, "phase": s.phase, "code": s.refused} for s in evaluation.refused],
        **_summary(evaluation.overall),
        "agreement": _agreements(evaluation.agreement),
        "by_level": {str(level): _summary(summary) for level, summary in evaluation.by_level.items()},
        "by_group": {name: _group(group) for name, group in evaluation.by_group.items()},
        "robustness": None if robustness is None else asdict(robustness),
        "volumes": [_volume(score) for score in evaluation.scores],
    }


def headline_metrics(evaluation: Evaluation) -> dict[str, float]:
    """The numbers one compares models by, flat, as an experiment tracker takes them."""
    metrics = {
        f"dice_{structure}_{phase.lower()}": mean.mean.value
        for phase, by_structure in evaluation.overall.dice.items()
        for structure, mean in by_structure.items()
    }
    for name, agreement in evaluation.agreement.items():
        metrics |= {f"{name}_bias": agreement.bias.value, f"{name}_sd": agreement.sd.value}
        metrics |= {f"{name}_mae": agreement.mae.value, f"{name}_worst": agreement.worst}
    return {name: value for name, value in metrics.items() if value is not None}


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "dice": _by_phase(summary.dice),
        "hd95_mm": _by_phase(summary.hd95_mm),
        "volume_error_ml": _by_phase(summary.volume_error_ml),
    }


def _by_phase(table: Mapping[str, Mapping[Any, Mean]]) -> dict[str, Any]:
    return {
        phase: {str(structure): _mean(mean) for structure, mean in by_structure.items()}
        for phase, by_structure in table.items()
    }


def _mean(mean: Mean) -> dict[str, Any]:
    return {"n": mean.n, "mean": mean.mean.value, "interval": mean.mean.interval, "sd": mean.sd}


def _agreements(agreements: Mapping[str, Agreement]) -> dict[str, Any]:
    return {name: asdict(agreement) for name, agreement in agreements.items()}


def _group(group: Group) -> dict[str, Any]:
    return {
        "patients": group.patients,
        **_summary(group.summary),
        "agreement": _agreements(group.agreement),
    }


def _volume(score: VolumeScore) -> dict[str, Any]:
    return {
        "patient": score.patient,
        "group": score.group,
        "phase": score.phase,
        "refused": score.refused,
        **_scores(score.whole),
        "by_level": {str(level): _scores(scores) for level, scores in score.levels.items()},
    }


def _scores(scores: Scores) -> dict[str, Any]:
    """One mapping from structure to number for each measure."""
    return {
        measure: {str(structure): getattr(score, measure) for structure, score in scores.items()}
        for measure in ("dice", "hd95_mm", "volume_ml", "reference_ml")
    }
