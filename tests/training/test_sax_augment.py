from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

import torch

from cvai.errors import ConfigurationInvalid
from cvai.training.core.loop import CHECKPOINT, train, training_progress
from cvai.training.core.loss import one_of
from cvai.training.core.start import averaged_weights
from cvai.training.datasets.data import load_acdc_patient
from cvai.training.tasks.registry import run_of
from cvai.training.tasks.sax.augment import BatchMaker, SliceBank
from cvai.training.tasks.sax.config import AugmentConfig, SaxConfig
from cvai.training.tasks.sax.samples import SliceSample, cut_centred, slice_samples
from tests.training.acdc_like import small_config, write_patient
from tests.training.small import LOUD_TRAINING

pytestmark = LOUD_TRAINING

SIZE = 64
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[SliceSample]:
    folder = tmp_path_factory.mktemp("acdc")
    shapes = {"patient001": (96, 80, 4), "patient002": (70, 110, 3)}
    for seed, (name, shape) in enumerate(shapes.items()):
        write_patient(folder / name, seed, shape)
    return [s for name in shapes for v in load_acdc_patient(folder / name) for s in slice_samples(v, 2.0)]


def changes(**changed: float) -> AugmentConfig:
    """Next to no change, but for what is asked for."""
    still: dict[str, Any] = dict.fromkeys(("scale", "shear", "anywhere", "brightness", "drop_neighbour"), 0.0)
    least = dict.fromkeys(("centre_jitter_mm", "gamma", "noise", "bias_field"), 1e-6)
    return AugmentConfig(**{**still, **least, **changed})


def maker(samples: list[SliceSample], augment: AugmentConfig, seed: int = 1) -> BatchMaker:
    return BatchMaker(SliceBank(samples, torch.device("cpu")), augment, SIZE, 2.0, seed)


def test_areas_stay_what_they_are_where_hearts_are_only_turned(samples: list[SliceSample]) -> None:
    label = maker(samples, changes()).batch(torch.arange(len(samples)))["label"]
    for sample, drawn in zip(samples, label, strict=True):
        there = cut_centred(sample["label"].float(), sample["centre"], SIZE).argmax(dim=0)
        for value in (1, 2, 3):
            area = int((there == value).sum())
            assert int((drawn == value).sum()) == pytest.approx(area, rel=0.12, abs=12)


def test_images_and_labels_move_together(samples: list[SliceSample]) -> None:
    augment = changes(scale=0.3, shear=0.1, bend_mm=8.0, edge=0.3, occlude=0.3, coarse=0.2)
    batch = next(maker(samples, augment).endless([1.0] * len(samples), 64))
    shown = [
        (i[1], lab[0]) for i, lab in zip(batch["image"], batch["label"], strict=True) if (lab == 1).sum() > 40
    ]
    assert len(shown) > 30
    contrast = torch.stack([image[label == 1].mean() - image[label == 0].mean() for image, label in shown])
    assert float((contrast > 0.3).float().mean()) > 0.95


def test_the_same_seed_gives_the_same_batches_and_another_one_others(samples: list[SliceSample]) -> None:
    augment = changes(noise=0.1, bend_mm=5.0)
    first, again, other = (
        next(maker(samples, augment, seed).endless([1.0] * len(samples), 8)) for seed in (5, 5, 6)
    )
    assert torch.equal(first["image"], again["image"])
    assert torch.equal(first["label"], again["label"])
    assert not torch.equal(first["image"], other["image"])


