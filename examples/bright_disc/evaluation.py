"""A model for discs against the labels of frames it has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from cvai.training.tasks.bright_disc.frames import read_frame

from cvai.domain.segmentation import ModelIdentity
from cvai.errors import ConfigurationInvalid
from cvai.models.network import open_network
from cvai.training.core.loss import UNKNOWN
from cvai.training.core.spec import Asked
from cvai.training.datasets.data import data_root, load_split, spread_over
from cvai.training.evaluation.agreement import Pairs
from cvai.training.evaluation.bootstrap import estimate, mean
from cvai.training.evaluation.calibrate import calibration
from cvai.training.evaluation.distances import dice
from cvai.training.evaluation.numbers import Numbers, dice_numbers
from cvai.training.evaluation.report import Grid, Report, estimate_cell

SCHEMA = "examples.bright_disc/1"


def evaluate(folder: Path, asked: Asked) -> Report:
    """Label the validation frames of a split."""
    if asked.folder is None or asked.split is None:
        raise ConfigurationInvalid(
            "data_missing", "Frames have no usual place.", "Give --folder and --split."
        )
    network = open_network(folder, asked.threads)
    card = network.card
    model = ModelIdentity(card.name, card.version, card.sha256, network.provider)
    names = spread_over(load_split(asked.split).validation, asked.at_most)
    scores, found_pixels, true_pixels = [], [], []
    for name in names:
        image, label = (values.numpy() for values in read_frame(data_root() / asked.folder, name))
        known = label[0] != UNKNOWN
        found = (network.logits(image[None])[0].argmax(axis=0) == 1) & known
        scores.append(dice(found, label[0] == 1) or 0.0)
        found_pixels.append(np.count_nonzero(found))
        true_pixels.append(np.count_nonzero(label[0] == 1))
    overlap = estimate(mean, np.array(scores))
    areas = Pairs(names, ("",) * len(names), np.array(found_pixels, float), np.array(true_pixels, float))
    record = {
        "schema": SCHEMA,
        "model": asdict(model),
        "split": asked.split.as_posix(),
        "patients": len(names),
        "dice": {"frame": {"disc": {"mean": overlap.value, "interval": overlap.interval}}},
        "frames": dict(zip(names, scores, strict=True)),
    }
    return Report(
        model=model,
        split=asked.split.as_posix(),
        n_patients=len(names),
        record=record,
        metrics={"dice_disc": float(np.mean(scores))},
        refused=(),
        facts=(("Dice", estimate_cell(overlap, ".3f")),),
        grids=(Grid("Overlap", ("structure", "Dice"), (("disc", estimate_cell(overlap, ".3f")),)),),
        definitions=(),
        calibration=lambda: calibration({}, {"disc_area": areas}),
    )


def measured_on(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every frame."""
    return [(name, "disc") for name in record["frames"]]


def numbers(record: Mapping[str, Any]) -> Numbers:
    """Dice alone."""
    yield from dice_numbers(record["dice"], "mean")
