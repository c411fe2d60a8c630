"""Late enhancement as a training task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from cvai.domain.anatomy import LGE_LABELS
from cvai.domain.tissue.shares import WALL, WHOLE_INFARCT
from cvai.models.heart_window import LEVELS_SHARE, HeartBox, levels
from cvai.models.intensity import with_neighbours
from cvai.training.core.loss import dice_and_cross_entropy
from cvai.training.core.preview import logits_of, pooled_dice, save_sheet
from cvai.training.core.spec import Batch
from cvai.training.datasets.data import data_root, load_split
from cvai.training.datasets.emidec import EnhancementStack, load_emidec_patient
from cvai.training.tasks.lge.augment import BatchMaker, SliceBank
from cvai.training.tasks.lge.config import LgeConfig

_SMOOTH = 1.0


class LgeTask:
    """Windows around the heart and whole images, of slices with their neighbours or alone."""

    def __init__(self, config: LgeConfig) -> None:
        split = load_split(config.data.split)
        self._config = config
        self._bank = SliceBank(_stacks(config, split.train), torch.device(config.optimise.device))
        self._validation = _stacks(config, split.validation)

    def batches(self, start: int) -> Iterator[Batch]:
        """See ``TrainingTask``; ``image`` (n, 3, y, x) and ``label`` (n, 1, y, x)."""
        config, optimise = self._config, self._config.optimise
        maker = BatchMaker(self._bank, config.augment, config.input.size, config.seed + start)
        weights = self._bank.sampling_weights(optimise.infarct, optimise.no_reflow)
        return maker.endless(weights, optimise.batch_size)

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Dice and cross-entropy of the labels, and Dice of the whole wall and the whole infarct.

        What is measured are the wholes; healthy and infarcted myocardium alone would let the wall go where
        only the border between the two is wrong.
        """
        label, shares = batch["label"], logits.softmax(dim=1)
        wholes = (_dice_loss(shares, label, values) for values in (WALL, WHOLE_INFARCT))
        return dice_and_cross_entropy(logits, label) + sum(wholes, torch.zeros((), device=logits.device)) / 2

    def look(self, network: torch.nn.Module, picture: Path) -> dict[str, float]:
        """Dice of each structure over all windows around the heart pooled, and of the two wholes."""
        windows = [self._windows(stack) for stack in self._validation]
        images = [image for images, _ in windows for image in images]
        truth = torch.cat([labels for _, labels in windows])
        found = logits_of(network, images).argmax(dim=1)
        save_sheet(torch.stack(images)[:, 1], found, truth, picture)
        wholes = {"wall": WALL, "whole_infarct": WHOLE_INFARCT}
        return pooled_dice(found, truth, LGE_LABELS) | {
            f"dice_{name}": _overlap(found, truth, values) for name, values in wholes.items()
        }

    def _windows(self, stack: EnhancementStack) -> tuple[torch.Tensor, torch.Tensor]:
        """(z, 3, y, x) windows around the heart of a patient, and their (z, y, x) labels."""
        shape = (stack.image.shape[1], stack.image.shape[2])
        window = HeartBox.around(stack.labels).window(shape, self._config.input.size)
        images = window.cut(with_neighbours(stack.image.astype(np.float32)))
        one_hot = np.stack([stack.labels == value for value in LGE_LABELS.values()], axis=1)
        shares = window.cut(one_hot.astype(np.float32))
        labels = np.where(shares.sum(axis=1) >= 0.5, shares.argmax(axis=1) + 1, 0)
        return torch.from_numpy(levels(images, LEVELS_SHARE)), torch.from_numpy(labels)


def _stacks(config: LgeConfig, patients: tuple[str, ...]) -> list[EnhancementStack]:
    root = data_root() / config.data.folder
    return [load_emidec_patient(root, patient) for patient in patients]


def _dice_loss(shares: torch.Tensor, label: torch.Tensor, values: tuple[int, ...]) -> torch.Tensor:
    """One minus the Dice of several labels taken as one, over the whole batch."""
    share, drawn = shares[:, list(values)].sum(dim=1), torch.isin(label[:, 0], label.new_tensor(values))
    overlap = (share * drawn).sum()
    return 1 - (2 * overlap + _SMOOTH) / (share.sum() + drawn.sum() + _SMOOTH)


def _overlap(found: torch.Tensor, truth: torch.Tensor, values: tuple[int, ...]) -> float:
    a, b = (torch.isin(labels, torch.tensor(values)) for labels in (found, truth))
    return float(2 * (a & b).sum() / (a.sum() + b.sum()).clamp(min=1))
