"""A run that starts from what is left of another: its checkpoint, or the ONNX file of a model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cvai.errors import ConfigurationInvalid
from cvai.training.core.export import averaged_network, export
from cvai.training.core.loop import CHECKPOINT, new_state, train, training_progress
from cvai.training.core.networks import network_for
from cvai.training.core.start import first_weights
from cvai.training.tasks.registry import run_of
from cvai.training.tasks.sax.config import SaxConfig
from tests.training.acdc_like import small_config
from tests.training.small import LOUD_TRAINING

pytestmark = LOUD_TRAINING


def images(n: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(8, 3, 64, 64, generator=generator) for _ in range(n)]


def trained(tmp_path: Path) -> SaxConfig:
    """A run whose normalisations and biases are those of no fresh network."""
    config = small_config(tmp_path)
    state = new_state(run_of(config))
    generator = torch.Generator().manual_seed(5)
    state.network.load_state_dict(
        {
            name: value + 0.3 * torch.rand(value.shape, generator=generator)
            if value.is_floating_point() and value.ndim == 1
            else value
            for name, value in state.network.state_dict().items()
        }
    )
    state.average.module.load_state_dict(state.network.state_dict())
    config.output.mkdir(parents=True)
    state.save(config.output / CHECKPOINT)
    return config


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> SaxConfig:
    return trained(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def model(config: SaxConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(run_of(config), tmp_path_factory.mktemp("models") / "tiny")


@torch.no_grad()
def test_a_model_of_which_the_onnx_file_is_left_can_be_trained_further(
    config: SaxConfig, model: Path
) -> None:
    network = network_for(run_of(config))
    network.load_state_dict(first_weights(model, network_for(run_of(config)), images(4)))
    (seen, *_) = images(4)
    expected = averaged_network(run_of(config))(seen)
    torch.testing.assert_close(network.eval()(seen), expected, atol=1e-3, rtol=1e-3)
    # What a batch's own statistics give is near: the first steps of training do not have to learn it again.
    difference = network.train()(seen) - expected
    fresh = network_for(run_of(config)).train()(seen) - expected
    assert float(difference.std()) < 0.2 * float(fresh.std())


def test_a_run_that_starts_from_a_model_ends_as_far_from_it_as_asked(
    config: SaxConfig, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    optimise = config.optimise.model_copy(update={"start_from": model, "start_share": 1.0, "steps": 2})
    second = config.model_copy(update={"output": tmp_path / "runs" / "second", "optimise": optimise})
    with training_progress() as progress:
        train(run_of(second), resume=False, progress=progress)
    image = images(1)[0]
    with torch.no_grad():
        first_logits, second_logits = (averaged_network(run_of(c))(image) for c in (config, second))
    torch.testing.assert_close(second_logits, first_logits, atol=1e-3, rtol=1e-3)


def test_a_checkpoint_gives_its_averaged_weights(config: SaxConfig) -> None:
    weights = first_weights(config.output / CHECKPOINT, network_for(run_of(config)), images(1))
    expected = averaged_network(run_of(config)).state_dict()
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], value) for name, value in expected.items())


def test_a_network_of_other_filters_cannot_start_there(config: SaxConfig, model: Path) -> None:
    filters = tuple(2 * n for n in config.network.filters)
    network = config.network.model_copy(update={"filters": filters})
    other = network_for(run_of(config).with_values(network=network))
    with pytest.raises(ConfigurationInvalid) as refused:
        first_weights(model, other, images(1))
    assert refused.value.code == "start_differs"


def test_a_start_that_is_not_there_is_told(config: SaxConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid) as refused:
        first_weights(tmp_path / "nowhere", network_for(run_of(config)), images(1))
    assert refused.value.code == "start_missing"
