"""From a trained run through the registry into the models folder and back, as a person does it."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import pytest
import tomlkit
from typer.testing import CliRunner, Result

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

import torch

from cvai.cli.main import app
from cvai.errors import CvaiError, ModelInvalid
from cvai.models.card import ModelCard, load_card
from cvai.training.core.export import export
from cvai.training.core.loop import CHECKPOINT, new_state
from cvai.training.evaluation.numbers import DICE_MARGIN
from cvai.training.promotion.registry import register
from cvai.training.tasks.registry import run_of
from tests.conftest import ROOT
from tests.training.acdc_like import small_config
from tests.training.camus_like import small_echo_config
from tests.training.small import LOUD_TRAINING

pytestmark = LOUD_TRAINING


class Workshop:
    """Two trained and exported versions of a model, a registry, a models folder, and the commands on them."""

    def __init__(self, folder: Path) -> None:
        self.config = small_config(folder)
        self.config.output.mkdir(parents=True)
        self.folder, self.models = folder, folder / "models"
        self.config_file = folder / "tiny.toml"
        self.registry = f"sqlite:///{self.config.output.parent}/mlflow.db"

    def train(self, version: str) -> Path:
        """A checkpoint as training leaves it, and the model folder exported from it."""
        self.config = self.config.model_copy(update={"version": version})
        torch.manual_seed(int(version))
        new_state(run_of(self.config)).save(self.config.output / CHECKPOINT)
        self.config_file.write_text(tomlkit.dumps(self.config.model_dump(mode="json", exclude_none=True)))
        return export(run_of(self.config), self.folder / f"exported_{version}")

    def evaluate_and_register(self, model: Path) -> Result:
        arguments = ["evaluate", "--model", str(model), "--folder", self.config.data.folder]
        arguments += ["--split", str(self.config.data.split), "--threads", "1"]
        arguments += ["--out", str(self.folder / "evaluation"), "--track", str(self.config_file)]
        return CliRunner().invoke(app, [*arguments, "--register"], catch_exceptions=False)

    def promote(self, *arguments: str) -> Result:
        command = ["models", "promote", "tiny", *arguments, "--registry", self.registry]
        return CliRunner().invoke(app, command)

    def refusal(self, *arguments: str) -> str:
        """The code that a promotion is refused with."""
        error = self.promote(*arguments).exception
        assert isinstance(error, CvaiError), error
        return error.code

    @property
    def in_place(self) -> ModelCard:
        return load_card(self.models / "tiny")


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    made = Workshop(tmp_path)
    monkeypatch.setenv("CVAI_MODELS", str(made.models))
    return made


def all_numbers(record: Path, dice: float) -> None:
    """Give every structure this Dice; leave nothing else that could be better or worse."""
    told = json.loads(record.read_text())
    for structures in told["dice"].values():
        for structure in structures.values():
            structure["mean"] = dice
    told["agreement"], told["refused"] = {}, [{}] * 9
    record.write_text(json.dumps(told))


def test_a_run_is_registered_promoted_refused_and_brought_back(workshop: Workshop) -> None:
    one = workshop.train("1")
    first, record = load_card(one), workshop.folder / "evaluation" / "evaluation.json"
    assert workshop.evaluate_and_register(one).exit_code == 0
    assert mlflow.MlflowClient().get_model_version("tiny", "1").tags["sha256"] == first.sha256

    done = workshop.promote("1")
    assert done.exit_code == 0, done.output
    assert "nothing to compare with" in done.stdout
    assert workshop.in_place == first
    placed = {path.name for path in (workshop.models / "tiny").iterdir()}
    assert placed == {"card.toml", "model.onnx", "evaluation.json"}
    assert workshop.refusal("1") == "model_in_place"

    two = workshop.train("2")
    with pytest.raises(ModelInvalid) as other_run:
        register(workshop.config, one, record)
    assert other_run.value.code == "parity_lost", "the weights are of another model than the file"
    with pytest.raises(ModelInvalid) as other_model:
        register(workshop.config, two, record)
    assert other_model.value.code == "evaluation_of_other_model"
    second = load_card(two)
    record.write_text(record.read_text().replace(first.sha256, second.sha256))
    assert register(workshop.config, two, record) == 2

    all_numbers(workshop.models / "tiny" / "evaluation.json", dice=0.999)
    assert workshop.refusal("2") == "evaluation_worse"
    assert "Dice lv_cavity ED" in workshop.promote("2").stdout
    assert workshop.promote("2", "--accept", "Dice lv_cavity ED").exit_code == 2, "without a reason"
    why = ("--because", "it was never meant to find hearts")
    assert workshop.refusal("2", "--accept", "Dice lv_cavity ED", *why) == "evaluation_worse", (
        "others are too"
    )
    assert workshop.refusal("2", "--accept", "hearts not found", *why) == "nothing_to_accept"
    all_numbers(workshop.models / "tiny" / "evaluation.json", dice=0.0)
    assert workshop.promote("2", "--check").exit_code == 0
    assert workshop.in_place == first, "--check changes nothing"
    assert workshop.promote("2").exit_code == 0
    assert workshop.in_place == second
    assert workshop.promote("--back").exit_code == 0
    assert workshop.in_place == first
    assert workshop.refusal("3") == "version_unknown"


def test_a_registry_that_is_not_there_is_not_made(workshop: Workshop) -> None:
    assert workshop.refusal("1") == "registry_missing"
    assert not (workshop.config.output.parent / "mlflow.db").exists()


def test_either_a_version_or_back(workshop: Workshop) -> None:
    assert workshop.promote("1", "--back").exit_code == 2
    assert workshop.promote().exit_code == 2
    assert workshop.refusal("--back") == "no_model_before"


def test_an_ultrasound_model_goes_the_same_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("CVAI_MODELS", str(tmp_path / "models"))
    config = small_echo_config(tmp_path)
    config.output.mkdir(parents=True)
    record = tmp_path / "evaluation.json"
    shipped = json.loads((ROOT / "models" / "echo" / "evaluation.json").read_text())
    registry = f"sqlite:///{config.output.parent}/mlflow.db"
    for version, atrium in (("1", 0.9), ("2", 0.8)):
        config = config.model_copy(update={"version": version})
        torch.manual_seed(int(version))
        new_state(run_of(config)).save(config.output / CHECKPOINT)
        model = export(run_of(config), tmp_path / f"exported_{version}")
        shipped["model"]["sha256"] = load_card(model).sha256
        shipped["dice"]["ED"]["left_atrium"]["value"] = atrium
        record.write_text(json.dumps(shipped))
        assert register(config, model, record) == int(version)
    command = ["models", "promote", "tiny_echo", "--registry", registry]
    assert CliRunner().invoke(app, [*command, "1"]).exit_code == 0
    refused = CliRunner().invoke(app, [*command, "2"])
    assert isinstance(refused.exception, ModelInvalid)
    assert refused.exception.code == "evaluation_worse"
    assert "left_atrium ED" in refused.exception.message
    assert load_card(tmp_path / "models" / "tiny_echo").version == "1"

    why = "no result depends on the atrium"
    accepting = [*command, "2", "--accept", "Dice left_atrium ED", "--because", why]
    assert CliRunner().invoke(app, accepting, catch_exceptions=False).exit_code == 0
    placed = load_card(tmp_path / "models" / "tiny_echo")
    assert placed.version == "2"
    (accepted,) = placed.accepted
    assert (accepted.number, accepted.before, accepted.after) == ("Dice left_atrium ED", 0.9, 0.8)
    assert (accepted.margin, accepted.because) == (DICE_MARGIN, why)
