from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

import torch
from PIL import Image
from typer.testing import CliRunner

from cvai.cli.main import app
from cvai.domain.vessels.segments import CORONARY_LABELS, CoronarySegment
from cvai.errors import ConfigurationInvalid
from cvai.models.card import load_card
from cvai.models.cells import in_cells
from cvai.models.coronary import CoronarySegmenter
from cvai.models.network import Network
from cvai.training.core.export import export
from cvai.training.core.loop import train, training_progress
from cvai.training.core.spec import Asked
from cvai.training.datasets.arcade import load_angiogram
from cvai.training.datasets.data import load_split
from cvai.training.tasks.coronary.augment import BatchMaker, FrameBank, shares_of
from cvai.training.tasks.coronary.evaluation.run import evaluate
from cvai.training.tasks.coronary.loss import coronary_loss
from cvai.training.tasks.coronary.task import sampling_weights
from cvai.training.tasks.registry import load_run, run_of
from tests.conftest import ROOT
from tests.training.arcade_like import SIDE, small_coronary_config, write_angiogram
from tests.training.small import LOUD_TRAINING

pytestmark = LOUD_TRAINING


def test_polygons_become_labels_in_the_order_of_the_categories(tmp_path: Path) -> None:
    write_angiogram(tmp_path, "syntax/train/1", seed=0)
    frame = load_angiogram(tmp_path, "syntax/train/1")
    assert set(np.unique(frame.labels)) == {0, 1, 2, 3}
    assert frame.image[frame.labels > 0].mean() < 60, "vessels are dark"
    assert frame.image[frame.labels == 0].mean() > 120
    first, last = (np.argwhere(frame.labels == k).mean(axis=0) for k in (1, 3))
    assert first[0] < last[0], "the first segment lies above the third: y is not x"


def test_an_image_without_a_file_of_polygons_has_no_stenosis(tmp_path: Path) -> None:
    write_angiogram(tmp_path, "stenosis/val/1", seed=0)
    assert load_angiogram(tmp_path, "stenosis/val/1").labels.max() == 1
    (tmp_path / "stenosis/val/1.txt").unlink()
    assert load_angiogram(tmp_path, "stenosis/val/1").labels.max() == 0


def test_a_missing_image_and_a_category_of_the_other_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="CVAI_DATA"):
        load_angiogram(tmp_path, "syntax/train/1")
    write_angiogram(tmp_path, "syntax/train/1", seed=0)
    (tmp_path / "syntax/train/1.txt").write_text("25 1 1 9 1 9 9\n")
    with pytest.raises(ConfigurationInvalid, match="category 25"):
        load_angiogram(tmp_path, "syntax/train/1")


def test_the_committed_split_holds_every_validation_image_and_no_image_twice() -> None:
    split = load_split(ROOT / "data" / "splits" / "arcade.toml")
    assert len(set(split.validation)) == 200
    assert len(set(split.train)) == len(split.train) == 1455


