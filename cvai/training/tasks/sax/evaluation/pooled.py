"""The evaluations of all folds as one: every patient measured by a network that has not seen him."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cvai.domain.anatomy import Structure
from cvai.domain.segmentation import ModelIdentity
from cvai.errors import ConfigurationInvalid
from cvai.training.evaluation.cases import case_from
from cvai.training.evaluation.write import RECORD_FILE, read_record
from cvai.training.tasks.sax.evaluation.levels import Level
from cvai.training.tasks.sax.evaluation.scores import Scores, StructureScore, VolumeScore
from cvai.training.tasks.sax.evaluation.summary import Evaluation, summed_up


def pooled(folders: Sequence[Path]) -> Evaluation:
    """One evaluation of all patients of several.

    Args:
        folders: what ``cvai evaluate --out`` wrote, one of each fold.

    Raises:
        ConfigurationInvalid: ``evaluation_missing``, ``folds_overlap``, ``folds_differ``.
    """
    records = [read_record(folder / RECORD_FILE) for folder in folders]
    patients = Counter(p for record in records for p in {volume["patient"] for volume in record["volumes"]})
    if twice := sorted(patient for patient, times in patients.items() if times > 1):
        raise ConfigurationInvalid(
            "folds_overlap", f"More than one of the evaluations measured {', '.join(twice)}."
        )
    scores = tuple(_score(volume) for record in records for volume in record["volumes"])
    cases = tuple(case_from(case) for record in records for case in record.get("cases", ()))
    splits = ", ".join(record["split"] for record in records)
    return summed_up(scores, _recipe(records), splits, cases=cases)


def _recipe(records: Sequence[Mapping[str, Any]]) -> ModelIdentity:
    """The model of every fold, which have name and version in common and differ in their weights."""
    models = [ModelIdentity(**record["model"]) for record in records]
    if len({(model.name, model.version) for model in models}) > 1:
        names = ", ".join(f"{model.name} {model.version}" for model in models)
        raise ConfigurationInvalid("folds_differ", f"The folds are not of one training: {names}.")
    return replace(models[0], sha256=f"{len(models)} folds")


def _score(volume: Mapping[str, Any]) -> VolumeScore:
    """What ``record`` wrote of one volume."""
    return VolumeScore(
        patient=volume["patient"],
        group=volume["group"],
        phase=volume["phase"],
        refused=volume["refused"],
        whole=_scores(volume),
        levels={Level(level): _scores(scores) for level, scores in volume["by_level"].items()},
    )


def _scores(measures: Mapping[str, Mapping[str, Any]]) -> Scores:
    return {
        Structure(name): StructureScore(
            dice=measures["dice"][name],
            hd95_mm=measures["hd95_mm"][name],
            volume_ml=measures["volume_ml"][name],
            reference_ml=measures["reference_ml"][name],
        )
        for name in measures["dice"]
    }
