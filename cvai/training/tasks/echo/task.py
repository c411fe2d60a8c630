"""Apical ultrasound views as a training task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from cvai.domain.anatomy import ECHO_LABELS
from cvai.training.core.loss import dice_and_cross_entropy
from cvai.training.core.preview import logits_of, pooled_dice, save_sheet
from cvai.training.core.sampling import weighted_batches
from cvai.training.core.spec import Batch
from cvai.training.datasets.data import data_root, load_acdc_patient, load_split
from cvai.training.tasks.echo.augment import echo_transforms
from cvai.training.tasks.echo.camus import load_camus_patient
from cvai.training.tasks.echo.config import EchoConfig
from cvai.training.tasks.echo.samples import FrameSample, frame_sample, noise_samples, other_samples

N_LABELS = len(ECHO_LABELS) + 1
VIEW_WEIGHT = 0.1
"""Of the view's cross-entropy against the loss of the labels: telling two views apart is the easier half."""


NOISE_SHARE = 0.2
"""Of the images that are no ultrasound; the others are cine MR."""


class EchoTask:
    """Frames of CAMUS; slices of cine MR and noise as what is no apical view."""

    def __init__(self, config: EchoConfig) -> None:
        self._config = config
        camus, other = load_split(config.data.split), load_split(config.data.other_split)
        self._training = _frames(config, camus.train)
        self._other = _others(config, other.train)
        self._validation = _frames(config, camus.validation)
        self._other_validation = _others(config, other.validation)

    def batches(self, start: int) -> Iterator[Batch]:
        """See ``TrainingTask``; ``image`` (n, 1, y, x), ``label`` (n, 1, y, x) and ``view`` (n,)."""
        config = self._config
        share = config.augment.other
        weights = [(1 - share) / len(self._training)] * len(self._training)
        weights += [share / len(self._other)] * len(self._other)
        transforms = echo_transforms(config.augment, config.input.size)
        samples = [*self._training, *self._other]
        return weighted_batches(samples, weights, transforms, config.optimise.batch_size, config.seed + start)

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Dice and cross-entropy of the labels, and cross-entropy of the view."""
        labels = dice_and_cross_entropy(logits[:, :N_LABELS], batch["label"])
        views = logits[:, N_LABELS:].mean(dim=(2, 3))
        return labels + VIEW_WEIGHT * cross_entropy(views, batch["view"])

    def look(self, network: torch.nn.Module, picture: Path) -> dict[str, float]:
        """Dice of each structure over all frames pooled, and the share of views named rightly."""
        frames, samples = self._validation, [*self._validation, *self._other_validation]
        images = [sample["image"].float() for sample in samples]
        logits = logits_of(network, images)
        found = logits[: len(frames), :N_LABELS].argmax(dim=1)
        truth = torch.stack([frame["label"] for frame in frames]).argmax(dim=1)
        save_sheet(torch.stack(images[: len(frames)])[:, 0], found, truth, picture)
        named = logits[:, N_LABELS:].mean(dim=(2, 3)).argmax(dim=1)
        accuracy = (named == torch.tensor([sample["view"] for sample in samples])).float().mean()
        return {**pooled_dice(found, truth, ECHO_LABELS), "view_accuracy": float(accuracy)}


def _frames(config: EchoConfig, patients: tuple[str, ...]) -> list[FrameSample]:
    root, size = data_root() / config.data.camus, config.input.size
    return [frame_sample(f, size) for patient in patients for f in load_camus_patient(root, patient)]


def _others(config: EchoConfig, patients: tuple[str, ...]) -> list[FrameSample]:
    """Slices of one phase of every patient, and noise."""
    root, size = data_root() / config.data.other, config.input.size
    slices = [s for patient in patients for s in other_samples(load_acdc_patient(root / patient)[0], size)]
    n_noise = max(1, round(len(slices) * NOISE_SHARE / (1 - NOISE_SHARE)))
    return [*slices, *noise_samples(n_noise, size, config.seed + len(patients))]