def test_a_batch_is_the_same_again_and_keeps_the_share_of_vessels(tmp_path: Path) -> None:
    config = small_coronary_config(tmp_path)
    names = [f"syntax/train/{k}" for k in (1, 2)]
    frames = [load_angiogram(tmp_path / "arcade", name) for name in names]
    bank = FrameBank(frames, torch.device("cpu"))
    chosen = torch.tensor([0, 1] * 8)
    one, two = (BatchMaker(bank, config.augment, SIDE // 4, seed=3).batch(chosen) for _ in range(2))
    assert torch.equal(one["image"], two["image"])
    assert one["image"].shape == (16, 16, SIDE // 4, SIDE // 4)
    torch.testing.assert_close(one["shares"].sum(dim=1), torch.ones(16, SIDE // 4, SIDE // 4))
    drawn = np.mean([frame.labels > 0 for frame in frames])
    assert float(1 - one["shares"][:, 0].mean()) == pytest.approx(drawn, rel=0.3)


def test_a_batch_is_never_mirrored(tmp_path: Path) -> None:
    config = small_coronary_config(tmp_path)
    frame = load_angiogram(tmp_path / "arcade", "syntax/train/1")
    maker = BatchMaker(FrameBank([frame], torch.device("cpu")), config.augment, SIDE // 4, seed=3)
    shares = maker.batch(torch.zeros(32, dtype=torch.long))["shares"]
    columns = torch.arange(SIDE // 4)
    first, second = ((shares[:, k].sum(dim=1) * columns).sum(-1) / shares[:, k].sum((1, 2)) for k in (1, 2))
    assert (first < second).all()


def test_the_same_cells_are_made_for_training_and_for_inference() -> None:
    image = torch.rand(1, 1, 24, 40)
    torch.testing.assert_close(
        torch.nn.functional.pixel_unshuffle(image, 4), torch.from_numpy(in_cells(image[:, 0].numpy()))
    )


def batch_of(labels: torch.Tensor) -> dict[str, torch.Tensor]:
    """Of two frames: segments on the first, stenoses on the second."""
    shares = shares_of(labels)
    return {"shares": shares, "stenosis": shares[:, 1].clone(), "is_stenosis": torch.tensor([False, True])}


def test_what_is_not_drawn_has_no_part_in_the_loss() -> None:
    torch.manual_seed(0)
    labels = torch.randint(0, 2, (2, 1, 16, 16))
    batch = batch_of(labels)
    logits = torch.randn(2, 27, 4, 4)
    other = logits.clone()
    other[0, -1] += 5
    other[1, :-1] += torch.randn(26, 4, 4)
    assert coronary_loss(logits, batch) == coronary_loss(other, batch)
    other[0, 1] += 1
    assert coronary_loss(logits, batch) != coronary_loss(other, batch)


def test_what_a_teacher_says_counts_where_it_is_asked() -> None:
    torch.manual_seed(0)
    batch = batch_of(torch.randint(0, 2, (2, 1, 16, 16)))
    batch["shares"][1], batch["stenosis"][0] = batch["shares"][0].flip(-1), 0.5
    logits = torch.randn(2, 27, 4, 4)
    for place in ((0, -1), (1, 3)):
        other = logits.clone()
        other[place] += 5
        assert coronary_loss(logits, batch) == coronary_loss(other, batch)
        assert coronary_loss(logits, batch, taught_weight=0.5) != coronary_loss(
            other, batch, taught_weight=0.5
        )


class SaysOneSegment:
    """A teacher that sees segment 2 in the left half of a frame, and a stenosis everywhere."""

    def logits(self, images: np.ndarray) -> np.ndarray:
        n, _, rows, columns = images.shape
        logits = np.full((n, 27, rows, columns), -20.0, dtype=np.float32)
        logits[:, 0] = logits[:, -1] = 20.0
        logits[:, [2], :, : columns // 2] = 40.0
        return logits


def test_a_teacher_stands_in_for_what_is_not_drawn(tmp_path: Path) -> None:
    config = small_coronary_config(tmp_path)
    names = ["syntax/train/1", "stenosis/train/1"]
    frames = [load_angiogram(tmp_path / "arcade", name) for name in names]
    still = dict.fromkeys(type(config.augment).model_fields, 0.0) | {"gamma": 1e-6}
    unchanged = type(config.augment)(**still)
    bank = FrameBank(frames, torch.device("cpu"), cast("Network", SaysOneSegment()))
    batch = BatchMaker(bank, unchanged, SIDE // 4, seed=3).batch(torch.tensor([0, 1]))
    middle = SIDE // 8
    assert batch["stenosis"][0].min() > 0.99
    assert batch["shares"][1, 2, :, : middle - 1].min() > 0.99
    assert batch["shares"][1, 0, :, middle + 1 :].min() > 0.99
    torch.testing.assert_close(
        batch["shares"][0], shares_of(torch.from_numpy(frames[0].labels)[None, None].long())[0]
    )
    assert 0 < batch["stenosis"][1].mean() < 0.5


def test_perfect_maps_have_next_to_no_loss() -> None:
    labels = torch.zeros(2, 1, 32, 32, dtype=torch.long)
    labels[0, :, 8:24, 8:24], labels[1, :, :8, :16] = 4, 1
    batch = batch_of(labels)
    logits = torch.cat([batch["shares"] * 40 - 20, torch.full((2, 1, 8, 8), -20.0)], dim=1)
    logits[1, -1] = batch["shares"][1, 1] * 40 - 20
    assert float(coronary_loss(logits, batch)) < 1e-3


def test_rare_segments_are_drawn_more_often_and_stenoses_by_their_share(tmp_path: Path) -> None:
    for k in range(1, 6):
        write_angiogram(tmp_path, f"syntax/train/{k}", seed=k)
    (tmp_path / "syntax/train/5.txt").write_text("10 1 1 9 1 9 9\n")
    write_angiogram(tmp_path, "stenosis/train/1", seed=9)
    names = [*(f"syntax/train/{k}" for k in range(1, 6)), "stenosis/train/1"]
    weights = sampling_weights([load_angiogram(tmp_path, name) for name in names], 0.25)
    assert weights[-1] == pytest.approx(0.25)
    assert sum(weights) == pytest.approx(1.0)
    assert weights[4] == pytest.approx(2 * weights[0])


def test_a_run_resumes_exports_and_is_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVAI_DATA", str(tmp_path))
    config = small_coronary_config(tmp_path)
    with training_progress() as progress:
        train(run_of(config), resume=True, progress=progress)
        longer = config.model_copy(update={"optimise": config.optimise.model_copy(update={"steps": 6})})
        train(run_of(longer), resume=True, progress=progress)
    assert (config.output / "validation_000006.png").is_file()
    folder = export(run_of(longer), tmp_path / "model")
    card = load_card(folder)
    assert card.labels == dict(CORONARY_LABELS)
    assert (card.license, card.input.low_percentile) == ("CC-BY-4.0", 0.0)
    maps = CoronarySegmenter.load(folder, threads=1).maps(np.full((90, 70), 0.5, dtype=np.float32))
    assert maps.labels.shape == maps.vessel.shape == maps.stenosis.shape == (90, 70)
    report = evaluate(folder, Asked("arcade", split=config.data.split))
    assert report.n_patients == len(report.record["by_image"]) == 4
    assert set(report.metrics) == {"vessel_dice", "segment_f1", "stenosis_f1"}
    assert report.pictures()
    Image.fromarray(load_angiogram(tmp_path / "arcade", "syntax/val/1").image[:, 30:]).save(
        tmp_path / "in.png"
    )
    command = ["segment", str(tmp_path / "in.png"), str(tmp_path / "out.png"), "--model", str(folder)]
    assert CliRunner().invoke(app, command, catch_exceptions=False).exit_code == 0
    labels = np.asarray(Image.open(tmp_path / "out.png"))
    assert (labels.dtype, labels.shape, labels.max() <= 25) == (np.uint8, (SIDE, SIDE - 30), True)


@pytest.mark.parametrize("name", ["coronary", "coronary_gpu"])
def test_the_committed_configurations_are_valid(name: str) -> None:
    run = load_run(ROOT / "configs" / "train" / f"{name}.toml")
    assert run.task.outputs == 1 + len(CoronarySegment) + 1
    assert run.config.input.size % run.config.network.multiple_of == 0
