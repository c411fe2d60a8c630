"""What every training configuration holds: a TOML file, checked before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
PositiveInt = Annotated[int, Field(gt=0)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A table of the file; a key that it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    former: ClassVar[frozenset[str]] = frozenset()
    """Keys without a meaning today that configurations of registered runs state; they are ignored."""

    @model_validator(mode="before")
    @classmethod
    def _without_former(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if name not in cls.former}


class DataConfig(Section):
    """Where samples come from; each task adds its own."""

    split: Path = Field(description="TOML file that lists training and validation patients")


class InputConfig(Section):
    """What the network sees; each task adds its own."""

    size: PositiveInt = Field(description="pixels on a side of the square window")


class NetworkConfig(Section):
    """MONAI DynUNet."""

    filters: tuple[PositiveInt, ...]

    @property
    def multiple_of(self) -> int:
        """What rows and columns of the input are multiples of."""
        return int(2 ** (len(self.filters) - 1))


class OptimiseConfig(Section):
    """How long and how fast."""

    steps: PositiveInt
    batch_size: PositiveInt
    learning_rate: Positive
    weight_decay: Positive
    warmup_steps: PositiveInt
    average_decay: Probability = Field(description="decay of the moving average of weights")
    validate_every: PositiveInt
    threads: PositiveInt
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="where the network trains")
    mixed_precision: bool = Field(
        default=False, description="convolutions in bfloat16, weights and loss in float32"
    )
    start_from: Path | None = Field(
        default=None, description="whose weights to start from: a run's checkpoint, or the folder of a model"
    )
    start_share: Probability = Field(
        default=0.0, description="share of the weights started from in those that the run ends with"
    )


class RunConfig(Section):
    """One training run; a task derives from it and narrows ``view`` to its own name."""

    name: str
    version: str
    view: str = Field(description="the task, by its name")
    seed: int
    output: Path
    data: DataConfig
    input: InputConfig
    network: NetworkConfig
    optimise: OptimiseConfig
