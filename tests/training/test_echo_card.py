from __future__ import annotations

import json
import re

import pytest

from cvai.models.card import load_card
from tests.conftest import ROOT

FOLDER = ROOT / "models" / "echo"
pytestmark = pytest.mark.skipif(not (FOLDER / "card.toml").is_file(), reason="the echo model is not here")


def row(card: str, title: str, n_columns: int) -> list[str]:
    """The first number of every cell of the row that starts with ``title`` and has so many cells."""
    for line in card.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == title and len(cells) == n_columns + 1:
            return [re.match(r"[-+]?[0-9.]+", cell)[0] for cell in cells[1:]]  # type: ignore[index]
    raise AssertionError(f"no row {title!r} of {n_columns} cells")


def test_the_model_card_quotes_the_evaluation_beside_it_and_both_speak_of_this_model() -> None:
    record = json.loads((FOLDER / "evaluation.json").read_text())
    text = (FOLDER / "MODEL_CARD.md").read_text()
    card = load_card(FOLDER)
    assert (record["model"]["sha256"], record["model"]["version"]) == (card.sha256, card.version)
    assert text.startswith(f"# echo {card.version}:")
    for title, key in (
        ("LV cavity", "lv_cavity"),
        ("LV myocardium", "lv_myocardium"),
        ("left atrium", "left_atrium"),
    ):
        assert row(text, title, 2) == [f"{record['dice'][p][key]['value']:.3f}" for p in ("ED", "ES")]
    for title, method in (
        ("biplane", "biplane"),
        ("four-chamber view alone", "a4c"),
        ("two-chamber view alone", "a2c"),
    ):
        found = record["ejection_fraction"][method]
        assert row(text, title, 5) == [
            f"{found['bias']['value']:+.1f}",
            f"{found['sd']['value']:.1f}",
            f"{found['mae']['value']:.1f}",
            f"{found['worst']['error']:+.1f}",
            f"{found['r']['value']:.3f}",
        ]


def test_the_intervals_of_the_card_are_those_it_tells() -> None:
    uncertainty = load_card(FOLDER).uncertainty
    assert uncertainty is not None
    text = " ".join((FOLDER / "MODEL_CARD.md").read_text().split())
    widths = uncertainty.half_widths
    assert f"biplane EF ± {widths['lv_ef']:.1f} points" in text
    assert f"four-chamber view alone ± {widths['lv_ef_a4c']:.1f}" in text
    by_doubt = uncertainty.by_doubt
    assert by_doubt is not None
    assert f"biplane EF is {by_doubt.factors['lv_ef']:.1f} points times the doubt" in text
    assert f"which counts as {by_doubt.least} at the least" in text


def test_the_correction_of_the_card_is_the_one_it_tells() -> None:
    correction = load_card(FOLDER).correction
    assert correction is not None
    text = " ".join((FOLDER / "MODEL_CARD.md").read_text().split())
    factors = correction.esv_factors
    assert f"multiplied by {factors['biplane']:.3f} from two views" in text
    assert f"{factors['a4c']:.3f} from the four-chamber view" in text
    assert f"{factors['a2c']:.3f} from the two-chamber view" in text
