from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cvai.errors import ConfigurationInvalid, ModelInvalid
from cvai.models.card import load_card
from cvai.models.model_store import bring_back, place
from tests.conftest import ROOT


def model(folder: Path, version: str) -> Path:
    """The shipped model under another version: a folder that is whole."""
    shutil.copytree(ROOT / "models" / "sax", folder)
    card = folder / "card.toml"
    text = card.read_text().replace(f'version = "{load_card(folder).version}"', f'version = "{version}"')
    card.write_text(text)
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    model(tmp_path / "models" / "sax", "1")
    return tmp_path / "models"


def version(models: Path) -> str:
    return load_card(models / "sax").version


def test_the_model_before_is_kept_and_comes_back_byte_for_byte(models: Path, tmp_path: Path) -> None:
    before = {p.name: p.read_bytes() for p in (models / "sax").iterdir()}
    kept = place(models, "sax", model(tmp_path / "two", "2"))
    assert version(models) == "2"
    assert kept is not None
    assert load_card(kept).version == "1"
    assert bring_back(models, "sax") == models / "sax"
    assert {p.name: p.read_bytes() for p in (models / "sax").iterdir()} == before


def test_several_steps_go_back_in_their_order_and_nothing_is_lost(models: Path, tmp_path: Path) -> None:
    for k in "23":
        place(models, "sax", model(tmp_path / k, k))
    bring_back(models, "sax")
    place(models, "sax", tmp_path / "3")
    assert [version(models)] + [load_card(bring_back(models, "sax")).version for _ in range(2)] == [
        "3",
        "2",
        "1",
    ]
    everywhere = sorted(load_card(card.parent).version for card in models.rglob("card.toml"))
    assert everywhere == ["1", "2", "3", "3"]
    with pytest.raises(ConfigurationInvalid) as first:
        bring_back(models, "sax")
    assert first.value.code == "no_model_before"


def test_the_first_model_of_a_name_replaces_none(tmp_path: Path) -> None:
    assert place(tmp_path / "models", "sax", model(tmp_path / "one", "1")) is None
    assert version(tmp_path / "models") == "1"


def test_a_damaged_model_neither_goes_in_nor_comes_back(models: Path, tmp_path: Path) -> None:
    damaged = model(tmp_path / "damaged", "2")
    (damaged / "model.onnx").write_bytes(b"cut off")
    with pytest.raises(ModelInvalid):
        place(models, "sax", damaged)
    kept = place(models, "sax", model(tmp_path / "three", "3"))
    assert kept is not None
    (kept / "model.onnx").write_bytes(b"cut off")
    with pytest.raises(ModelInvalid):
        bring_back(models, "sax")
    assert version(models) == "3"


def test_a_model_that_was_lost_between_two_renames_comes_back(models: Path, tmp_path: Path) -> None:
    place(models, "sax", model(tmp_path / "two", "2"))
    shutil.rmtree(models / "sax")
    bring_back(models, "sax")
    assert version(models) == "1"