def test_slices_are_drawn_as_often_as_their_weights_say(samples: list[SliceSample]) -> None:
    numbered: list[SliceSample] = [
        {**s, "image": torch.full_like(s["image"], 0.2 + 0.8 * (k == 3))} for k, s in enumerate(samples)
    ]
    weights = [float(len(samples) - 1) if k == 3 else 1.0 for k in range(len(samples))]
    stream = maker(numbered, changes()).endless(weights, 400)
    middle = next(stream)["image"][:, 1, SIZE // 2, SIZE // 2]
    assert float((middle > 0.6).float().mean()) == pytest.approx(0.5, abs=0.1)


def test_a_lost_neighbour_is_zero_and_the_slice_itself_stays(samples: list[SliceSample]) -> None:
    batch = maker(samples, changes(drop_neighbour=1.0, brightness=0.5)).batch(torch.arange(len(samples)))
    assert batch["image"][:, (0, 2)].abs().max() == 0
    assert batch["image"][:, 1].amax(dim=(1, 2)).min() > 0.3


def test_where_the_field_of_view_has_ended_there_is_neither_image_nor_label(
    samples: list[SliceSample],
) -> None:
    bright: list[SliceSample] = [
        {**s, "image": torch.ones_like(s["image"]), "label": _all_cavity(s["label"])} for s in samples
    ]
    whole = maker(bright, changes()).batch(torch.arange(len(samples)))
    cut = maker(bright, changes(edge=1.0)).batch(torch.arange(len(samples)))
    kept = (cut["label"] > 0).expand(-1, 3, -1, -1)
    lost = (whole["label"] > 0) & (cut["label"] == 0)
    assert cut["image"][lost.expand(-1, 3, -1, -1)].abs().max() == 0
    assert torch.equal(cut["image"][kept], whole["image"][kept])
    share = lost.sum(dim=(1, 2, 3)) / whole["label"].sum(dim=(1, 2, 3))
    assert 0.05 < float(share.mean()) < 0.35


def _all_cavity(shares: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(shares).index_fill_(0, torch.tensor(1), 1.0)


def of_device(config: SaxConfig, device: str) -> SaxConfig:
    return config.model_copy(update={"optimise": config.optimise.model_copy(update={"device": device})})


DISTURBANCES = ("coil", "contrast", "mixed_style", "banding", "ghosts", "partial_volume")


@pytest.mark.parametrize("name", DISTURBANCES)
def test_a_disturbance_changes_the_image_and_not_where_the_heart_is(
    samples: list[SliceSample], name: str
) -> None:
    chosen = torch.arange(len(samples))
    still = maker(samples, changes()).batch(chosen)["image"]
    disturbed = maker(samples, changes(**{name: 1.0})).batch(chosen)
    image, label = disturbed["image"], disturbed["label"][:, 0]
    assert bool(torch.isfinite(image).all())
    assert float((image - still).abs().amax()) > 0.05
    contrast = torch.stack(
        [i[1][m == 1].mean() - i[1][m == 2].mean() for i, m in zip(image, label, strict=True)]
    )
    assert float((contrast > 0).float().mean()) > 0.8  # blood is still brighter than the wall


def test_what_nobody_drew_is_left_open(samples: list[SliceSample]) -> None:
    open_to = one_of(0, 2, 3)
    cavities: list[SliceSample] = [{**s, "undrawn": open_to} for s in samples]
    label = maker(cavities, changes(edge=0.0)).batch(torch.arange(len(samples)))["label"]
    assert set(label.unique().tolist()) == {1, 2, 3, open_to}


def test_a_run_repeats_itself(tmp_path: Path) -> None:
    first, again = (small_config(tmp_path / name, steps=2) for name in ("one", "two"))
    with training_progress() as progress:
        one, two = (
            averaged_weights(train(run_of(config), resume=False, progress=progress))
            for config in (first, again)
        )
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_device_is_told_before_anything_is_written(tmp_path: Path) -> None:
    config = of_device(small_config(tmp_path), "cuda")
    with pytest.raises(ConfigurationInvalid) as refused, training_progress() as progress:
        train(run_of(config), resume=False, progress=progress)
    assert refused.value.code == "device_missing"
    assert not config.output.exists()


@needs_cuda
def test_what_a_cuda_device_has_trained_goes_on_and_is_read_without_one(tmp_path: Path) -> None:
    half = of_device(small_config(tmp_path, steps=2), "cuda")
    whole = half.model_copy(update={"optimise": half.optimise.model_copy(update={"steps": 4})})
    with training_progress() as progress:
        train(run_of(half), resume=True, progress=progress)
        train(run_of(whole), resume=True, progress=progress)
    weights = averaged_weights(whole.output / CHECKPOINT)
    assert {w.device.type for w in weights.values()} == {"cpu"}
