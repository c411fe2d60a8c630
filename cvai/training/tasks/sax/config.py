"""The configuration of a short-axis training."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from cvai.training.core.config import (
    DataConfig,
    InputConfig,
    NotNegative,
    OptimiseConfig,
    Positive,
    Probability,
    RunConfig,
    Section,
)
from cvai.training.datasets.kinds import DatasetKind


class FurtherDataConfig(DataConfig):
    """Patients that are trained on beside the others, of whom not every structure needs to be drawn."""

    kind: DatasetKind
    folder: str = Field(description="folder of the data set, below CVAI_DATA")
    share: Probability = Field(description="of the slices drawn")


class SaxDataConfig(DataConfig):
    """Where patients come from."""

    kind: DatasetKind
    folder: str = Field(description="folder of the data set, below CVAI_DATA")
    further: tuple[FurtherDataConfig, ...] = ()


class SaxInputConfig(InputConfig):
    """Windows of one pixel size."""

    spacing_mm: Positive


class AugmentConfig(Section):
    """How far a training image is bent away from the original."""

    former: ClassVar[frozenset[str]] = frozenset({"batched"})

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
    coil: Probability = Field(default=0.0, description="share of images that grow dark away from a coil")
    contrast: Probability = Field(default=0.0, description="share of images with another curve of contrast")
    mixed_style: Probability = Field(
        default=0.0, description="share of images with the low frequencies of another's amplitude"
    )
    banding: Probability = Field(
        default=0.0, description="share of images with dark bands, as bSSFP has them"
    )
    ghosts: Probability = Field(
        default=0.0, description="share of images with ghosts of themselves, by motion"
    )
    partial_volume: Probability = Field(
        default=0.0, description="share of slices that are so thick that their neighbours show in them"
    )


class SaxOptimiseConfig(OptimiseConfig):
    """Also which slices are drawn more often."""

    extremes: Positive = Field(
        default=1.0, description="how often slices at the base and the apex are drawn, against those between"
    )
    end_systole: Positive = Field(
        default=1.0, description="how often slices of the end-systolic phase are drawn, against the others"
    )


class SaxConfig(RunConfig):
    """One training run of a short-axis model."""

    view: Literal["sax"]
    data: SaxDataConfig
    input: SaxInputConfig
    augment: AugmentConfig
    optimise: SaxOptimiseConfig
