"""The training loop: resumable, watched, the same again from the same seed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import CacheDataset, DataLoader
from monai.losses import DiceCELoss
from monai.transforms import Compose
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cvai.errors import ConfigurationInvalid
from cvai.training.augment import training_transforms
from cvai.training.config import OptimiseConfig, TrainConfig
from cvai.training.data import (
    LabelledVolume,
    SliceSample,
    Split,
    load_split,
    slice_samples,
)
from cvai.training.datasets.kinds import open_dataset
from cvai.training.networks import sax_network
from cvai.training.preview import save_validation_picture, window_dice
from cvai.training.tracking import Tracker

CHECKPOINT = "checkpoint.pt"


@dataclass(slots=True)
class TrainState:
    """Everything that changes from step to step; saved and restored as one."""

    network: torch.nn.Module
    average: AveragedModel
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    step: int = 0

    def save(self, path: Path) -> None:
        """Write a checkpoint; a crash while writing leaves the former one whole."""
        partial = path.with_suffix(".partial")
        torch.save(
            {
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "schedule": self.schedule.state_dict(),
                "step": self.step,
            },
            partial,
        )
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint."""
        saved: dict[str, Any] = torch.load(path, weights_only=True)
        self.network.load_state_dict(saved["network"])
        self.average.load_state_dict(saved["average"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.schedule.load_state_dict(saved["schedule"])
        self.step = int(saved["step"])


def new_state(config: TrainConfig) -> TrainState:
    """A fresh network with its optimiser, warm-up and cosine schedule and moving average."""
    network = sax_network(config.network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimise = config.optimise
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=optimise.learning_rate, weight_decay=optimise.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: learning_rate_factor(step, optimise.warmup_steps, optimise.steps)
    )
    average = AveragedModel(
        network,
        multi_avg_fn=get_ema_multi_avg_fn(optimise.average_decay),  # type: ignore[no-untyped-call]
        use_buffers=True,
    )
    return TrainState(network, average, optimiser, schedule)


def learning_rate_factor(step: int, warmup_steps: int, steps: int) -> float:
    """A linear rise, then half a cosine down to zero at the last step.

    >>> [round(learning_rate_factor(step, 10, 1000), 2) for step in (0, 9, 500, 1000)]
    [0.1, 1.0, 0.5, 0.0]
    """
    rise = min(1.0, (step + 1) / warmup_steps)
    return rise * 0.5 * (1.0 + math.cos(math.pi * min(1.0, step / steps)))


def load_volumes(config: TrainConfig, patients: tuple[str, ...]) -> list[LabelledVolume]:
    """The labelled phases of every patient.

    Raises:
        ConfigurationInvalid: a patient is missing, or not every structure was drawn: what nobody drew would
            be learnt as background.
    """
    dataset = open_dataset(config.data.kind, config.data.folder)
    volumes = [volume for patient in patients for volume in dataset.volumes(patient)]
    partial = next((volume for volume in volumes if not volume.is_drawn_throughout), None)
    if partial is not None:
        raise ConfigurationInvalid(
            "labels_partial",
            f"{partial.patient} {partial.phase} is not labelled throughout: some structure was not drawn.",
            "Evaluate on these patients, and train on others.",
        )
    return volumes


def batches(
    samples: list[SliceSample], transforms: Compose, optimise: OptimiseConfig, start: int, seed: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless shuffled batches of (image (n, 3, y, x), label (n, 1, y, x)); ``start`` varies the seed."""
    dataset = CacheDataset(samples, transforms, cache_rate=0.0, progress=False)
    transforms.set_random_state(seed + start)
    generator = torch.Generator().manual_seed(seed + start)
    loader = DataLoader(
        dataset,
        batch_size=optimise.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=1,
        persistent_workers=True,
        generator=generator,
    )
    while True:
        for batch in loader:
            image = batch["image"].as_tensor().to(memory_format=torch.channels_last)
            yield image, batch["label"].as_tensor()


def train_step(
    state: TrainState, loss_function: DiceCELoss, image: torch.Tensor, label: torch.Tensor
) -> float:
    """One step down the gradient; returns the loss."""
    state.network.train()
    loss = loss_function(state.network(image), label)
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
    state.optimiser.step()
    state.schedule.step()
    state.average.update_parameters(state.network)
    state.step += 1
    return float(loss.detach())


def seed_everything(seed: int) -> None:
    """Seed each generator that training draws from."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def train(config: TrainConfig, *, resume: bool, progress: Progress) -> Path:
    """Train to the end of the schedule and return the checkpoint.

    Args:
        config: what to train.
        resume: continue from the run's checkpoint where there is one.
        progress: a started rich progress display.
    """
    seed_everything(config.seed)
    torch.set_num_threads(config.optimise.threads)
    split: Split = load_split(config.data.split)
    size, spacing_mm = config.input.size, config.input.spacing_mm
    training = [s for v in load_volumes(config, split.train) for s in slice_samples(v, spacing_mm)]
    validation = [s for v in load_volumes(config, split.validation) for s in slice_samples(v, spacing_mm)]

    config.output.mkdir(parents=True, exist_ok=True)
    checkpoint = config.output / CHECKPOINT
    state = new_state(config)
    if resume and checkpoint.is_file():
        state.restore(checkpoint)

    loss_function = DiceCELoss(softmax=True, to_onehot_y=True, include_background=False, batch=True)
    transforms = training_transforms(config.augment, size, spacing_mm)
    stream = batches(training, transforms, config.optimise, state.step, config.seed)
    optimise = config.optimise
    task = progress.add_task("training", total=optimise.steps, completed=state.step, loss=float("nan"))
    with Tracker(config) as tracker:
        mean_loss = 1.0
        while state.step < optimise.steps:
            loss = train_step(state, loss_function, *next(stream))
            mean_loss = 0.98 * mean_loss + 0.02 * loss
            progress.update(task, completed=state.step, loss=mean_loss)
            if state.step % optimise.validate_every == 0 or state.step == optimise.steps:
                state.save(checkpoint)
                scores = window_dice(state.average.module, validation, size)
                picture = config.output / f"validation_{state.step:06d}.png"
                save_validation_picture(state.average.module, validation, size, picture)
                tracker.log({"loss": mean_loss, **scores}, state.step, picture)
                progress.console.print(f"step {state.step}: loss {mean_loss:.4f}, {_spelled(scores)}")
    return checkpoint


def _spelled(scores: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in scores.items())


def training_progress() -> Progress:
    """The progress bar of ``cvai train``."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TimeRemainingColumn(),
    )
