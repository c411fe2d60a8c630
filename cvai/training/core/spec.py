"""What a training task is: the values and functions that everything else knows it by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import torch

from cvai.domain.anatomy import Structure
from cvai.domain.vessels.segments import CoronarySegment
from cvai.models.card import AdaptiveCard
from cvai.training.core.config import RunConfig
from cvai.training.datasets.port import Source
from cvai.training.evaluation.numbers import Numbers
from cvai.training.evaluation.report import Report

Batch = dict[str, torch.Tensor]
"""Tensors of equally many samples by name; ``image`` (n, c, y, x) is what the network is given."""

Record = Mapping[str, Any]
"""evaluation.json."""

OPTIONS = ("robustness", "split", "folder")
"""Of ``cvai evaluate``, those that not every task has a use for."""

RESEARCH_ONLY = "Research. Not for clinical use, not for commercial use."

AnyConfig = TypeVar("AnyConfig", bound=RunConfig)


class TrainingTask(Protocol):
    """Samples of a run, read and ready, with augmentation, loss and an early look at the result."""

    def batches(self, start: int) -> Iterator[Batch]:
        """Endless random batches; ``start``, the step a resumed run stands at, varies the seed."""
        ...

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of (n, k, y, x) logits, a scalar."""
        ...

    def look(self, network: torch.nn.Module, picture: Path) -> dict[str, float]:
        """Scores on validation samples by name, and a picture of some of them."""
        ...


@dataclass(frozen=True, slots=True)
class CardFields:
    """What a task knows of a model card.

    Args:
        source: of the labels that the network was trained on.
        input: what the card says of the input beside channels, size and intensities.
        further: sections and values of the card that only this task has.
        intended_use: what the licence of ``source`` leaves.
        patients: trained on; None for those of the split.
    """

    source: Source
    input: Mapping[str, Any] = field(default_factory=dict)
    further: Mapping[str, Any] = field(default_factory=dict)
    intended_use: str = RESEARCH_ONLY
    patients: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What ``cvai evaluate`` is asked for.

    Args:
        dataset: kind of data set, one of ``EvaluationPlan.datasets``.
        folder: of the data set, below CVAI_DATA unless absolute; None for the usual one.
        split: file whose validation patients are used; None for the usual one.
        at_most: take fewer patients, spread over the split.
        robustness: also change the images.
        threads: of the network.
    """

    dataset: str
    folder: str | None = None
    split: Path | None = None
    at_most: int | None = None
    robustness: bool = False
    threads: int = 1

    @property
    def options(self) -> tuple[str, ...]:
        """Which of OPTIONS are asked for."""
        return tuple(name for name in OPTIONS if getattr(self, name))


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """How models of a task are evaluated, and what promotion compares.

    Args:
        schema: ``schema`` of their evaluation.json, which names the task when the file is read again.
        evaluate: a model folder on the patients asked for.
        measured_on: patients of an evaluation, with what was measured of each; two evaluations are comparable
            where these agree.
        numbers: that decide about a promotion, with names for readers and by how much each may be worse.
        datasets: kinds of data sets, the usual one first.
        options: of OPTIONS, those that it has a use for.
        pool: the evaluations of all folds in their folders as one; None where that is not done.
        learn: intervals that follow a patient's difficulty, of a model folder from the patients asked for;
            None where that is not done.
    """

    schema: str
    evaluate: Callable[[Path, Asked], Report]
    measured_on: Callable[[Record], Sequence[tuple[str, str]]]
    numbers: Callable[[Record], Numbers]
    datasets: tuple[str, ...]
    options: frozenset[str] = frozenset()
    pool: Callable[[Sequence[Path]], Report] | None = None
    learn: Callable[[Path, Asked], AdaptiveCard] | None = None


@dataclass(frozen=True, slots=True)
class TaskSpec(Generic[AnyConfig]):
    """One thing that a network is trained for.

    The network is a 2-D UNet whose output has a channel for background and each label, then
    ``further_outputs``. The reference input of an exported model is smooth noise of ``channels`` at the size
    of the configuration, as ``cvai.models.reference`` makes it again from the card.

    Args:
        name: ``view`` in its configurations.
        config: what a configuration holds.
        channels: what each channel of the network's input holds.
        labels: value of each structure or segment, 1 and up.
        further_outputs: channels of the output after those of the labels.
        prepare: reads the samples of a run.
        card_view: ``view`` of the cards of its models.
        card: of a trained model.
        evaluation: of its models.
    """

    name: str
    config: type[AnyConfig]
    channels: tuple[str, ...]
    labels: Mapping[Structure, int] | Mapping[CoronarySegment, int]
    prepare: Callable[[AnyConfig], TrainingTask]
    card_view: str
    card: Callable[[AnyConfig], CardFields]
    evaluation: EvaluationPlan
    further_outputs: int = 0

    @property
    def outputs(self) -> int:
        """Channels of the network's output."""
        return 1 + len(self.labels) + self.further_outputs


@dataclass(frozen=True, slots=True)
class Run(Generic[AnyConfig]):
    """A configuration with the task that it is for."""

    task: TaskSpec[AnyConfig]
    config: AnyConfig

    def of_fold(self, fold: int) -> Self:
        """The same training with the split beside its own that ends in ``_foldN``, in a folder of its own.

        Fold 0 is the run itself.
        """
        if fold == 0:
            return self
        split, output = self.config.data.split, self.config.output
        data = self.config.data.model_copy(update={"split": split.with_stem(f"{split.stem}_fold{fold}")})
        return self.with_values(data=data, output=output.with_name(f"{output.name}_fold{fold}"))

    def with_values(self, **values: Any) -> Self:
        """The same run with other values in its configuration."""
        return replace(self, config=self.config.model_copy(update=values))


AnyTask = TaskSpec[Any]
AnyRun = Run[Any]
