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


class SaxDataConfig(DataConfig):
    """Where patients come from."""

    kind: DatasetKind
    folder: str = Field(description="folder of the data set, below CVAI_DATA")


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
