"""How far a model's measurements are from the reference, written into its card."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from pathlib import Path

import tomlkit

from cvai.domain.uncertainty import conformal_half_width
from cvai.files import write_whole
from cvai.models.card import CARD_FILE, UncertaintyCard, load_card
from cvai.training.evaluation.agreement import Pairs

CONFIDENCE = 0.9


def calibration(
    points: Mapping[str, Pairs], amounts: Mapping[str, Pairs], confidence: float = CONFIDENCE
) -> UncertaintyCard:
    """Half-widths of intervals from patients the model has not seen.

    Args:
        points: quantities by name that are off by as much in small hearts as in large ones: ejection
            fractions.
        amounts: those of which a large heart has a larger error; theirs is a share of what was measured.
        confidence: share of patients whose reference is to lie within.

    Raises:
        ValueError: too few patients for this confidence.
    """
    half_widths = {
        n: round(conformal_half_width(list(p.difference), confidence), 2) for n, p in points.items()
    }
    shares = {n: round(conformal_half_width(_relative(p), confidence), 4) for n, p in amounts.items()}
    patients = min(len(pairs.patients) for pairs in (*points.values(), *amounts.values()))
    return UncertaintyCard(confidence=confidence, patients=patients, half_widths=half_widths, shares=shares)


def _relative(pairs: Pairs) -> list[float]:
    """Errors as a share of what was measured; infinite where nothing was."""
    columns = zip(pairs.difference, pairs.measured, strict=True)
    return [float(error / measured) if measured else inf for error, measured in columns]


def write_calibration(folder: Path, uncertainty: UncertaintyCard) -> None:
    """Put the intervals into the card of a model folder; everything else in it stays as it is."""
    path = folder / CARD_FILE
    card = tomlkit.parse(path.read_text(encoding="utf-8"))
    card["uncertainty"] = uncertainty.model_dump(mode="json", exclude_none=True)
    write_whole(path, tomlkit.dumps(card).encode(), private=False)
    load_card(folder)
