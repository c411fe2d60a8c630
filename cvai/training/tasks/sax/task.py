"""Short-axis cine MR as a training task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch

from cvai.domain.anatomy import SAX_LABELS
from cvai.errors import ConfigurationInvalid
from cvai.training.core.loss import dice_and_cross_entropy
from cvai.training.core.preview import logits_of, pooled_dice, save_sheet
from cvai.training.core.spec import Batch
from cvai.training.datasets.data import LabelledVolume, load_split
from cvai.training.datasets.kinds import open_dataset
from cvai.training.tasks.sax.augment import BatchMaker, SliceBank
from cvai.training.tasks.sax.config import FurtherDataConfig, SaxConfig, SaxOptimiseConfig
from cvai.training.tasks.sax.samples import SliceSample, cut_centred, slice_samples


class SaxTask:
    """Slices with their neighbours, and the labels of the slice in the middle."""

    def __init__(self, config: SaxConfig) -> None:
        split = load_split(config.data.split)
        training = _samples(config, split.train)
        self._config = config
        self._weights = sampling_weights(training, config.optimise)
        for further in config.data.further:
            samples = _further_samples(further, config.input.spacing_mm)
            share = further.share / (1 - further.share) * sum(self._weights) / len(samples)
            training += samples
            self._weights += [share] * len(samples)
        self._bank = SliceBank(training, torch.device(config.optimise.device))
        self._validation = _samples(config, split.validation)

    def batches(self, start: int) -> Iterator[Batch]:
        """See ``TrainingTask``; ``image`` (n, 3, y, x) and ``label`` (n, 1, y, x)."""
        config = self._config
        maker = BatchMaker(
            self._bank, config.augment, config.input.size, config.input.spacing_mm, config.seed + start
        )
        return maker.endless(self._weights, config.optimise.batch_size)

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Dice and cross-entropy."""
        return dice_and_cross_entropy(logits, batch["label"])

    def look(self, network: torch.nn.Module, picture: Path) -> dict[str, float]:
        """Dice of each structure over all windows around the heart pooled."""
        windows, shares = self._windows("image"), torch.stack(self._windows("label"))
        found = logits_of(network, windows).argmax(dim=1)
        drawn = shares[:, 1:].amax(dim=1) > shares[:, 0]  # outside the image every share is zero
        truth = torch.where(drawn, shares[:, 1:].argmax(dim=1) + 1, 0)
        save_sheet(torch.stack(windows)[:, 1], found, truth, picture)
        return pooled_dice(found, truth, SAX_LABELS)

    def _windows(self, key: Literal["image", "label"]) -> list[torch.Tensor]:
        size = self._config.input.size
        return [cut_centred(sample[key].float(), sample["centre"], size) for sample in self._validation]


def _samples(config: SaxConfig, patients: tuple[str, ...]) -> list[SliceSample]:
    spacing_mm = config.input.spacing_mm
    return [s for volume in load_volumes(config, patients) for s in slice_samples(volume, spacing_mm)]


def _further_samples(data: FurtherDataConfig, spacing_mm: float) -> list[SliceSample]:
    dataset = open_dataset(data.kind, data.folder)
    patients = load_split(data.split).train
    volumes = [volume for patient in patients for volume in dataset.volumes(patient)]
    return [s for volume in volumes for s in slice_samples(volume, spacing_mm)]


def load_volumes(config: SaxConfig, patients: tuple[str, ...]) -> list[LabelledVolume]:
    """The labelled phases of every patient.

    Raises:
        ConfigurationInvalid: a patient is missing, or not every structure was drawn: what was not drawn would
            be learnt as background.
    """
    dataset = open_dataset(config.data.kind, config.data.folder)
    volumes = [volume for patient in patients for volume in dataset.volumes(patient)]
    partial = next((volume for volume in volumes if not volume.is_drawn_throughout), None)
    if partial is not None:
        raise ConfigurationInvalid(
            "labels_partial",
            f"{partial.patient} {partial.phase} is not labelled throughout: some structure was not drawn.",
            "Name these patients under [[data.further]], and train on others beside them.",
        )
    return volumes


def sampling_weights(samples: list[SliceSample], optimise: SaxOptimiseConfig) -> list[float]:
    """How often slices are drawn, against each other.

    Slices at the base and the apex are drawn ``optimise.extremes`` times as often as the others: whether a
    slice still belongs to the ventricle is the hardest question there is here. Those of end-systole are drawn
    ``optimise.end_systole`` times as often: small cavities and thick walls are missed most.
    """
    return [
        (optimise.extremes if sample["extreme"] else 1.0)
        * (optimise.end_systole if sample["end_systole"] else 1.0)
        for sample in samples
    ]
