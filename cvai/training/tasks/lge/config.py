"""The configuration of a training on late enhancement."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cvai.training.core.config import (
    DataConfig,
    NotNegative,
    OptimiseConfig,
    Positive,
    Probability,
    RunConfig,
    Section,
)

Factor = Annotated[float, Field(ge=1)]


class LgeDataConfig(DataConfig):
    """Where patients come from."""

    folder: str = Field(description="folder of EMIDEC, below CVAI_DATA")


class LgeAugmentConfig(Section):
    """How far a window is changed; lengths are shares of the window."""

    stretch: Factor = Field(description="largest factor of each axis by itself, 1.5 is 0.67 to 1.5")
    centre_jitter: Positive = Field(description="standard deviation of the window's offset")
    whole: Probability = Field(description="share of windows that show the whole image, to find the heart")
    bend: NotNegative = Field(description="largest shift of points a quarter of the window apart")
    gamma: Positive = Field(description="exponent between 1/(1+g) and 1+g")
    noise: Positive
    bias_field: Positive
    drop_neighbours: Probability = Field(description="share of slices that are shown alone")


class LgeOptimiseConfig(OptimiseConfig):
    """Also which slices are drawn more often."""

    infarct: Positive = Field(description="how often slices with an infarct are drawn, against those without")
    no_reflow: Positive = Field(description="how often slices with no-reflow are drawn, against the others")


class LgeConfig(RunConfig):
    """One training run of a model for late enhancement."""

    view: Literal["lge"]
    data: LgeDataConfig
    augment: LgeAugmentConfig
    optimise: LgeOptimiseConfig
