"""How far a model's measurements are from the reference, written into its card."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from pathlib import Path

import tomlkit

from cvai.domain.uncertainty import conformal_half_width
from cvai.files import write_whole
from cvai.models.card import CARD_FILE, UncertaintyCard, load_card
from cvai.training.evaluation.agreement import Pairs, paired
from cvai.training.evaluation.scores import VolumeScore

CONFIDENCE = 0.9


def calibration(scores: Iterable[VolumeScore], confidence: float = CONFIDENCE) -> UncertaintyCard:
    """Half-widths of intervals from patients the model has not seen.

    Ejection fractions are off by points; everything else by a share of what was measured, since a large heart
    is measured with a larger error.

    Raises:
        ValueError: too few patients for this confidence.
    """
    half_widths, shares = {}, {}
    pairs = paired(scores)
    for name, pair in pairs.items():
        if name.endswith("_ef"):
            half_widths[name] = round(conformal_half_width(list(pair.difference), confidence), 2)
        else:
            shares[name] = round(conformal_half_width(_relative(pair), confidence), 4)
    patients = min(len(pair.patients) for pair in pairs.values())
    return UncertaintyCard(confidence=confidence, patients=patients, half_widths=half_widths, shares=shares)


def _relative(pair: Pairs) -> list[float]:
    """Errors as a share of what was measured; infinite where nothing was."""
    columns = zip(pair.difference, pair.measured, strict=True)
    return [float(error / measured) if measured else inf for error, measured in columns]


def write_calibration(folder: Path, uncertainty: UncertaintyCard) -> None:
    """Put the intervals into the card of a model folder; everything else in it stays as it is."""
    path = folder / CARD_FILE
    card = tomlkit.parse(path.read_text(encoding="utf-8"))
    card["uncertainty"] = uncertainty.model_dump()
    write_whole(path, tomlkit.dumps(card).encode(), private=False)
    load_card(folder)
