"""How far a model's measurements are from the reference, written into its card."""

from __future__ import annotations

from pathlib import Path

import tomlkit

from cvai.heart.uncertainty import conformal_half_width
from cvai.inference.card import CARD_FILE, UncertaintyCard, load_card
from cvai.training.evaluate import VolumeScore, paired

CONFIDENCE = 0.9


def calibration(scores: list[VolumeScore], confidence: float = CONFIDENCE) -> UncertaintyCard:
    """Half-widths of intervals from patients the model has not seen.

    Ejection fractions are off by points; everything else by a share of what was measured, since a large heart
    is measured with a larger error.
    """
    half_widths, shares = {}, {}
    for name, (measured, reference) in paired(scores).items():
        errors = {patient: measured[patient] - reference[patient] for patient in reference}
        if name.endswith("_ef"):
            half_widths[name] = round(conformal_half_width(list(errors.values()), confidence), 2)
        else:
            relative = [error / measured[p] if measured[p] else float("inf") for p, error in errors.items()]
            shares[name] = round(conformal_half_width(relative, confidence), 4)
    patients = len({score.patient for score in scores})
    return UncertaintyCard(confidence=confidence, patients=patients, half_widths=half_widths, shares=shares)


def write_calibration(folder: Path, uncertainty: UncertaintyCard) -> None:
    """Put the intervals into the card of a model folder; everything else in it stays as it is."""
    path = folder / CARD_FILE
    card = tomlkit.parse(path.read_text(encoding="utf-8"))
    card["uncertainty"] = uncertainty.model_dump()
    partial = path.with_suffix(".partial")
    partial.write_text(tomlkit.dumps(card), encoding="utf-8")
    partial.replace(path)
    load_card(folder)
