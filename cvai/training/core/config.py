"""The training configuration: a TOML file, checked before anything starts."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from cvai.errors import ConfigurationInvalid
from cvai.training.datasets.kinds import DatasetKind

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
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
    brightness: Probability = Field(default=0.35, description="range of a factor, 0.35 is 0.65 to 1.35")
    noise: Positive
    bias_field: Positive
    drop_neighbour: Probability
    coarse: Probability = Field(
        default=0.0, description="share of images seen at down to half the resolution"
    )
    edge: Probability = Field(default=0.0, description="share of windows in which the field of view ends")
    bend_mm: NotNegative = Field(default=0.0, description="largest shift of points every 36 mm, bent between")
    occlude: Probability = Field(default=0.0, description="share of windows with square holes of 24 mm")

    @model_validator(mode="before")
    @classmethod
    def _without_batched(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Leave out the choice between two augmentations, which configurations of registered runs state."""
        return {name: value for name, value in values.items() if name != "batched"}


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
    extremes: Positive = Field(
        default=1.0, description="how often slices at the base and the apex are drawn, against those between"
    )
    end_systole: Positive = Field(
        default=1.0, description="how often slices of the end-systolic phase are drawn, against the others"
    )


class EchoDataConfig(_Section):
    """Where labelled ultrasound frames come from, and images that are no apical view."""

    camus: str = Field(description="folder of CAMUS, below CVAI_DATA")
    split: Path = Field(description="TOML file that lists training and validation patients")
    other: str = Field(description="folder of ACDC, below CVAI_DATA: images of the heart in no apical view")
    other_split: Path = Field(description="TOML file that lists the patients of ``other``")


class EchoInputConfig(_Section):
    """What the network sees of a frame."""

    size: PositiveInt = Field(description="pixels on a side of the square the sector is squeezed to")


class EchoAugmentConfig(_Section):
    """How far a frame is bent away from the original."""

    rotate_degrees: Positive
    scale: Probability = Field(description="zoom range of each axis, 0.2 is 0.8 to 1.2")
    shift: Probability = Field(description="largest shift, as a share of the frame")
    flip: Probability = Field(
        description="share of frames with left and right exchanged, as some laboratories show them"
    )
    gamma: Positive
    noise: Positive
    speckle: Positive
    attenuation: Positive = Field(description="largest exponent of brightness lost or gained with depth")
    shadow: Probability = Field(description="share of frames with a shadow from the transducer down")
    sector_cut: Probability = Field(description="share of frames whose sector is narrower or less deep")
    scrambled: Probability = Field(
        description="share of frames cut to pieces: the texture of ultrasound, and no heart"
    )
    other: Probability = Field(description="share of samples that are no ultrasound")


class _RunConfig(_Section):
    name: str
    version: str
    seed: int
    output: Path
    network: NetworkConfig
    optimise: OptimiseConfig


class TrainConfig(_RunConfig):
    """One training run of a short-axis model."""

    view: Literal["sax"]
    data: DataConfig
    input: InputConfig
    augment: AugmentConfig


class EchoTrainConfig(_RunConfig):
    """One training run of a model for apical ultrasound views."""

    view: Literal["echo"]
    data: EchoDataConfig
    input: EchoInputConfig
    augment: EchoAugmentConfig


AnyTrainConfig = TrainConfig | EchoTrainConfig
_ANY: TypeAdapter[AnyTrainConfig] = TypeAdapter(Annotated[AnyTrainConfig, Field(discriminator="view")])


def load_config(path: Path) -> AnyTrainConfig:
    """Read and check a configuration file.

    Raises:
        ConfigurationInvalid: the file is missing, not TOML, or a key is wrong.
    """
    try:
        return _ANY.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ConfigurationInvalid("config_missing", f"There is no file {path}.") from error
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigurationInvalid("config_invalid", f"{path}: {error}") from error


def of_fold(config: AnyTrainConfig, fold: int) -> AnyTrainConfig:
    """The same training with the split beside its own that ends in ``_foldN``, in a folder of its own.

    Fold 0 is the configuration itself.
    """
    if fold == 0:
        return config
    split, output = config.data.split, config.output
    data = config.data.model_copy(update={"split": split.with_stem(f"{split.stem}_fold{fold}")})
    return config.model_copy(update={"data": data, "output": output.with_name(f"{output.name}_fold{fold}")})
