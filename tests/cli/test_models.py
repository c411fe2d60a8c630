"""``cvai models list``: what is in place, since when, and how good it is."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cvai.cli.models import models_app
from cvai.models.model_store import bring_back, in_place_since, place
from tests.conftest import ROOT


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two of the shipped models."""
    for name in ("sax", "lge"):
        shutil.copytree(ROOT / "models" / name, tmp_path / "models" / name)
    monkeypatch.setenv("CVAI_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def listed(*options: str) -> str:
    answer = CliRunner().invoke(models_app, ["list", *options], env={"COLUMNS": "200"})
    assert answer.exit_code == 0, answer.output
    return answer.output


def test_the_list_states_the_evaluation_of_every_model(models: Path) -> None:
    evaluation = json.loads((models / "sax" / "evaluation.json").read_text())
    sax = next(row for row in json.loads(listed("--json")) if row["name"] == "sax")
    assert (sax["evaluated"]["number"], sax["evaluated"]["of"]) == (evaluation["patients"], "patients")
    error = evaluation["agreement"]["lv_ef"]["mae"]["value"]
    assert sax["evaluated"]["accuracy"]["LVEF, mean error (points)"] == round(error, 1)
    assert f"LVEF, mean error (points): {error:.1f}" in listed()


@pytest.mark.parametrize("name", ["sax", "echo", "lge", "coronary"])
def test_every_shipped_model_has_all_numbers_of_its_analysis(name: str) -> None:
    from cvai.analyses.registry import ANALYSES
    from cvai.models.card import load_card

    evaluation = json.loads((ROOT / "models" / name / "evaluation.json").read_text())
    (spec,) = (s for s in ANALYSES if s.card_view == load_card(ROOT / "models" / name).view)
    assert spec.accuracy
    assert all(accuracy.of(evaluation) is not None for accuracy in spec.accuracy)


def test_the_evaluation_of_another_version_is_not_stated(models: Path) -> None:
    path = models / "lge" / "evaluation.json"
    path.write_text(path.read_text().replace('"sha256": "', '"sha256": "0'))
    lge = next(row for row in json.loads(listed("--json")) if row["name"] == "lge")
    assert lge["evaluated"] is None
    assert "no evaluation of this version" in listed()


def test_a_model_is_in_place_since_it_was_promoted_or_brought_back(models: Path, tmp_path: Path) -> None:
    os.utime(models / "sax" / "card.toml", (1_700_000_000, 1_700_000_000))
    assert in_place_since(models, "sax") == datetime.fromtimestamp(1_700_000_000, UTC)
    before = datetime.now(UTC).replace(microsecond=0)
    place(models, "sax", shutil.copytree(models / "sax", tmp_path / "candidate"))
    assert in_place_since(models, "sax") >= before
    bring_back(models, "sax")
    assert in_place_since(models, "sax") >= before
