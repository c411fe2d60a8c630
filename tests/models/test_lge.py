from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cvai.domain.anatomy import LGE_LABELS
from cvai.errors import ConfigurationInvalid, HeartRefused
from cvai.models.card import ModelCard, load_card
from cvai.models.folders import model_folder
from cvai.models.lge import LgeSegmenter, keep_one_heart
from cvai.models.network import open_network

CAVITY, WALL, INFARCT, NO_REFLOW = LGE_LABELS.values()
GREYS = np.array([100, 160, 40, 250, 10], dtype=np.float32)
SIZE = 64


def card() -> ModelCard:
    """As of a model for late enhancement."""
    echo = load_card(model_folder("echo"))
    changed = {"size": SIZE, "channels": ("slice before", "slice", "slice after")}
    shown = echo.input.model_copy(update=changed)
    return echo.model_copy(update={"view": "lge", "labels": dict(LGE_LABELS), "views": (), "input": shown})


class GreyLevels:
    """A network that knows each label by its grey level, whatever the levels are scaled to."""

    provider = "numpy"

    def __init__(self) -> None:
        self.card = card()

    def logits(self, images: NDArray[np.float32], _batch_size: int | None = None) -> NDArray[np.float32]:
        assert images.shape[1:] == (3, SIZE, SIZE)
        grey = images[:, 1] * (GREYS.max() - GREYS.min()) + GREYS.min()
        return -np.abs(grey[:, None] - GREYS[:, None, None]) / 10


def heart(height: float, width: float, slices: int = 3) -> NDArray[np.uint8]:
    """(z, 150, 180) labels: a ring, part of which is infarcted around no-reflow, off the middle."""
    y, x = np.mgrid[:150, :180]
    distance = np.hypot((y - 60) / height, (x - 100) / width)
    labels = np.where(distance < 1, WALL, 0)
    beside = (distance < 1) & (x > 100 + width / 3)
    labels[beside] = INFARCT
    labels[beside & (np.abs(distance - 0.8) < 0.07)] = NO_REFLOW
    labels[distance < 0.6] = CAVITY
    return np.repeat(labels[None].astype(np.uint8), slices, axis=0)


@pytest.mark.parametrize(("height", "width"), [(30, 30), (22, 45), (45, 22)])
@pytest.mark.parametrize("slices", [1, 3])
def test_a_heart_of_any_proportions_is_labelled_on_its_own_grid(height: int, width: int, slices: int) -> None:
    truth = heart(height, width, slices)
    found = LgeSegmenter(GreyLevels()).segment(GREYS[truth]).labels
    assert found.shape == truth.shape
    assert np.mean(found[truth > 0] == truth[truth > 0]) > 0.88, "all but the borders"
    assert not found[:, :5].any()


class Torn(GreyLevels):
    """A network that knows an infarct only half."""

    def logits(self, images: NDArray[np.float32], _batch_size: int | None = None) -> NDArray[np.float32]:
        logits = super().logits(images)
        logits[:, WALL] = np.maximum(logits[:, WALL], logits[:, INFARCT] - 0.1)
        return logits


def test_an_infarct_that_is_known_only_half_is_left_open() -> None:
    images = GREYS[heart(30, 30)]
    sure, torn = (LgeSegmenter(network()).segment(images) for network in (GreyLevels, Torn))
    assert sure.infarct_open_percent is not None
    assert torn.infarct_open_percent is not None
    infarct = 100 * np.mean(sure.labels[sure.labels > CAVITY] > WALL)
    assert sure.infarct_open_percent < 0.25 * infarct
    assert 0.3 * infarct < torn.infarct_open_percent < 0.6 * infarct


class Blind(GreyLevels):
    """A network that finds nothing."""

    def logits(self, images: NDArray[np.float32], _batch_size: int | None = None) -> NDArray[np.float32]:
        logits = np.zeros((len(images), len(GREYS), SIZE, SIZE), np.float32)
        logits[:, 0] = 1
        return logits


def test_an_image_without_a_heart_is_refused() -> None:
    with pytest.raises(HeartRefused, match="No left ventricle"):
        LgeSegmenter(Blind()).segment(np.full((2, 90, 90), 100, np.float32))


def test_of_two_hearts_the_larger_is_kept_and_holes_are_cavity() -> None:
    labels = heart(30, 30)
    labels[1, 60, 100] = 0
    labels[:, 5:9, 5:9] = WALL
    kept = keep_one_heart(labels)
    assert not kept[:, :20, :20].any()
    assert kept[1, 60, 100] == CAVITY
    assert set(np.unique(kept)) == {0, *LGE_LABELS.values()}


def test_a_model_for_another_kind_of_image_is_refused() -> None:
    with pytest.raises(ConfigurationInvalid, match="not for late enhancement"):
        LgeSegmenter(open_network(model_folder("echo"), 1))
