from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

import torch
from PIL import Image

from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.views import EchoView
from cvai.errors import ConfigurationInvalid
from cvai.models.card import load_card
from cvai.models.runtimes.onnx import OnnxNetwork
from cvai.training.core.export import averaged_network, export
from cvai.training.core.loop import train, training_progress
from cvai.training.datasets.data import load_split
from cvai.training.tasks.echo.augment import RandBeamsd, RandScrambled, beam_angle_and_depth, echo_transforms
from cvai.training.tasks.echo.camus import load_camus_patient
from cvai.training.tasks.echo.samples import VIEW_INDEX, frame_sample
from cvai.training.tasks.registry import load_run, run_of
from tests.conftest import ROOT
from tests.training.camus_like import SIZE, small_echo_config, write_camus_patient
from tests.training.small import LOUD_TRAINING

pytestmark = LOUD_TRAINING


def test_frames_of_camus_arrive_upright_with_view_phase_and_our_labels(tmp_path: Path) -> None:
    write_camus_patient(tmp_path, "patient0001", "val", seed=1)
    frames = load_camus_patient(tmp_path, "patient0001")
    assert [(f.view, f.phase) for f in frames] == [
        (EchoView.APICAL_4_CHAMBER, "ED"),
        (EchoView.APICAL_4_CHAMBER, "ES"),
        (EchoView.APICAL_2_CHAMBER, "ED"),
        (EchoView.APICAL_2_CHAMBER, "ES"),
    ]
    stored = np.asarray(Image.open(tmp_path / "val" / "patient0001" / "patient0001_4CH_ED.png"))
    np.testing.assert_array_equal(frames[0].image, stored.T)
    rows = {s: np.argwhere(frames[0].labels == value)[:, 0].mean() for s, value in ECHO_LABELS.items()}
    assert rows[Structure.LV_CAVITY] < rows[Structure.LEFT_ATRIUM], "the apex is at the top"


def test_a_patient_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="CVAI_DATA"):
        load_camus_patient(tmp_path, "patient0001")


def test_the_committed_split_is_the_data_set_s_own() -> None:
    split = load_split(ROOT / "data" / "splits" / "camus.toml")
    assert (len(set(split.train)), len(set(split.validation))) == (400, 50)


def test_a_squeezed_frame_keeps_each_structure_s_share_of_the_frame(tmp_path: Path) -> None:
    write_camus_patient(tmp_path, "patient0001", "train", seed=1)
    frame = load_camus_patient(tmp_path, "patient0001")[0]
    label = frame_sample(frame, size=48)["label"].float()
    for value in ECHO_LABELS.values():
        share = np.count_nonzero(frame.labels == value) / SIZE**2
        assert float(label[value].mean()) == pytest.approx(share, rel=0.02)


def test_augmentation_moves_frame_and_labels_together(tmp_path: Path) -> None:
    config = small_echo_config(tmp_path)
    calm = config.augment.model_copy(update={"scrambled": 0.0, "shadow": 0.0, "sector_cut": 0.0})
    sample = frame_sample(load_camus_patient(tmp_path / "camus", "patient0001")[0], 64)
    transforms = echo_transforms(calm, 64).set_random_state(2)
    for _ in range(20):
        out = transforms(dict(sample))
        inside = out["image"][out["label"] == ECHO_LABELS[Structure.LV_CAVITY]].mean()
        wall = out["image"][out["label"] == ECHO_LABELS[Structure.LV_MYOCARDIUM]].mean()
        assert wall > inside + 0.1


def test_a_scrambled_frame_keeps_its_pixels_and_is_no_view(tmp_path: Path) -> None:
    write_camus_patient(tmp_path, "patient0001", "train", seed=1)
    sample = frame_sample(load_camus_patient(tmp_path, "patient0001")[0], 64)
    out = RandScrambled(prob=1.0).set_random_state(1)(dict(sample))
    assert out["view"] == VIEW_INDEX[EchoView.OTHER]
    assert float(out["label"][0].min()) == 1
    assert float(out["label"][1:].max()) == 0
    assert not torch.equal(out["image"], sample["image"])
    assert torch.equal(out["image"].flatten().sort().values, sample["image"].flatten().sort().values)


def test_a_shadow_follows_the_beams() -> None:
    sample = {"image": torch.ones(1, 64, 64)}
    shadowed = RandBeamsd(attenuation=1e-9, shadow=1.0).set_random_state(5)(sample)["image"][0]
    angle, depth = beam_angle_and_depth(64)
    deep = depth > 0.8
    order = angle[deep].argsort()
    brightness = shadowed[deep][order]
    darkest = angle[deep][order][brightness.argmin()]
    beside = (angle[deep] - darkest).abs() < 0.02
    assert float(shadowed[deep][beside].std()) < 0.05, "along the beam it is equally dark"
    assert float(brightness.max() - brightness.min()) > 0.2


def test_the_committed_configuration_is_read() -> None:
    assert load_run(ROOT / "configs" / "train" / "echo.toml").config.view == "echo"


def test_an_echo_run_is_trained_and_exported_with_its_views(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    config = small_echo_config(tmp_path / "data", steps=2)
    with training_progress() as progress:
        train(run_of(config), resume=True, progress=progress)
    assert (config.output / "validation_000002.png").is_file()
    folder = export(run_of(config), tmp_path / "models" / "tiny_echo")
    card = load_card(folder)
    assert (card.view, card.views, card.labels) == ("echo", tuple(EchoView), dict(ECHO_LABELS))
    image = np.random.default_rng(0).random((3, 1, 64, 64)).astype(np.float32)
    with torch.no_grad():
        expected = averaged_network(run_of(config))(torch.from_numpy(image)).numpy()
    assert expected.shape == (3, 7, 64, 64)
    np.testing.assert_allclose(OnnxNetwork(folder).logits(image), expected, atol=1e-3)
