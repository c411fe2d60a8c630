"""The training loop: resumable, watched, the same again from the same seed."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cvai.errors import ConfigurationInvalid
from cvai.files import appearing_whole
from cvai.training.core.networks import network_for
from cvai.training.core.spec import AnyRun, Batch, TrainingTask
from cvai.training.core.start import Weights, first_weights
from cvai.training.core.tracking import Tracker

CHECKPOINT = "checkpoint.pt"

_SHOWN_EVERY = 10
"""Steps after which the progress bar asks a device for the loss."""

LOOKED_AT = 20
"""Batches from which a model of which only the ONNX file is left learns its normalisations again."""


@dataclass(slots=True)
class TrainState:
    """Everything that changes from step to step; saved and restored as one."""

    network: torch.nn.Module
    average: AveragedModel
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    mixed_precision: bool
    step: int = 0

    def save(self, path: Path) -> None:
        """Write a checkpoint; a crash while writing leaves the former one whole."""
        values = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "step": self.step,
        }
        with appearing_whole(path, private=False) as partial:
            torch.save(values, partial)

    def start_from(self, weights: Weights) -> None:
        """Take weights; the schedule is the run's own."""
        self.network.load_state_dict(weights)
        self.average.module.load_state_dict(weights)

    def blend(self, weights: Weights, share: float) -> None:
        """Mix the averaged weights with those that were started from.

        What two solutions of the same valley have in common holds better on patients that neither has seen
        (Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022, arXiv:2109.01903).
        """
        own_device = next(self.average.parameters()).device
        # DynUNet's state names some weights twice, so that they are not changed in place.
        self.average.module.load_state_dict(
            {
                name: own.lerp(weights[name].to(own_device), share) if own.is_floating_point() else own
                for name, own in self.average.module.state_dict().items()
            }
        )

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint."""
        saved: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        self.network.load_state_dict(saved["network"])
        self.average.load_state_dict(saved["average"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.schedule.load_state_dict(saved["schedule"])
        self.step = int(saved["step"])


def new_state(run: AnyRun) -> TrainState:
    """A fresh network with its optimiser, warm-up and cosine schedule and moving average."""
    optimise = run.config.optimise
    network = network_for(run).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.to(optimise.device)
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
    return TrainState(network, average, optimiser, schedule, optimise.mixed_precision)


def learning_rate_factor(step: int, warmup_steps: int, steps: int) -> float:
    """A linear rise, then half a cosine down to zero at the last step.

    >>> [round(learning_rate_factor(step, 10, 1000), 2) for step in (0, 9, 500, 1000)]
    [0.1, 1.0, 0.5, 0.0]
    """
    rise = min(1.0, (step + 1) / warmup_steps)
    return rise * 0.5 * (1.0 + math.cos(math.pi * min(1.0, step / steps)))


def train_step(state: TrainState, task: TrainingTask, batch: Batch) -> torch.Tensor:
    """One step down the gradient; returns the loss, which to read is to wait for the device."""
    state.network.train()
    device = next(state.network.parameters()).device
    batch = {name: values.to(device) for name, values in batch.items()}
    image = batch["image"].to(memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16, enabled=state.mixed_precision):
        logits = state.network(image)
    loss = task.loss(logits.float(), batch)
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
    state.optimiser.step()
    state.schedule.step()
    state.average.update_parameters(state.network)
    state.step += 1
    return loss.detach()


def seed_everything(seed: int) -> None:
    """Seed each generator that training draws from."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _require_device(device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigurationInvalid(
            "device_missing",
            "This run trains on a CUDA device, and torch sees none.",
            'Set device = "cpu" under [optimise], or install a torch that was built for the device.',
        )


def train(run: AnyRun, *, resume: bool, progress: Progress) -> Path:
    """Train to the end of the schedule and return the checkpoint.

    Args:
        run: what to train.
        resume: continue from the run's checkpoint where there is one.
        progress: a started rich progress display.

    Raises:
        ConfigurationInvalid: ``device_missing``.
    """
    config = run.config
    _require_device(config.optimise.device)
    seed_everything(config.seed)
    torch.set_num_threads(config.optimise.threads)
    torch.backends.cudnn.benchmark = True  # every batch has the same size
    task: TrainingTask = run.task.prepare(config)
    config.output.mkdir(parents=True, exist_ok=True)
    checkpoint: Path = config.output / CHECKPOINT
    state = new_state(run)
    if resume and checkpoint.is_file():
        state.restore(checkpoint)
    elif config.optimise.start_from is not None:
        state.start_from(_first_weights(run, config.optimise.start_from, task))

    stream, optimise = task.batches(state.step), config.optimise
    bar = progress.add_task("training", total=optimise.steps, completed=state.step, loss=float("nan"))
    with Tracker(config) as tracker:
        mean_loss = torch.tensor(1.0, device=optimise.device)
        while state.step < optimise.steps:
            mean_loss = 0.98 * mean_loss + 0.02 * train_step(state, task, next(stream))
            if state.step % _SHOWN_EVERY == 0 or state.step == optimise.steps:
                progress.update(bar, completed=state.step, loss=float(mean_loss))
            if state.step == optimise.steps and optimise.start_from is not None:
                state.blend(_first_weights(run, optimise.start_from, task), optimise.start_share)
            if state.step % optimise.validate_every == 0 or state.step == optimise.steps:
                state.save(checkpoint)
                picture = config.output / f"validation_{state.step:06d}.png"
                scores = task.look(state.average.module, picture)
                tracker.log({"loss": float(mean_loss), **scores}, state.step, picture)
                progress.console.print(f"step {state.step}: loss {mean_loss:.4f}, {_spelled(scores)}")
    return checkpoint


def _first_weights(run: AnyRun, source: Path, task: TrainingTask) -> Weights:
    images = (batch["image"].cpu() for batch in islice(task.batches(0), LOOKED_AT))
    return first_weights(source, network_for(run), images)


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
