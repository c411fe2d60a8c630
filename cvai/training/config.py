"""The training configuration: a TOML file, checked before anything starts."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cvai.errors import ConfigurationInvalid
from cvai.training.datasets.kinds import DatasetKind

Positive = Annotated[float, Field(gt=0)]
PositiveInt = Annotated[int, Field(gt=0)]
Probability = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(_Section):
    """Where patients come from."""

    kind: DatasetKind
    folder: str = Field(description="folder of the data set, below CVAI_DATA")
    split: Path = Field(description="TOML file that lists training and validation patients")


class InputConfig(_Section):
    """What the network sees."""

    spacing_mm: Positive
    size: PositiveInt = Field(description="pixels on a side of the square window, a multiple of 16")


class NetworkConfig(_Section):
    """MONAI DynUNet."""

    filters: tuple[PositiveInt, ...]


class AugmentConfig(_Section):
    """How far a training image is bent away from the original."""

    scale: Probability = Field(description="zoom range, 0.2 is 0.8 to 1.2")
    shear: Probability
    centre_jitter_mm: Positive = Field(description="standard deviation of the window's offset")
    anywhere: Probability = Field(description="share of windows placed anywhere in the image")
    gamma: Positive
    noise: Positive
    bias_field: Positive
    drop_neighbour: Probability


class OptimiseConfig(_Section):
    """How long and how fast."""

    steps: PositiveInt
    batch_size: PositiveInt
    learning_rate: Positive
    weight_decay: Positive
    warmup_steps: PositiveInt
    average_decay: Probability = Field(description="decay of the moving average of weights")
    validate_every: PositiveInt
    threads: PositiveInt


class TrainConfig(_Section):
    """One training run."""

    name: str
    version: str
    view: Literal["sax"]
    seed: int
    output: Path
    data: DataConfig
    input: InputConfig
    network: NetworkConfig
    augment: AugmentConfig
    optimise: OptimiseConfig


def load_config(path: Path) -> TrainConfig:
    """Read and check a configuration file.

    Raises:
        ConfigurationInvalid: the file is missing, not TOML, or a key is wrong.
    """
    try:
        return TrainConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ConfigurationInvalid("config_missing", f"There is no file {path}.") from error
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigurationInvalid("config_invalid", f"{path}: {error}") from error
