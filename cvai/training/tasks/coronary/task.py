"""Coronary angiograms as a training task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from cvai.models.cells import in_cells
from cvai.models.network import Network
from cvai.models.runtimes.onnx import OnnxNetwork
from cvai.training.core.preview import logits_of, save_sheet
from cvai.training.core.spec import Batch
from cvai.training.datasets.arcade import Angiogram, load_angiogram
from cvai.training.datasets.data import data_root, load_split
from cvai.training.tasks.coronary.augment import N_CLASSES, BatchMaker, FrameBank, shares_of
from cvai.training.tasks.coronary.config import CoronaryConfig
from cvai.training.tasks.coronary.loss import coronary_loss


class CoronaryTask:
    """Frames of ARCADE: segments on some, stenoses on others."""

    def __init__(self, config: CoronaryConfig) -> None:
        split = load_split(config.data.split)
        training = _frames(config, split.train)
        self._config = config
        self._weights = sampling_weights(training, config.data.stenosis_share)
        self._bank = FrameBank(training, torch.device(config.optimise.device), _teacher(config))
        self._validation = _frames(config, split.validation)

    def batches(self, start: int) -> Iterator[Batch]:
        """See ``TrainingTask`` and ``BatchMaker.batch``."""
        config = self._config
        maker = BatchMaker(self._bank, config.augment, config.input.size, config.seed + start)
        return maker.endless(self._weights, config.optimise.batch_size)

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """See ``coronary_loss``."""
        data = self._config.data
        taught_weight = 0.0 if data.teacher is None else data.taught_weight
        return coronary_loss(logits, batch, data.stenosis_weight, taught_weight)

    def look(self, network: torch.nn.Module, picture: Path) -> dict[str, float]:
        """On cells, means over frames: Dice of the tree, F1 of segments, Dice of stenoses."""
        segments = [frame for frame in self._validation if frame.drawn == "syntax"]
        narrowed = [frame for frame in self._validation if frame.drawn == "stenosis"]
        found, truth = _logits(network, segments)[:, :-1].argmax(dim=1), _cells(segments)
        save_sheet(_images(segments), found.clamp(max=1), truth.clamp(max=1), picture)
        stenosis = _logits(network, narrowed)[:, -1] > 0
        return {
            "dice_vessel": _mean_dice(found > 0, truth > 0),
            "f1_segments": float(np.mean([_segment_f1(f, t) for f, t in zip(found, truth, strict=True)])),
            "dice_stenosis": _mean_dice(stenosis, _cells(narrowed) > 0),
        }


def sampling_weights(frames: Sequence[Angiogram], stenosis_share: float) -> list[float]:
    """How often frames are drawn: stenoses by their share, rare segments more often than common ones.

    A frame with segments weighs as the mean over its segments of one over the square root of how many frames
    show that segment.
    """
    shown = [np.unique(f.labels[f.labels > 0]) if f.drawn == "syntax" else None for f in frames]
    counts = np.zeros(N_CLASSES)
    for labels in shown:
        if labels is not None:
            counts[labels] += 1
    rarity = 1 / np.sqrt(counts.clip(min=1))
    weights = np.array([1.0 if labels is None else rarity[labels].mean() for labels in shown])
    narrowed = np.array([labels is None for labels in shown])
    for these, share in ((narrowed, stenosis_share), (~narrowed, 1 - stenosis_share)):
        weights[these] *= share / max(weights[these].sum(), 1e-9)
    return [float(weight) for weight in weights]


def _teacher(config: CoronaryConfig) -> Network | None:
    folder = config.data.teacher
    return None if folder is None else OnnxNetwork(folder, config.optimise.threads)


def _frames(config: CoronaryConfig, names: Sequence[str]) -> list[Angiogram]:
    root = data_root() / config.data.arcade
    return [load_angiogram(root, name) for name in names]


def _logits(network: torch.nn.Module, frames: Sequence[Angiogram]) -> torch.Tensor:
    images = np.stack([frame.image for frame in frames]).astype(np.float32) / np.float32(255)
    return logits_of(network, list(torch.from_numpy(in_cells(images))))


def _cells(frames: Sequence[Angiogram]) -> torch.Tensor:
    """(n, y, x) the class with the largest share of each cell."""
    labels = torch.from_numpy(np.stack([frame.labels for frame in frames])[:, None]).long()
    return torch.cat([shares_of(part).argmax(dim=1) for part in torch.split(labels, 16)])


def _images(frames: Sequence[Angiogram]) -> torch.Tensor:
    images = torch.from_numpy(np.stack([frame.image for frame in frames]))
    return torch.nn.functional.avg_pool2d(images.float(), 4)


def _mean_dice(found: torch.Tensor, truth: torch.Tensor) -> float:
    """Mean over frames; 1 where neither shows anything."""
    overlap, total = (found & truth).sum(dim=(1, 2)), found.sum(dim=(1, 2)) + truth.sum(dim=(1, 2))
    return float(torch.where(total > 0, 2 * overlap / total.clamp(min=1), 1.0).mean())


def _segment_f1(found: torch.Tensor, truth: torch.Tensor) -> float:
    """Mean Dice of the segments that are found or drawn in a frame."""
    labels = set(torch.unique(torch.stack([found, truth])).tolist())
    scores = [
        2 * ((found == k) & (truth == k)).sum() / ((found == k).sum() + (truth == k).sum())
        for k in labels - {0}
    ]
    return float(np.mean(scores)) if scores else 1.0
